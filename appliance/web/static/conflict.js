// Two people changed the same lines: both sides beside each other, and a result that the person makes of them.

import { compare, fold } from "./lines.js";
import { ask, make } from "./ui.js";

const merged = document.getElementById("merged");
const error = document.getElementById("conflict-error");
const MARKS = /^(<{7}|={7}|>{7})/m;

function show(place, base, text) {
  const rows = fold(compare(base.split("\n"), text.split("\n")));
  document.getElementById(place).replaceChildren(...rows.map((row) => make("div", row.kind, row.text)));
}

/** Open the conflict in the editor's place; `save(text, version)` is called with what the person made of it. */
export function openConflict(conflict, save) {
  const { base, yours, theirs, version } = conflict;
  document.getElementById("editor").hidden = true;
  document.getElementById("conflict").hidden = false;
  document.getElementById("conflict-text").textContent =
    `While you were writing, ${conflict.path} was saved as version ${version}, and both changed the same lines. ` +
    "Nothing is lost: choose a side to start from, or settle it in the result below.";
  show("yours", base, yours);
  show("theirs", base, theirs);
  const start = (text) => () => {
    merged.value = text;
    error.textContent = "";
    merged.focus();
  };
  document.getElementById("take-yours").onclick = start(yours);
  document.getElementById("take-theirs").onclick = start(theirs);
  document.getElementById("take-merged").onclick = start(conflict.merged);
  document.getElementById("save-merged").onclick = () => settle(version, save);
  merged.value = conflict.merged;
  error.textContent = "";
  document.getElementById("conflict-title").scrollIntoView();
}

async function settle(version, save) {
  const button = document.getElementById("save-merged");
  if (button.disabled) return; // one at a time
  button.disabled = true;
  try {
    await saveMerged(version, save);
  } finally {
    button.disabled = false;
  }
}

async function saveMerged(version, save) {
  const question = "The lines that begin with <<<<<<<, ======= or >>>>>>> would become part of the file.";
  if (MARKS.test(merged.value) && !(await ask("Save with the marks in it?", question, "Save anyway"))) return;
  try {
    await save(merged.value, version);
  } catch (refusal) {
    error.textContent = refusal.message;
  }
}
