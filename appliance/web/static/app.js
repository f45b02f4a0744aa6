// On every page: the service worker, the queue's state, keyboard shortcuts.

import "./queue.js";
import { csrfToken } from "./api.js";
import { listenToPage, make, sayPending } from "./ui.js";

const AGAIN_MS = 10_000; // the longest a held box asks to wait (Retry-After); one that is off is soon back, too
const queue = self.memboxQueue;
let again = 0;
const banner = document.getElementById("queue-state");

function countOf(entries, what) {
  return `${entries.length} ${entries.length === 1 ? "note" : "notes"} ${what(entries.length === 1)}`;
}

async function showQueue() {
  const entries = await queue.all();
  const refused = entries.filter((entry) => entry.state === "refused");
  const signIn = entries.filter((entry) => entry.state === "sign-in");
  const waiting = entries.filter((entry) => entry.state === "waiting");
  const parts = [];
  if (waiting.length) parts.push(countOf(waiting, (one) => `${one ? "waits" : "wait"} for a connection.`));
  if (signIn.length) parts.push(countOf(signIn, (one) => `${one ? "waits" : "wait"} on this device: sign in again and ${one ? "it is" : "they are"} delivered.`));
  if (refused.length) parts.push(countOf(refused, (one) => `${one ? "was" : "were"} refused: see Today.`));
  banner.replaceChildren(parts.join(" "));
  if (signIn.length) banner.append(" ", Object.assign(make("a", "", "How to sign in"), { href: "/sign-in" }));
  banner.hidden = parts.length === 0;
  clearTimeout(again);
  if (waiting.length) again = setTimeout(deliver, AGAIN_MS);
}

function deliver() {
  if (navigator.onLine) queue.flush(csrfToken());
}

function typing(target) {
  return target.closest?.("input, textarea, select, [contenteditable], dialog") !== null;
}

function shortcut(event) {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const places = {
    "/": () => focusOr("#q", "/search"),
    n: () => focusOr("#note", "/#note"),
    e: () => document.getElementById("edit")?.click(),
  };
  const go = places[event.key];
  if (!go) return;
  event.preventDefault();
  go();
}

function focusOr(selector, page) {
  const field = document.querySelector(selector);
  if (field) field.focus();
  else location.assign(page);
}

listenToPage();
sayPending();
document.addEventListener("keydown", shortcut);
queue.watch(showQueue);
showQueue();
deliver();
addEventListener("online", deliver);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && deliver());
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/sw.js");
