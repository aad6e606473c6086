// What htmx does not do: events from the server, keyboard shortcuts, suggestions, the undo countdown, toasts.
"use strict";
const $ = (selector, within = document) => within.querySelector(selector);
const openCase = () => Number($("article.case")?.dataset.case || 0);

// ——— Events: one stream a page; what changed is requested again, what is being typed is left alone.
let changedCases = new Set(), timer = 0;
function refresh() {
  timer = 0;
  if (!document.body.classList.contains("desk")) return;
  htmx.trigger("#list", "refresh");
  if (changedCases.has(openCase()) && $("#details")) htmx.trigger("#details", "refresh");
  changedCases.clear();
}
function listenForEvents() {
  const stream = new EventSource("/events");
  stream.onopen = backOnline;
  stream.onerror = () => {
    $("#offline").hidden = false;
    if (stream.readyState === EventSource.CLOSED) setTimeout(listenForEvents, 3000); // the browser gave up; we do not
  };
  stream.addEventListener("changed", (event) => {
    JSON.parse(event.data).forEach((number) => changedCases.add(number));
    timer ||= setTimeout(refresh, 250);
  });
  stream.addEventListener("alert", (event) => {
    const { case: number, message } = JSON.parse(event.data);
    toast(message, { kind: "alert", href: number && `/cases/${number}`, seconds: 20 });
  });
  window.addEventListener("pagehide", () => stream.close(), { once: true });
}

// ——— The connection, lost and back. What was missed meanwhile is requested again.
function backOnline() {
  if ($("#offline").hidden) return;
  $("#offline").hidden = true;
  changedCases.add(openCase());
  refresh();
}
window.addEventListener("offline", () => { $("#offline").hidden = false; });
window.addEventListener("online", () => { changedCases.add(openCase()); refresh(); });
document.addEventListener("htmx:sendError", () => { $("#offline").hidden = false; });
document.addEventListener("htmx:afterOnLoad", backOnline);

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
  const text = $("#text");
  if (text && !text.dataset.checked) { text.dataset.checked = "1"; if (text.value.trim()) htmx.trigger(text, "check"); }
}
document.addEventListener("htmx:afterSettle", afterSwap);
document.addEventListener("toast", (event) => toast(event.detail.message, { kind: event.detail.refused ? "refused" : "" }));
document.addEventListener("htmx:responseError", (event) => toast(event.detail.xhr.responseText.slice(0, 200) || "Error", { kind: "refused" }));
// Details that are replaced keep what is unfolded, typed and focused.
document.addEventListener("htmx:beforeSwap", (event) => { if (event.detail.target.id === "details") keepState(event.detail.target); });
function keepState(details) {
  const inputs = () => [...details.querySelectorAll("details.action input:not([type=hidden])")];
  const open = [...details.querySelectorAll("details[open]")].map((d) => d.className + (d.dataset.key || ""));
  const typed = inputs().map((input) => input.value);
  const focused = inputs().indexOf(document.activeElement);
  details.addEventListener("htmx:afterSwap", () => {
    for (const d of details.querySelectorAll("details")) if (open.includes(d.className + (d.dataset.key || ""))) d.open = true;
    const replaced = inputs();
    typed.forEach((value, n) => { if (replaced[n] && value) replaced[n].value = value; });
    if (focused >= 0) replaced[focused]?.focus();
  }, { once: true });
}

// ——— Clicks.
document.addEventListener("click", (event) => {
  const suggestion = event.target.closest(".suggestion");
  if (suggestion) return useSuggestion(suggestion);
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText($(`#${copy.dataset.copy}`).value).then(() => toast("✓"));
});
function useSuggestion(suggestion) {
  const text = $("#text");
  text.value = suggestion.dataset.text;
  $("#suggestion").value = suggestion.dataset.code;
  text.focus();
  htmx.trigger(text, "check");
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
  const shortcut = SHORTCUTS[event.key] ?? unfolding(event.key);
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
  if ($("article.case") && document.body.classList.contains("desk")) location.assign("/");
}
afterSwap();
listenForEvents();
