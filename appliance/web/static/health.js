// How the box is, asked after the page is there: one sentence, and on asking everything that was looked at.

import { call } from "./api.js";
import { make } from "./ui.js";

const STATES = { ok: "well", warn: "notice", error: "trouble" };
const health = document.getElementById("health");
const word = document.getElementById("health-word");
const more = document.getElementById("health-more");

function show({ state, findings, checks }) {
  health.dataset.state = STATES[state];
  word.textContent = sentenceOf(findings);
  const well = checks.filter((check) => check.severity === "ok");
  more.replaceChildren(make("ul", "", ...[...findings, ...well].map(rowOf)));
}

function sentenceOf(findings) {
  if (!findings.length) return "The box is well";
  return findings.length === 1 ? findings[0].sentence : `${findings.length} things need you`;
}

function rowOf({ severity, sentence, remedy }) {
  const row = make("li", "", make("p", "", sentence));
  row.dataset.state = STATES[severity];
  if (remedy) row.append(make("p", "soft small", ...withCode(remedy)));
  return row;
}

/** The parts of a remedy: what stands between backticks as code, addresses as links. */
function withCode(remedy) {
  return remedy.split("`").flatMap((part, at) => (at % 2 ? [make("code", "", part)] : withLinks(part)));
}

function withLinks(text) {
  return text.split(/(https:\/\/[\w./-]*[\w/-])/).map((part, at) => (at % 2 ? linkTo(part) : part));
}

function linkTo(address) {
  const link = make("a", "", address.replace("https://", ""));
  Object.assign(link, { href: address, target: "_blank", rel: "noreferrer" });
  return link;
}

call("GET", "/v1/status").then(show, (refusal) => {
  health.dataset.state = "trouble";
  word.textContent = refusal.status === 0 ? "The box cannot be reached" : refusal.message;
});
