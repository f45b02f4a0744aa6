// How the box is, asked after the page is there: one sentence, and what needs a person.

import { call } from "./api.js";
import { make } from "./ui.js";

const health = document.getElementById("health");
const word = document.getElementById("health-word");
const more = document.getElementById("health-more");

function show(status) {
  const findings = status.findings ?? [];
  const trouble = findings.some((finding) => finding.severity === "error");
  health.dataset.state = trouble ? "trouble" : findings.length ? "notice" : "well";
  word.textContent = sentenceOf(findings);
  const list = make("ul", "", ...findings.map(rowOf));
  more.replaceChildren(findings.length ? list : make("ul", "", make("li", "", "Nothing needs you.")));
}

function sentenceOf(findings) {
  if (!findings.length) return "The box is well";
  if (findings.length === 1) return findings[0].sentence;
  return `${findings.length} things need you`;
}

function rowOf(finding) {
  const row = make("li", "", make("div", "", finding.sentence));
  if (finding.remedy) row.append(make("div", "soft small", finding.remedy));
  return row;
}

call("GET", "/v1/status").then(show, (refusal) => {
  health.dataset.state = "trouble";
  word.textContent = refusal.status === 0 ? "The box cannot be reached" : refusal.message;
});
