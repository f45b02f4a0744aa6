// The editor: write, preview, look at the changes, save; never lose what was typed.

import { call } from "./api.js";
import { openConflict } from "./conflict.js";
import { offerStrokes } from "./strokes.js";
import { ask, make, nodesOf, sayNext } from "./ui.js";

const form = document.getElementById("editor");
const text = document.getElementById("text");
const merged = document.getElementById("merged");
const pathField = document.getElementById("path");
const saveButton = document.getElementById("save");
const state = document.getElementById("state");
const error = document.getElementById("editor-error");
const opened = text.value;
const DRAFT = `membox-draft:${form.dataset.path}`;
const TABS = ["write", "preview", "changes"];
let version = Number(form.dataset.version);
let saved = false;
let inConflict = false;

const pathOf = () => form.dataset.path || pathField.value.trim();
const dirty = () => !saved && (inConflict || text.value !== opened);

// Drafts: what is typed is kept on this device until it is saved or discarded.

function keepDraft() {
  if (text.value === opened) localStorage.removeItem(DRAFT);
  else localStorage.setItem(DRAFT, JSON.stringify({ text: text.value, version, at: Date.now(), path: pathOf() }));
  state.textContent = text.value === opened ? "" : "Unsaved";
}

function offerDraft() {
  const draft = JSON.parse(localStorage.getItem(DRAFT) ?? "null");
  if (!draft || draft.text === opened) return;
  const banner = document.getElementById("draft");
  const older = draft.version !== version ? " The file has changed since; saving will merge the two." : "";
  document.getElementById("draft-text").textContent = `You began a change here on ${new Date(draft.at).toLocaleString()} and did not save it.${older}`;
  banner.hidden = false;
  document.getElementById("draft-use").addEventListener("click", () => {
    text.value = draft.text;
    version = draft.version;
    if (pathField) pathField.value = draft.path;
    banner.hidden = true;
    keepDraft();
    text.focus();
  });
  document.getElementById("draft-drop").addEventListener("click", () => {
    localStorage.removeItem(DRAFT);
    banner.hidden = true;
  });
}

// Views

async function show(name) {
  for (const tab of TABS) {
    const button = document.getElementById(`tab-${tab}`);
    button.setAttribute("aria-selected", String(tab === name));
    button.tabIndex = tab === name ? 0 : -1;
    document.getElementById(`pane-${tab}`).hidden = tab !== name;
  }
  saveButton.textContent = name === "changes" ? "Save" : "Save…";
  error.textContent = "";
  try {
    if (name === "preview") await showPreview();
    if (name === "changes") await showChanges();
  } catch (refusal) {
    error.textContent = refusal.message;
  }
}

async function showPreview() {
  const answer = await call("POST", "/v1/notebook/preview", { text: text.value });
  document.getElementById("pane-preview").replaceChildren(...nodesOf(answer.html));
}

async function showChanges() {
  const answer = await call("POST", "/v1/notebook/diff", { path: pathOf(), text: text.value, base_version: version });
  const pane = document.getElementById("pane-changes");
  pane.replaceChildren(answer.diff ? diffOf(answer.diff) : make("p", "empty", "Nothing has changed yet."));
  if (answer.constraints.length) pane.prepend(warningOf(answer.constraints));
}

/** No agent may take a hard constraint away; a person may, knowingly. */
function warningOf(lines) {
  const list = make("ul", "", ...lines.map((line) => make("li", "", line.trim().replace(/^[-*+] /, ""))));
  const title = lines.length === 1 ? "This takes a hard constraint away:" : "This takes hard constraints away:";
  return make("div", "banner", make("p", "", title), list);
}

function diffOf(diff) {
  const kinds = { "+": "add", "-": "del", "@": "hunk" };
  const table = make("div", "diff");
  const lines = diff.replace(/\n$/, "").split("\n");
  for (const line of lines.slice(lines.findIndex((each) => each.startsWith("@@")))) {
    if (line.startsWith("\\")) continue;
    const kind = kinds[line[0]] ?? "same";
    const body = kind === "hunk" ? line.replace(/^@@ -(\d+).*$/, "from line $1") : line.slice(1);
    const sign = kind === "add" ? "+" : kind === "del" ? "−" : "";
    table.append(make("div", `row ${kind}`, make("span", "num"), make("span", "num"), make("span", "sign", sign), make("span", "line", body)));
  }
  return table;
}

// Saving

async function save() {
  if (saveButton.disabled) return; // one at a time
  error.textContent = "";
  if (!pathOf()) {
    error.textContent = "Give the file a name first.";
    pathField.focus();
    return;
  }
  if (!form.dataset.path && !pathField.reportValidity()) return;
  saveButton.disabled = true;
  try {
    await put(text.value, version);
  } catch (refusal) {
    error.textContent = refusal.message;
  } finally {
    saveButton.disabled = false;
  }
}

/** Save `content` on top of version `base`; a conflict opens its own view, an empty text is asked about. */
async function put(content, base) {
  const empty = content.trim() === "";
  const question = `${pathOf()} would be empty from now on. Its earlier versions stay in the history.`;
  if (empty && !(await ask("Save it empty?", question, "Save empty", { danger: true }))) return;
  try {
    const answer = await call("PUT", "/v1/notebook/document", { path: pathOf(), text: content, base_version: base, allow_empty: empty });
    leave(answer);
  } catch (refusal) {
    if (refusal.status !== 409 || !refusal.body.conflict) throw refusal;
    inConflict = true;
    openConflict(refusal.body.conflict, put);
  }
}

function leave(answer) {
  saved = true;
  localStorage.removeItem(DRAFT);
  sayNext(answer.merged ? "Saved, together with a change made meanwhile" : "Saved");
  location.assign(`/memory?path=${encodeURIComponent(answer.path)}`);
}

function saveByKey(event) {
  if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "s") return;
  event.preventDefault();
  if (inConflict) document.getElementById("save-merged").click();
  else save();
}

function switchByKey(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const at = TABS.findIndex((tab) => event.target.id === `tab-${tab}`);
  const next = TABS[(at + step + TABS.length) % TABS.length];
  show(next);
  document.getElementById(`tab-${next}`).focus();
}

function goToLine() {
  const match = /^#L(\d+)/.exec(location.hash);
  if (!match) return;
  const at = opened.split("\n").slice(0, Number(match[1]) - 1).join("\n").length;
  text.focus();
  text.setSelectionRange(at + 1, at + 1);
  text.scrollTop = (at / Math.max(1, opened.length)) * text.scrollHeight - 120;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (document.getElementById("pane-changes").hidden) show("changes").then(() => saveButton.focus());
  else save();
});
for (const tab of TABS) document.getElementById(`tab-${tab}`).addEventListener("click", () => show(tab));
form.querySelector("[role=tablist]").addEventListener("keydown", switchByKey);
text.addEventListener("input", keepDraft);
merged.addEventListener("input", () => (inConflict = true));
document.addEventListener("keydown", saveByKey);
addEventListener("beforeunload", (event) => dirty() && event.preventDefault());
offerStrokes(document.getElementById("strokes"), text);
offerDraft();
goToLine();
