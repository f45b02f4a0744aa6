// Saying whether a result helped, without leaving the results: the verdicts on one search then belong together.

import { csrfToken } from "./api.js";
import { say } from "./ui.js";

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches(".verdict")) return;
  event.preventDefault();
  const chosen = event.submitter;
  const fields = new URLSearchParams(new FormData(form, chosen));
  fields.set("csrf_token", csrfToken());
  const answer = await fetch(form.action, { method: "POST", body: fields, redirect: "manual" }).catch(() => null);
  if (answer?.type !== "opaqueredirect") {
    say("That could not be recorded. Reload the page and try again.");
    return;
  }
  for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", button === chosen);
  say("Thank you: the next training learns from it.");
});
