// Forgetting lines of a file, after saying what that means.

import { call } from "./api.js";
import { ask, say, sayNext } from "./ui.js";

export const MEANING =
  "It leaves its file, the archive and every past version, and nothing finds it any more. This cannot be undone.\n\n" +
  "The history will show that something was removed. Backups made before keep it until they age out.";

/** Forget lines as they stand in `version`; refused when they have moved since. */
export function forgetLines(path, first, last, version) {
  const lines = { first_line: Number(first), last_line: Number(last), base_version: Number(version) };
  return call("POST", "/v1/notebook/forget", { path, ...lines });
}

/** Serve every button with data-forget inside `root`, now and later. */
export function forgetButtons(root) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-forget]");
    if (!button) return;
    const { path, first, last, version, name } = button.dataset;
    if (!(await ask(`Forget ${name}?`, MEANING, "Forget it", { danger: true }))) return;
    try {
      await forgetLines(path, first, last, version);
      sayNext("Forgotten");
      location.reload();
    } catch (refusal) {
      say(refusal.message);
    }
  });
}
