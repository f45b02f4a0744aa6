// Keys and signed-in browsers: make, show once, take back; install this page as an app.

import { call } from "./api.js";
import { ask, renew, say, sayNext, showQr } from "./ui.js";

const byId = (id) => document.getElementById(id);
const form = byId("make-key");
const AGAIN = "To come in again it needs a new link.";

function needsAgent() {
  byId("agent-field").hidden = form.elements.role.value === "capture";
}

async function makeKey(event) {
  event.preventDefault();
  const error = byId("make-key-error");
  error.textContent = "";
  const { name, role, agent_id: agent } = Object.fromEntries(new FormData(form));
  const wanted = { name: name.trim(), role };
  if (agent.trim() && role !== "capture") wanted.agent_id = agent.trim();
  try {
    await showKey(await call("POST", "/v1/keys", wanted), wanted);
    form.reset();
    needsAgent();
  } catch (refusal) {
    error.textContent = refusal.message;
  }
}

async function showKey(made, { name, role }) {
  const link = `${location.origin}/phone#key=${encodeURIComponent(made.key)}`;
  const forPhone = role === "capture";
  byId("new-key-title").textContent = `The key for ${name}`;
  byId("new-key-text").textContent =
    "Copy it now: it is not shown again." + (forPhone ? " Or scan the code with the phone: it opens the set-up with the key in it." : "");
  byId("new-key-value").textContent = made.key;
  const anchor = Object.assign(document.createElement("a"), { href: link, textContent: "Open the set-up here" });
  byId("new-key-link").replaceChildren(...(forPhone ? [anchor] : []));
  byId("new-key-qr").hidden = !forPhone;
  if (forPhone) showQr(byId("new-key-qr"), await call("POST", "/v1/qr", { text: link }));
  byId("new-key").hidden = false;
  await renew(["key-list"]);
  byId("new-key-title").focus();
}

async function revoke(button) {
  const { revoke: id, name } = button.dataset;
  if (!(await ask(`Revoke the key “${name}”?`, "Whatever uses it is locked out from its next request. What it wrote stays.", "Revoke", { danger: true }))) return;
  await call("DELETE", `/v1/keys/${encodeURIComponent(id)}`);
  sayNext("Revoked");
  location.reload();
}

async function signOut(button) {
  const { signOut: id, name, current } = button.dataset;
  if (!(await ask(`Sign out ${name}?`, current === undefined ? AGAIN : `${AGAIN} Unsaved drafts in this browser are discarded.`, "Sign out"))) return;
  if (current === undefined) await call("DELETE", `/v1/sessions/${encodeURIComponent(id)}`);
  else await signOutHere();
  sayNext("Signed out");
  location.assign(current === undefined ? "/devices" : "/sign-in");
}

async function signOutHere() {
  await call("POST", "/v1/sign-out");
  const drafts = Object.keys(localStorage).filter((name) => name.startsWith("membox-"));
  for (const name of drafts) localStorage.removeItem(name);
}

async function makeLink() {
  const { url_path: path } = await call("POST", "/v1/login-link");
  const link = location.origin + path;
  byId("new-link-value").textContent = link;
  showQr(byId("new-link-qr"), await call("POST", "/v1/qr", { text: link }));
  byId("new-link").hidden = false;
  byId("new-link-title").focus();
}

function onClick(event) {
  const button = event.target.closest("button");
  const work = button?.dataset.revoke !== undefined ? revoke : button?.dataset.signOut !== undefined ? signOut : button?.id === "link" ? makeLink : null;
  work?.(button).catch((refusal) => say(refusal.message));
}

function offerInstalling(event) {
  event.preventDefault();
  const button = byId("install");
  button.hidden = false;
  button.onclick = () => event.prompt();
}

form.addEventListener("submit", makeKey);
form.elements.role.addEventListener("change", needsAgent);
document.addEventListener("click", onClick);
addEventListener("beforeinstallprompt", offerInstalling);
