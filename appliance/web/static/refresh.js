// The refresh: begin it and watch, approve or decline what it proposes, settle what it would reword, take it back.

import { call } from "./api.js";
import { renew, say } from "./ui.js";

const LOOK_MS = 700;
const error = document.getElementById("refresh-error");
const begin = document.getElementById("begin");

async function watch() {
  while (document.getElementById("stand").dataset.running !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    await renew(["stand"]);
  }
  await renew(["queues"]);
}

async function send(button, path, body, said) {
  button.disabled = true;
  error.textContent = "";
  try {
    await call("POST", path, body);
    if (said) say(said);
    await renew(["stand", "queues"]);
    return true;
  } catch (refusal) {
    error.textContent = refusal.message;
    button.disabled = false;
    return false;
  }
}

begin.addEventListener("click", async () => {
  if (await send(begin, "/v1/notebook/refresh", {}, "")) await watch();
});

document.getElementById("main").addEventListener("click", (event) => {
  const button = event.target.closest("[data-act]");
  if (!button) return;
  const { act, body, said } = button.dataset;
  send(button, act, body ? JSON.parse(body) : {}, said);
});

if (document.getElementById("stand").dataset.running !== undefined) watch();
