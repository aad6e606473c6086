// What htmx does not do: events from the server, keyboard shortcuts, suggestions, the undo countdown, toasts.
"use strict";
const $ = (selector, within = document) => within.querySelector(selector);
const openCase = () => Number($("article.case")?.dataset.case || 0);

// ——— Events: one stream a browser, told to all its tabs; what changed is requested again, what is being typed is left alone.
let changedCases = new Set(), timer = 0, stream = null;
function refresh() {
  timer = 0;
  if (!document.body.classList.contains("desk")) return;
  if ($("ol.cases:hover")) $("ol.cases").addEventListener("pointerleave", refreshList, { once: true }); // no row moves under a pointer
  else refreshList();
  if (changedCases.has(openCase()) && $("#details")) htmx.trigger("#details", "refresh");
  changedCases.clear();
}
const refreshList = () => htmx.trigger("#list", "refresh");
const HANDLERS = {
  changed: (numbers) => {
    numbers.forEach((number) => changedCases.add(number));
    timer ||= setTimeout(refresh, 250);
  },
  alert: ({ case: number, message }) => toast(message, { kind: "alert", href: number && `/cases/${number}`, seconds: 20 }),
  open: () => backOnline(),
  lost: () => showOffline(),
  "signed out": () => showSignedOut(),
};
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("ascolto") : null;
if (tabs) tabs.onmessage = ({ data: [kind, content] }) => HANDLERS[kind](content);
function tell(kind, content) {
  HANDLERS[kind](content);
  tabs?.postMessage([kind, content]);
}
function openStream() {
  stream = new EventSource("/events");
  stream.onopen = () => tell("open");
  stream.onerror = () => {
    if (stream.readyState !== EventSource.CLOSED) return tell("lost");
    // The browser gave up. Either nobody is signed in any more, or the server is away: then we do not give up.
    fetch("/me", { method: "HEAD", redirect: "manual" }).then(
      (answer) => answer.status === 401 ? tell("signed out") : setTimeout(openStream, 3000),
      () => { tell("lost"); setTimeout(openStream, 3000); });
  };
  for (const kind of ["changed", "alert", "signed out"])
    stream.addEventListener(kind, (event) => tell(kind, JSON.parse(event.data)));
}
function listenForEvents() {
  // A browser opens six connections to a server: a stream for each tab would use them up. Locks exist on secure pages alone.
  if (tabs && navigator.locks) navigator.locks.request("ascolto-events", () => new Promise(openStream));
  else openStream();
  window.addEventListener("pagehide", () => stream?.close(), { once: true });
}

// ——— The connection, lost and back. What was missed meanwhile is requested again, what was not saved is saved.
function showOffline() {
  if ($("#signed-out").hidden) $("#offline").hidden = false;
  if (unsaved()) markText("unsaved");
}
function showSignedOut() {
  $("#offline").hidden = true;
  $("#signed-out").hidden = false;
  if (unsaved()) markText("unsaved");
}
function backOnline() {
  if (!$("#signed-out").hidden) $("#signed-out").hidden = true;
  else if ($("#offline").hidden) return;
  $("#offline").hidden = true;
  if (unsaved()) htmx.trigger("#text", "check");
  changedCases.add(openCase());
  refresh();
}
window.addEventListener("offline", showOffline);
window.addEventListener("online", () => { changedCases.add(openCase()); refresh(); });
document.addEventListener("htmx:sendError", showOffline);
document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.xhr.status < 400) backOnline(); });

// ——— What somebody types is theirs: kept in this browser until the server has it, offered back after whatever happened.
const textKey = () => `draft:${$("#text")?.dataset.case}`;
const unsaved = () => $("#text")?.dataset.unsavedText !== undefined;
function markText(state) {
  const text = $("#text"), checks = $("#checks");
  if (!text?.dataset.case || !checks) return;
  let note = $(".saved", checks);
  if (!note) {
    note = document.createElement("p");
    note.className = "saved meta";
    checks.append(note);
  }
  note.textContent = text.dataset[state];
}
document.addEventListener("input", (event) => {
  const field = event.target;
  field.dataset.touched = "1"; // an update of the page leaves it as it is
  if (field.id !== "text" || !field.dataset.case) return;
  field.dataset.unsavedText = field.value;
  localStorage.setItem(textKey(), field.value);
  markText("saving");
});
document.addEventListener("change", (event) => { event.target.dataset.touched = "1"; });
document.addEventListener("htmx:afterRequest", (event) => {
  const text = $("#text");
  if (event.detail.elt !== text || !text) return;
  const sent = event.detail.requestConfig.parameters.text;
  const saved = event.detail.xhr.status === 200;
  if (saved && sent === text.value) {
    delete text.dataset.unsavedText;
    localStorage.removeItem(textKey());
  } else if (!saved && unsaved()) markText("unsaved");
});
function offerKept() {
  const text = $("#text"), kept = text?.dataset.case && localStorage.getItem(textKey());
  if (!kept || kept === text.value || unsaved() || $(".kept")) return;
  const box = document.createElement("div");
  box.className = "kept";
  const words = document.createElement("p"), quote = document.createElement("blockquote");
  words.textContent = text.dataset.found;
  quote.textContent = kept;
  box.append(words, quote);
  const button = (label, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = label;
    made.onclick = () => { act(); box.remove(); };
    box.append(made);
  };
  button(text.dataset.restore, () => { replaceText(kept); htmx.trigger(text, "check"); });
  button(text.dataset.discard, () => localStorage.removeItem(textKey()));
  text.closest("form").before(box);
}
// A case that goes to a colleague takes the box away, and not the words in it.
let taken = { number: 0, words: "" };
document.addEventListener("htmx:beforeSwap", (event) => {
  const text = $("#text");
  if (event.detail.target.id === "editor" && text?.value.trim() && text.dataset.case) taken = { number: openCase(), words: text.value };
});
function showTaken() {
  if (taken.number !== openCase() || $("#text") || !$(".held") || $(".kept")) return;
  const copy = document.createElement("textarea"), caption = document.createElement("label");
  copy.readOnly = true;
  copy.value = taken.words;
  copy.rows = 5;
  caption.className = "kept";
  caption.append($(".editor").dataset.kept, copy);
  $(".editor").append(caption);
}
function replaceText(words) {
  const text = $("#text");
  text.focus();
  text.select();
  // As if it was typed: Ctrl+Z brings back what was there.
  if (!document.execCommand("insertText", false, words)) text.value = words;
}

// ——— An update changes what changed: what has the focus, is unfolded, typed or chosen stays as it is.
Idiomorph.defaults.ignoreActiveValue = true;
Idiomorph.defaults.callbacks.beforeNodeMorphed = (old) => !(old instanceof Element && old.matches("[data-touched]"));
Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node, kind) =>
  !(node.matches("details") && name === "open" && kind === "remove") && !(name === "aria-current" && node.matches("ol.cases a"));
Idiomorph.defaults.callbacks.beforeNodeRemoved = (node) =>
  !(node instanceof Element && (node.contains(document.activeElement) && document.activeElement.matches("input, textarea, select")));
// What was submitted is done with; what was refused stays, to be tried again.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, requestConfig } = event.detail, form = requestConfig?.elt?.closest("form");
  if (target.id !== "case" || !form || xhr.getResponseHeader("HX-Trigger")?.includes('"refused": true')) return;
  for (const field of form.querySelectorAll("[data-touched]")) delete field.dataset.touched;
  if (form.contains(document.activeElement)) document.activeElement.blur();
  form.closest("details.action")?.removeAttribute("open");
});
document.addEventListener("htmx:configRequest", (event) => {
  const last = event.detail.path.startsWith("/list?") && [...document.querySelectorAll("ol.cases li[data-key]")].pop();
  if (last && document.querySelectorAll("ol.cases li[data-key]").length > 100) event.detail.parameters.until = last.dataset.key;
});

function toast(message, { kind = "", href = "", seconds = 4 } = {}) {
  const box = document.createElement("div");
  box.className = `toast ${kind}`;
  const text = document.createElement(href ? "a" : "span");
  text.textContent = message;
  if (href) text.href = href;
  box.append(text);
  box.onclick = () => box.remove();
  // Of many alerts the newest two are shown; all of them are in the list.
  const shown = [...document.querySelectorAll(".toast.alert")];
  if (kind === "alert") shown.slice(0, Math.max(0, shown.length - 1)).forEach((old) => old.remove());
  $("#toasts").append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}

// ——— After each part of a page that was replaced.
function afterSwap() {
  const number = openCase();
  document.body.classList.toggle("with-case", number > 0);
  for (const line of document.querySelectorAll("ol.cases a"))
    line.toggleAttribute("aria-current", Number(line.dataset.case) === number);
  const head = $(".head"), editor = $(".editor");
  if (head && editor && head.dataset.editor !== editor.dataset.key) htmx.trigger("#editor", "refresh");
  showTaken();
  const text = $("#text");
  if (text && !text.dataset.checked) {
    text.dataset.checked = "1";
    offerKept();
    if (text.value.trim()) htmx.trigger(text, "check");
  }
}
document.addEventListener("htmx:afterSettle", afterSwap);
document.addEventListener("toast", (event) => toast(event.detail.message, { kind: event.detail.refused ? "refused" : "" }));
document.addEventListener("htmx:responseError", (event) => event.detail.xhr.status === 401 ? showSignedOut() : toast(event.detail.xhr.responseText.slice(0, 200) || "Error", { kind: "refused" }));
// ——— Clicks.
document.addEventListener("click", (event) => {
  const suggestion = event.target.closest(".suggestion");
  if (suggestion) return useSuggestion(suggestion);
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText($(`#${copy.dataset.copy}`).value).then(() => toast("✓"));
});
function useSuggestion(suggestion) {
  replaceText(suggestion.dataset.text);
  $("#suggestion").value = suggestion.dataset.code;
  htmx.trigger("#text", "check");
}
setInterval(() => {
  const undo = $(".undo");
  if (!undo) return;
  const left = Math.ceil(Number(undo.dataset.until) - Date.now() / 1000);
  undo.textContent = left > 0 ? `${undo.dataset.label} (${left})` : undo.dataset.label;
}, 250);

// ——— Keyboard shortcuts.
const suggestionKey = (n) => () => document.querySelectorAll(".suggestion")[n - 1]?.click();
const SHORTCUTS = {
  j: () => step(1), k: () => step(-1), c: () => $(".claim")?.click(), r: () => $("#text")?.focus() ?? $(".claim")?.click(),
  u: () => $(".undo")?.click(), g: () => location.assign("/next"), "/": () => location.assign("/mentions"), "?": () => $("#shortcuts")?.showModal(),
  1: suggestionKey(1), 2: suggestionKey(2), 3: suggestionKey(3), 4: suggestionKey(4), 5: suggestionKey(5), Escape: backToList,
};
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && event.target.closest("#reply")) return $(".approve")?.click();
  const typing = event.target.matches("input, textarea, select");
  if (typing && event.key === "Escape") return event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]")) return;
  if (localStorage.getItem("shortcuts") === "off" && event.key.length === 1) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const shortcut = SHORTCUTS[key] ?? unfolding(key);
  if (!shortcut) return;
  event.preventDefault();
  shortcut();
});
function step(by) {
  const lines = [...document.querySelectorAll("ol.cases a")];
  const current = lines.findIndex((line) => line.hasAttribute("aria-current"));
  const next = lines[Math.min(Math.max(current + by, 0), lines.length - 1)];
  next?.click();
  next?.scrollIntoView({ block: "nearest" });
}
// The menu of the action that the key is the shortcut of (actions/table.py).
function unfolding(key) {
  const action = [...document.querySelectorAll("details.action")].find((menu) => menu.dataset.key === key);
  if (!action) return undefined;
  return () => {
    action.open = !action.open;
    if (action.open) $("select, input:not([type=hidden]), button", action)?.focus();
  };
}
function backToList() {
  const view = new URLSearchParams(location.search).get("view");
  if ($("article.case") && document.body.classList.contains("desk")) location.assign(view ? `/?view=${view}` : "/");
}
document.addEventListener("click", (event) => {
  if (!event.target.closest(".head .back") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  backToList();
});
const keys = $("#shortcuts-on");
if (keys) {
  keys.checked = localStorage.getItem("shortcuts") !== "off";
  keys.onchange = () => localStorage.setItem("shortcuts", keys.checked ? "on" : "off");
}
afterSwap();
listenForEvents();
