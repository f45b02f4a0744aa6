// The ticket comes in the fragment, which no server and no log ever sees; it is used and taken out of the address.

import { call } from "./api.js";

const title = document.getElementById("sign-in-title");
const text = document.getElementById("sign-in-text");

function takeTicket() {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (location.hash) history.replaceState(null, "", "/sign-in");
  return ticket;
}

function refuse(refusal) {
  const spent = refusal.status === 401 || refusal.status === 404;
  title.textContent = spent ? "This link no longer works" : "That did not work";
  text.textContent = spent
    ? "A link works once and for ten minutes. Make a new one: on the box, run"
    : `${refusal.message} If it stays like this, make a new link: on the box, run`;
  title.focus();
}

async function signIn() {
  const ticket = takeTicket();
  if (!ticket) return;
  title.textContent = "Signing in…";
  try {
    await call("POST", "/v1/sign-in", { ticket });
    location.replace("/");
  } catch (refusal) {
    refuse(refusal);
  }
}

addEventListener("hashchange", signIn);
signIn();
