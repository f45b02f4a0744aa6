// Reading a file: go to a line, tick a task, undo, forget a section.

import { call } from "./api.js";
import { MEANING, forgetLines } from "./forget.js";
import { ask, say, sayNext } from "./ui.js";

/** Mark and show the part of the document that the address's #L12 or #L12-L18 means. */
function showLine() {
  const match = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
  const parts = Array.from(document.querySelectorAll("#document [data-line]"));
  for (const part of parts) part.classList.remove("found");
  if (!match || !parts.length) return;
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  const lineOf = (part) => Number(part.dataset.line);
  const before = parts.filter((part) => lineOf(part) <= first).at(-1) ?? parts[0];
  const found = [before, ...parts.filter((part) => lineOf(part) > first && lineOf(part) <= last)];
  for (const part of found) if (!found.some((other) => other !== part && other.contains(part))) part.classList.add("found");
  found[0].scrollIntoView({ block: "center" });
}

/** Tick a task's box, or clear it; one that cannot be stays as it was. */
async function tick(event) {
  const box = event.target.closest("[data-tick]");
  if (!box) return;
  const page = document.getElementById("document");
  const { path, version } = page.dataset;
  box.disabled = true;
  try {
    const answer = await call("POST", "/v1/notebook/tick", { path, line: Number(box.dataset.tick), done: box.checked, base_version: Number(version) });
    box.closest(".todo").classList.toggle("done", box.checked);
    box.setAttribute("aria-label", box.checked ? "done" : "open");
    say(box.checked ? "Done" : "Open again");
    if (answer.merged) return location.reload(); // the lines may have moved
    page.dataset.version = answer.version;
  } catch (refusal) {
    box.checked = !box.checked;
    say(refusal.message);
  }
  box.disabled = false;
}

async function undo(event) {
  const { path } = event.currentTarget.dataset;
  if (!(await ask("Undo the last change?", `${path} becomes what it was one version ago. The change stays in the history.`, "Undo it"))) return;
  try {
    await call("POST", "/v1/notebook/undo", { path });
    sayNext("Undone");
    location.reload();
  } catch (refusal) {
    say(refusal.message);
  }
}

function offerForgetting(dialog) {
  const form = document.getElementById("forget-form");
  const error = document.getElementById("forget-error");
  document.getElementById("forget").addEventListener("click", () => dialog.showModal());
  document.getElementById("forget-cancel").addEventListener("click", () => dialog.close());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const choice = document.getElementById("forget-section");
    const [first, last] = choice.value.split("-");
    dialog.close();
    if (!(await ask(`Really forget “${choice.selectedOptions[0].textContent.trim()}”?`, MEANING, "Forget it", { danger: true }))) return;
    try {
      await forgetLines(form.dataset.path, first, last, form.dataset.version);
      sayNext("Forgotten");
      location.assign(`/memory?path=${encodeURIComponent(form.dataset.path)}`);
    } catch (refusal) {
      dialog.showModal();
      error.textContent = refusal.message;
    }
  });
}

const dialog = document.getElementById("forget-dialog");
if (dialog) offerForgetting(dialog);
document.getElementById("document")?.addEventListener("change", tick);
document.getElementById("undo")?.addEventListener("click", undo);
addEventListener("hashchange", showLine);
showLine();
