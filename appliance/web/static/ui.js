// Small things every page does: a word at the bottom, a question before something final, copying, closing menus.

const toast = document.getElementById("toast");
let toastTimer;

export function say(text) {
  toast.textContent = text;
  toast.classList.add("shown");
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => toast.classList.remove("shown"), 4000);
}

/** Say it on the page that loads next. */
export function sayNext(text) {
  sessionStorage.setItem("membox-say", text);
}

export function sayPending() {
  const text = sessionStorage.getItem("membox-say");
  sessionStorage.removeItem("membox-say");
  if (text) say(text);
}

/** Ask in the page's dialog; true when the person chose `yes`. */
export function ask(title, text, yes, { danger = false } = {}) {
  const dialog = document.getElementById("confirm");
  document.getElementById("confirm-title").textContent = title;
  document.getElementById("confirm-text").textContent = text;
  const button = document.getElementById("confirm-yes");
  button.textContent = yes;
  button.classList.toggle("danger", danger);
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** A new element with a class, text or children. */
export function make(tag, className = "", ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

/** Nodes of markup that the box itself rendered, with nothing in it run. */
export function nodesOf(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  return Array.from(parsed.body.childNodes, (node) => document.importNode(node, true));
}

/** Bring the parts of this page with these ids up to date, from the box. */
export async function renew(ids, path = location.pathname) {
  const response = await fetch(path, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!response?.ok) return; // the part stays as it is; the next page shows it
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const id of ids) {
    const fresh = page.getElementById(id);
    if (fresh) document.getElementById(id)?.replaceWith(document.importNode(fresh, true));
  }
}

/** Show the QR code of `text` in `place`; the box draws it. */
export function showQr(place, svg) {
  const drawing = new DOMParser().parseFromString(svg, "image/svg+xml").documentElement;
  place.replaceChildren(document.importNode(drawing, true));
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    say("Copied");
  } catch {
    getSelection().selectAllChildren(source);
    say("Selected: copy it from here");
  }
}

export function listenToPage() {
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target) || event.target.closest(".menu > div")) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details.menu[open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
