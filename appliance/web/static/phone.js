// The set-up page shows the key that came in the fragment, and nowhere else: it is not sent and not kept.

document.getElementById("value-url").textContent = `${location.origin}/note`;
const key = new URLSearchParams(location.hash.slice(1)).get("key");
if (key) {
  document.getElementById("value-key").textContent = `Bearer ${key}`;
  history.replaceState(null, "", location.pathname);
  document.getElementById("shortcut-title").scrollIntoView();
} else {
  document.getElementById("no-key").hidden = false;
}
