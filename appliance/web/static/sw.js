// The service worker: the shell works without a connection, shared notes and waiting notes are delivered once.

importScripts("/static/queue.js");

const CACHE = "membox-shell";
const OFFLINE = "/offline";
const GATEWAY_ERRORS = [502, 504]; // said by a proxy in front of a box that is switched off
const SHELL = [
  OFFLINE,
  "/manifest.webmanifest",
  "/static/membox.css",
  "/static/icon.svg",
  "/static/icon-192.png",
  "/static/api.js",
  "/static/app.js",
  "/static/capture.js",
  "/static/forget.js",
  "/static/queue.js",
  "/static/ui.js",
];

async function fillCache() {
  const cache = await caches.open(CACHE);
  await cache.addAll(SHELL.map((path) => new Request(path, { cache: "no-cache" })));
}

// Pages are never cached: what the box remembers stays on the box, also after signing out.
async function page(event) {
  const response = await fetch(event.request).catch(() => null);
  const isDown = response === null || GATEWAY_ERRORS.includes(response.status);
  if (isDown) return (await caches.match(OFFLINE)) ?? response ?? Response.error();
  if (!refreshed) event.waitUntil(refresh());
  return response;
}

async function asset(request) {
  try {
    return await fetch(request);
  } catch {
    return (await caches.match(request, { ignoreSearch: true })) ?? Response.error();
  }
}

// An upgraded box brings new files: once each time the worker starts, the kept ones are renewed.
let refreshed = false;

async function refresh() {
  refreshed = true;
  await fillCache().catch(() => {
    refreshed = false; // went offline in between; the next page tries again
  });
}

// A share from another app: into the queue, then to the box. The page that opens shows it waiting or kept.
async function share(event) {
  const fields = await event.request.formData();
  const value = (name) => String(fields.get(name) ?? "").trim();
  const link = value("url") || (/^https?:\/\/\S+$/.test(value("text")) ? value("text") : "");
  const note = { text: value("text") || value("title") || link, source: "share" };
  if (value("title") && value("title") !== note.text) note.title = value("title");
  if (link) note.url = link;
  if (note.text) await self.memboxQueue.add(note);
  const delivery = self.memboxQueue.flush();
  event.waitUntil(delivery);
  await Promise.race([delivery, new Promise((done) => setTimeout(done, 2000))]); // so that the page has it already
  return Response.redirect("/", 303);
}

// The browser tries again later when this fails: the box may be held, or still off.
async function flushAll() {
  await self.memboxQueue.flush();
  const left = await self.memboxQueue.all();
  if (left.some((entry) => entry.state === "waiting")) throw new Error("notes still wait");
}

self.addEventListener("install", (event) => event.waitUntil(fillCache().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("sync", (event) => {
  if (event.tag === "membox-notes") event.waitUntil(flushAll());
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "POST" && url.pathname === "/share") event.respondWith(share(event));
  else if (request.mode === "navigate" && request.method === "GET") event.respondWith(page(event));
  else if (request.method === "GET" && SHELL.includes(url.pathname)) event.respondWith(asset(request));
});
