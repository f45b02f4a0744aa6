// Today's capture box: a note goes into this device's queue first, then to the box.

import "./queue.js";
import { csrfToken } from "./api.js";
import { forgetButtons } from "./forget.js";
import { make, renew, say } from "./ui.js";

const DAY = ["date", "day"];
const DRAFT = "membox-note-draft";
const queue = self.memboxQueue;
const form = document.getElementById("capture");
const text = document.getElementById("note");
const error = document.getElementById("capture-error");
const more = document.getElementById("capture-more");
const toggle = document.getElementById("capture-toggle");
const waitingList = document.getElementById("waiting");

function noteOf(fields) {
  const value = (name) => String(fields.get(name) ?? "").trim();
  const note = { text: value("text") };
  const tags = value("tags").split(",").map((tag) => tag.trim().replace(/^#/, "")).filter(Boolean);
  if (value("title")) note.title = value("title");
  if (tags.length) note.tags = tags;
  if (value("url")) note.url = value("url");
  return note;
}

async function save(event) {
  event.preventDefault();
  const note = noteOf(new FormData(form));
  error.textContent = "";
  if (!note.text) {
    error.textContent = "Write something first.";
    text.focus();
    return;
  }
  try {
    await queue.add(note);
  } catch (problem) {
    error.textContent = `This browser cannot keep the note (${problem?.message ?? problem}). It is still in the box above.`;
    return;
  }
  clear();
  const delivered = navigator.onLine ? await queue.flush(csrfToken()) : 0;
  if (delivered) say("Kept");
  else {
    say("Waiting for a connection");
    askForSync();
  }
}

function clear() {
  for (const field of form.elements) if (field.name) field.value = "";
  localStorage.removeItem(DRAFT);
  unfold(false);
  text.focus();
}

async function askForSync() {
  navigator.storage?.persist?.();
  const worker = await navigator.serviceWorker?.ready;
  await worker?.sync?.register("membox-notes").catch(() => {}); // refused in private windows; `online` still delivers
}

function unfold(open) {
  more.hidden = !open;
  toggle.setAttribute("aria-expanded", String(open));
}

const REASONS = {
  waiting: "Waits for a connection.",
  "sign-in": "Waits until you sign in again.",
};
const REFUSALS = {
  note_too_large: "it is longer than 64 KB; make two of it",
  capture_disabled: "capturing is switched off in its settings",
};

function rowOf(entry) {
  const clock = new Date(entry.written).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const reason = REASONS[entry.state] ?? `Refused by the box: ${REFUSALS[entry.reason] ?? entry.reason}.`;
  const body = make("div", "", make("p", "said", entry.note.text), make("p", "meta", reason));
  if (entry.state === "refused") body.append(choicesFor(entry));
  return make("li", "entry waiting", make("span", "clock", clock), body);
}

function choicesFor(entry) {
  const edit = make("button", "button quiet", "Change it");
  const drop = make("button", "button bare", "Discard");
  edit.addEventListener("click", async () => {
    text.value = [entry.note.text, text.value].filter(Boolean).join("\n\n");
    form.elements.title.value = entry.note.title ?? "";
    form.elements.tags.value = (entry.note.tags ?? []).join(", ");
    form.elements.url.value = entry.note.url ?? "";
    unfold(Boolean(entry.note.title || entry.note.tags || entry.note.url));
    await queue.discard(entry.key);
    text.focus();
  });
  drop.addEventListener("click", () => queue.discard(entry.key));
  return make("p", "actions", edit, drop);
}

async function showWaiting() {
  const entries = await queue.all();
  waitingList.replaceChildren(...entries.reverse().map(rowOf));
  waitingList.hidden = entries.length === 0;
}

/** What another app shared comes in the fragment; else the draft left here comes back. */
function fillIn() {
  const shared = new URLSearchParams(location.hash.slice(1));
  const draft = localStorage.getItem(DRAFT) ?? "";
  text.value = [shared.get("text"), draft].filter(Boolean).join("\n\n");
  form.elements.title.value = shared.get("title") ?? "";
  form.elements.url.value = shared.get("url") ?? "";
  unfold(shared.has("title") || shared.has("url"));
  if (location.hash) history.replaceState(null, "", location.pathname);
  text.focus();
}

form.addEventListener("submit", save);
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
text.addEventListener("input", () => localStorage.setItem(DRAFT, text.value));
form.addEventListener("invalid", () => unfold(true), true); // a wrong link must be seen to be put right
toggle.addEventListener("click", () => unfold(more.hidden));
fillIn();
if (/Mac|iP(hone|ad)/.test(navigator.platform)) document.getElementById("capture-modifier").textContent = "⌘";
forgetButtons(document);
queue.watch((news) => {
  showWaiting();
  if (news.delivered) renew(DAY, "/");
});
showWaiting();
// Left open overnight, or written to from elsewhere: what is shown is brought up to date when it is looked at again.
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && renew(DAY, "/"));
