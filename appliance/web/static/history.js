// Restoring a version: it becomes the newest one, nothing in between is lost.

import { call } from "./api.js";
import { ask, sayNext } from "./ui.js";

const button = document.getElementById("restore");
const error = document.getElementById("restore-error");

button?.addEventListener("click", async () => {
  const { path, number } = button.dataset;
  const text = `${path} becomes what it was in version ${number}, as a new version. Everything since stays in the history.`;
  if (!(await ask(`Restore version ${number}?`, text, "Restore"))) return;
  button.disabled = true;
  try {
    await call("POST", "/v1/notebook/restore", { path, number: Number(number) });
    sayNext(`Version ${number} restored`);
    location.assign(`/memory?path=${encodeURIComponent(path)}`);
  } catch (refusal) {
    error.textContent = refusal.message;
    button.disabled = false;
  }
});
