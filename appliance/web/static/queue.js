// The notes this device still has to deliver. A note is put here before it is sent and leaves only when the box has
// said that it is kept. Loaded as a module by pages and with importScripts by the service worker.

self.memboxQueue = (() => {
  const STORE = "notes";
  const LOCK = "membox-queue";
  const channel = new BroadcastChannel("membox-queue");

  function open() {
    return new Promise((resolve, reject) => {
      const request = indexedDB.open("membox", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "key" });
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });
  }

  /** Run `work` on the store; resolves once the transaction is complete, with the request's result. */
  async function transact(mode, work) {
    const database = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = database.transaction(STORE, mode, { durability: "strict" });
        const request = work(transaction.objectStore(STORE));
        transaction.oncomplete = () => resolve(request.result);
        transaction.onabort = transaction.onerror = () => reject(transaction.error ?? request.error);
      });
    } finally {
      database.close();
    }
  }

  const put = (entry) => transact("readwrite", (store) => store.put(entry));
  const remove = (key) => transact("readwrite", (store) => store.delete(key));

  /** Every note still here, oldest first: {key, written, note, state: waiting|sign-in|refused, reason}. */
  async function all() {
    const entries = await transact("readonly", (store) => store.getAll());
    return entries.sort((a, b) => a.written - b.written);
  }

  async function add(note) {
    const entry = { key: newKey(), written: Date.now(), note, state: "waiting", reason: "" };
    await put(entry);
    announce(0);
    return entry;
  }

  async function discard(key) {
    await remove(key);
    announce(0);
  }

  // crypto.randomUUID exists on https and localhost only; the same sixteen random bytes serve everywhere.
  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  function announce(delivered) {
    const news = { delivered };
    channel.postMessage(news);
    self.dispatchEvent(new CustomEvent("membox-queue", { detail: news }));
  }

  function watch(listener) {
    channel.addEventListener("message", (event) => listener(event.data));
    self.addEventListener("membox-queue", (event) => listener(event.detail));
  }

  /** Deliver what waits; tabs and the service worker take turns. Returns how many were delivered. */
  function flush(token = "") {
    if (!navigator.locks) return drain(token);
    return navigator.locks.request(LOCK, () => drain(token));
  }

  async function drain(token) {
    const session = { token, renewed: false };
    let delivered = 0;
    const waiting = (await all()).filter((entry) => entry.state !== "refused");
    for (const entry of waiting) {
      const verdict = await attempt(entry, session);
      if (verdict.state === "kept") {
        await remove(entry.key);
        delivered += 1;
        continue;
      }
      await put({ ...entry, state: verdict.state, reason: verdict.reason ?? "" });
      if (verdict.state !== "refused") break; // the next one would fare no better now
    }
    if (waiting.length) announce(delivered);
    return delivered;
  }

  /** Deliver a note; a token that is missing or too old is renewed, once. */
  async function attempt(entry, session) {
    if (!session.token) {
      const answer = await askForToken();
      if (!answer.token) return answer;
      session.token = answer.token;
      session.renewed = true;
    }
    const verdict = await deliver(entry, session.token);
    if (verdict.state !== "stale-token") return verdict;
    if (session.renewed) return { state: "waiting" };
    session.token = "";
    return attempt(entry, session);
  }

  async function askForToken() {
    try {
      const response = await fetch("/v1/session", { headers: { Accept: "application/json" } });
      // A box that asks nobody who they are has no sessions, and takes any token.
      if (response.ok) return { token: (await response.json()).csrf_token || "none" };
      return { state: response.status === 401 ? "sign-in" : "waiting" };
    } catch {
      return { state: "waiting" };
    }
  }

  async function deliver(entry, token) {
    let response, answer;
    try {
      response = await fetch("/note", {
        method: "POST",
        redirect: "error",
        signal: AbortSignal.timeout(20_000),
        headers: { "Content-Type": "application/json", "Idempotency-Key": entry.key, "X-CSRF-Token": token },
        body: JSON.stringify(entry.note),
      });
      answer = await response.json();
    } catch {
      return { state: "waiting" }; // not reached, or something between us answered in the box's place
    }
    if (response.ok) return { state: answer.ok === true ? "kept" : "waiting" };
    if (response.status === 401) return { state: "sign-in" };
    if (response.status === 403) return { state: "stale-token" };
    if (response.status === 408 || response.status === 429 || response.status >= 500) return { state: "waiting" };
    return { state: "refused", reason: String(answer.error ?? answer.detail ?? response.status) };
  }

  return { add, all, discard, flush, watch };
})();
