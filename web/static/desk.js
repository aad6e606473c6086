// The little that htmx does not do: news from the server, keys, suggestions, the undo countdown, toasts.
"use strict";
const $ = (selector, within = document) => within.querySelector(selector);
const openCase = () => Number($("article.case")?.dataset.case || 0);

// ——— News: one stream a page; what changed is asked for again, what is being typed is left alone.
let stale = new Set(), timer = 0;
function refresh() {
  timer = 0;
  if (!document.body.classList.contains("desk")) return;
  htmx.trigger("#list", "refresh");
  if (stale.has(openCase()) && $("#view")) htmx.trigger("#view", "refresh");
  stale.clear();
}
function listen() {
  const stream = new EventSource("/events");
  stream.onopen = found;
  stream.onerror = () => {
    $("#lost").hidden = false;
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // the browser gave up; we do not
  };
  stream.addEventListener("changed", (event) => {
    JSON.parse(event.data).forEach((number) => stale.add(number));
    timer ||= setTimeout(refresh, 250);
  });
  stream.addEventListener("alert", (event) => {
    const { case: number, said } = JSON.parse(event.data);
    toast(said, { kind: "alert", href: number && `/cases/${number}`, seconds: 20 });
  });
  window.addEventListener("pagehide", () => stream.close(), { once: true });
}

// ——— The connection, lost and found. What was missed meanwhile is asked for again.
function found() {
  if ($("#lost").hidden) return;
  $("#lost").hidden = true;
  stale.add(openCase());
  refresh();
}
window.addEventListener("offline", () => { $("#lost").hidden = false; });
window.addEventListener("online", () => { stale.add(openCase()); refresh(); });
document.addEventListener("htmx:sendError", () => { $("#lost").hidden = false; });
document.addEventListener("htmx:afterOnLoad", found);

function toast(said, { kind = "", href = "", seconds = 4 } = {}) {
  const box = document.createElement("div");
  box.className = `toast ${kind}`;
  const words = document.createElement(href ? "a" : "span");
  words.textContent = said;
  if (href) words.href = href;
  box.append(words);
  box.onclick = () => box.remove();
  // Of many alerts two are enough to know; all of them stand in the list.
  const shown = [...document.querySelectorAll(".toast.alert")];
  if (kind === "alert") shown.slice(0, Math.max(0, shown.length - 1)).forEach((old) => old.remove());
  $("#toasts").append(box);
  setTimeout(() => box.remove(), seconds * 1000);
}

// ——— After each piece of page that came in.
function settle() {
  const number = openCase();
  document.body.classList.toggle("with-case", number > 0);
  for (const line of document.querySelectorAll("ol.cases a"))
    line.toggleAttribute("aria-current", Number(line.dataset.case) === number);
  const head = $(".head"), editor = $(".editor");
  if (head && editor && head.dataset.editor !== editor.dataset.key) htmx.trigger("#editor", "refresh");
  const text = $("#text");
  if (text && !text.dataset.checked) { text.dataset.checked = "1"; if (text.value.trim()) htmx.trigger(text, "check"); }
}
document.addEventListener("htmx:afterSettle", settle);
document.addEventListener("toast", (event) => toast(event.detail.said, { kind: event.detail.refused ? "refused" : "" }));
document.addEventListener("htmx:responseError", (event) => toast(event.detail.xhr.responseText.slice(0, 200) || "Error", { kind: "refused" }));
// A list that is drawn again must not lose the place of who is reading it.
document.addEventListener("htmx:beforeSwap", (event) => { if (event.detail.target.id === "view") keepOpen(event.detail.target); });
function keepOpen(view) {
  const open = [...view.querySelectorAll("details[open]")].map((d) => d.className + (d.dataset.key || ""));
  const typed = [...view.querySelectorAll("details.act input:not([type=hidden])")].map((input) => input.value);
  const focused = [...view.querySelectorAll("details.act input:not([type=hidden])")].indexOf(document.activeElement);
  view.addEventListener("htmx:afterSwap", () => {
    for (const d of view.querySelectorAll("details")) if (open.includes(d.className + (d.dataset.key || ""))) d.open = true;
    const inputs = [...view.querySelectorAll("details.act input:not([type=hidden])")];
    typed.forEach((value, at) => { if (inputs[at] && value) inputs[at].value = value; });
    if (focused >= 0) inputs[focused]?.focus();
  }, { once: true });
}

// ——— Clicks.
document.addEventListener("click", (event) => {
  const suggestion = event.target.closest(".suggestion");
  if (suggestion) return use(suggestion);
  const copy = event.target.closest("[data-copy]");
  if (copy) navigator.clipboard?.writeText($(`#${copy.dataset.copy}`).value).then(() => toast("✓"));
});
function use(suggestion) {
  const text = $("#text");
  text.value = suggestion.dataset.use;
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

// ——— Keys.
const KEYS = {
  j: () => step(1), k: () => step(-1), c: () => $(".claim")?.click(), r: () => $("#text")?.focus() ?? $(".claim")?.click(),
  u: () => $(".undo")?.click(), g: () => location.assign("/next"), "/": () => location.assign("/mentions"), "?": () => $("#keys")?.showModal(),
  s: () => unfold("s"), d: () => unfold("d"), e: () => unfold("e"), n: () => unfold("n"),
  1: () => document.querySelectorAll(".suggestion")[0]?.click(), 2: () => document.querySelectorAll(".suggestion")[1]?.click(),
  3: () => document.querySelectorAll(".suggestion")[2]?.click(), 4: () => document.querySelectorAll(".suggestion")[3]?.click(),
  5: () => document.querySelectorAll(".suggestion")[4]?.click(), Escape: back,
};
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key === "Enter" && event.target.closest("#reply")) return $(".approve")?.click();
  const typing = event.target.matches("input, textarea, select");
  if (typing && event.key === "Escape") return event.target.blur();
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key] || $("dialog[open]")) return;
  event.preventDefault();
  KEYS[event.key]();
});
function step(by) {
  const lines = [...document.querySelectorAll("ol.cases a")];
  const at = lines.findIndex((line) => line.hasAttribute("aria-current"));
  const next = lines[Math.min(Math.max(at + by, 0), lines.length - 1)];
  next?.click();
  next?.scrollIntoView({ block: "nearest" });
}
function unfold(key) {
  const act = $(`details.act[data-key="${key}"]`);
  if (!act) return;
  act.open = !act.open;
  if (act.open) $("input:not([type=hidden]), button", act)?.focus();
}
function back() {
  if ($("article.case") && document.body.classList.contains("desk")) location.assign("/");
}
settle();
listen();
