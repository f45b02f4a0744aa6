// One way to the box: JSON both ways, the session's CSRF token with every change, refusals as sentences.

const SENTENCES = {
  0: "The box cannot be reached. Check the connection and try again.",
  401: "You are signed out. Sign in again in another tab; nothing here is lost.",
  403: "This browser may not do that. Reload the page and try again.",
  404: "That is no longer there.",
  413: "That is too large for the box.",
  429: "Too many attempts. Wait a minute and try again.",
  503: "The box is just starting or stopping. Try again in a moment.",
  507: "The box's disk is full. Free some space on it, then try again.",
};

export class Refusal extends Error {
  constructor(status, body) {
    super(sentenceOf(status, body));
    this.status = status;
    this.word = typeof body?.detail === "string" ? body.detail : "";
    this.body = body ?? {};
  }
}

function sentenceOf(status, body) {
  const said = body?.sentence ?? body?.message;
  if (typeof said === "string" && said.includes(" ")) return said;
  if (status in SENTENCES) return SENTENCES[status];
  if (Array.isArray(body?.detail)) return body.detail.map((field) => field.msg ?? String(field)).join("; ");
  return typeof body?.detail === "string" ? `The box refused: ${body.detail}` : `The box answered ${status}.`;
}

export function csrfToken() {
  return document.querySelector('meta[name="csrf"]').content;
}

/** Call the box; the parsed answer, or throws Refusal (status 0: not reached). */
export async function call(method, path, body) {
  try {
    return await send(method, path, body);
  } catch (refusal) {
    if (refusal.word !== "csrf_failed") throw refusal;
    const session = await send("GET", "/v1/session"); // signed in again, in another tab
    document.querySelector('meta[name="csrf"]').content = session.csrf_token;
    return send(method, path, body);
  }
}

async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRF-Token"] = csrfToken();
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Refusal(0, null);
  }
  const isJson = (response.headers.get("Content-Type") ?? "").includes("json");
  const answer = isJson ? await response.json() : await response.text();
  if (!response.ok) throw new Refusal(response.status, isJson ? answer : null);
  return answer;
}
