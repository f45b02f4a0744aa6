// Running a job now: asked for, then looked at until it is done.

import { call } from "./api.js";
import { renew, say } from "./ui.js";

const LOOK_MS = 1000;
const error = document.getElementById("run-error");

async function look() {
  while (document.getElementById("jobs").dataset.busy !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    await renew(["jobs"]);
  }
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-run]");
  if (!button) return;
  const { run } = button.dataset;
  button.disabled = true;
  error.textContent = "";
  try {
    await call("POST", "/v1/schedule/run", { job: run });
    say(`${run} runs`);
    await renew(["jobs"]);
    look();
  } catch (refusal) {
    error.textContent = refusal.message;
    button.disabled = false;
  }
});

look();
