// Keeps the live page current: texts, attributes and rows arrive ready-made as
// server-sent events; nothing is computed here.
"use strict";

const stream = document.getElementById("stream");
const rows = document.getElementById("rows");
const status = document.getElementById("status");
const statusText = document.getElementById("status-text");
const pause = document.getElementById("pause");
const limit = Number(rows.dataset.limit);
let paused = false;
let source;
let lastID = "";

function show(state) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  statusText.textContent = status.dataset[state];
}

// insert puts new rows on top and drops the oldest of each kind, approved or not.
function insert(html) {
  const holder = document.createElement("template");
  holder.innerHTML = html; // made and escaped by our own server
  for (const row of holder.content.querySelectorAll("tr")) row.classList.add("new");
  rows.prepend(holder.content);
  for (const kind of ["tr.approve", "tr:not(.approve)"]) {
    const list = rows.querySelectorAll(kind);
    for (let i = limit; i < list.length; i++) list[i].remove();
  }
}

function apply(update) {
  for (const [id, text] of Object.entries(update.text)) {
    const e = document.getElementById(id);
    if (e && e.textContent !== text) e.textContent = text;
  }
  for (const [id, attributes] of Object.entries(update.attr)) {
    const e = document.getElementById(id);
    if (e) for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  }
  if (update.rows) insert(update.rows);
}

function connect() {
  const url = new URL(stream.dataset.source, location.href);
  if (lastID) url.searchParams.set("after", lastID);
  source = new EventSource(url);
  source.onopen = () => show("live");
  source.addEventListener("update", (event) => {
    lastID = event.lastEventId;
    apply(JSON.parse(event.data));
  });
  source.addEventListener("over", () => { source.close(); location.reload(); });
  source.onerror = () => {
    show("lost");
    // A refused stream (too many viewers, no session) is not retried by the browser.
    if (source.readyState === EventSource.CLOSED) setTimeout(retry, 5000);
  };
}

async function retry() {
  if (paused) return;
  try {
    const page = await fetch(location.href, { method: "HEAD", redirect: "manual" });
    if (page.type === "opaqueredirect") return location.reload(); // to the login
  } catch { /* the server is away; the stream will tell when it is back */ }
  connect();
}

document.getElementById("controls").hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.textContent = paused ? pause.dataset.resume : pause.dataset.pause;
  if (paused) { source.close(); show("paused"); } else connect();
});
for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    rows.closest("table").dataset.only = button.dataset.show;
    for (const other of document.querySelectorAll("[data-show]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  });
}
// A screen reader hears a summary now and then instead of every number.
setInterval(() => {
  if (paused || stream.dataset.empty === "true") return;
  const say = (id) => document.getElementById(id).textContent;
  document.getElementById("spoken").textContent =
    say("rate") + " " + document.querySelector(".unit").textContent + ", " + document.querySelector(".aside").textContent;
}, 20000);
connect();
