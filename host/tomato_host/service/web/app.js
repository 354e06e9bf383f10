// The dashboard: shows the values that came with the page, then loads everything and reads the event stream.
import { $, DEVICES, fetchJson, LABELS, state } from "/static/base.js";
import { reveal } from "/static/header.js";
import { keepGlance, recallGlance } from "/static/kept.js";
import "/static/overview.js";
import { drawChanged, nextTask, redraw, refresh, shows } from "/static/page_parts.js";
import { loadPage, loadTheRest, openPage } from "/static/pages.js";
import { loadCatalogue, t, translatePage } from "/static/text.js";

window.state = state; // for the browser's console and the tests

async function showAll() {
  redraw("all");
  await drawChanged();
  reveal();
}

// When the first values can be seen, for the tests: with the frame after the one that painted them, whether they came
// with the page or later.
let isMarked = false;

function markUseful({ observation }) {
  if (!observation || isMarked) return;
  isMarked = true;
  requestAnimationFrame(() => requestAnimationFrame(() => performance.mark("useful")));
}

shows("every", markUseful, "observation");

function useDevices(found) {
  Object.assign(DEVICES, found);
  for (const row of [...DEVICES.outputs, ...DEVICES.sensors]) LABELS[row.name] = row.label;
}

// -- the connection to the host --------------------------------------------------------------------------------------

// The host writes the first values into the page for those who may read them: nothing is waited for.
function useFirstValues() {
  const found = $("first-values");
  if (!found) return;
  const { devices, glance } = JSON.parse(found.textContent);
  useDevices(devices);
  state.glance = glance;
}

async function loadDevices() {
  if (!DEVICES.outputs.length) useDevices(await fetchJson("/api/devices") || {});
}

async function loadGlance() {
  const answer = await fetch("/api/glance");
  if (answer.status === 401) {
    const { askForSignIn, loadSession } = await import("/static/sign_in.js");
    if (await askForSignIn()) { await loadSession(); throw new Error("signed in: again"); }
  }
  if (!answer.ok) throw new Error(answer.status);
  state.glance = await answer.json();
  state.lastStatus = Date.now();
  state.offline = false;
  if (state.glance.installation.first_run && state.page === "overview") location.hash = "#setup";
  await showAll();
}

const SLOTS = { observation_v1: "observation", state_v1: "state", device_status_v1: "devices", sensor_health_v1: "health",
  plan_v1: "plan", prediction_36h_v1: "prediction", targets_v1: "targets", forecast_36h_v1: "weather", vision_v1: "vision", vision_cv_v1: "vision_cv" };
const LISTS = { action_v1: "actions", event_v1: "events" };

function applyMessage({ kind, data }) {
  const glance = state.glance;
  if (!glance) return;
  if (kind === "status") {
    if (!data.live.reading_ts !== !glance.live.reading_ts) redraw("observation"); // it became too old, or came back
    Object.assign(glance, { status: data, live: data.live, verdict: data.verdict, advice: data.advice });
    glance.feed.connected = true;
    state.lastStatus = Date.now();
    keepGlance();
  } else if (SLOTS[kind]) glance[SLOTS[kind]] = data;
  else if (LISTS[kind]) glance[LISTS[kind]] = [...glance[LISTS[kind]], data].slice(-120);
  else if (kind === "anomaly_v1") {
    const key = (a) => a.id || `${a.type}:${a.subject}`;
    glance.anomalies = glance.anomalies.filter((a) => key(a) !== key(data));
    if (data.phase !== "CLEARED") glance.anomalies.push(data);
  }
  if (kind === "plan_v1") state.skips = [...state.skips, ...data.not_done.map((text) => ({ ts: data.ts, text }))].slice(-200);
  if (kind === "state_v1") refresh();
  if (kind === "journal_v1") refresh(true);
  redraw(SLOTS[kind] || LISTS[kind] || kind);
}

// A host that hangs keeps its connection and sends nothing: after 10 s it counts as disconnected.
setInterval(() => {
  if (!state.glance?.feed.connected || Date.now() - (state.lastStatus || 0) < 10000) return;
  state.glance.feed.connected = false;
  redraw("status");
}, 2000);

// A page that the browser keeps for its back button would keep its connection, too: six of them, and no page loads.
let connection = new AbortController();
addEventListener("pagehide", () => connection.abort());

async function readStream() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10000)) {
    try {
      await loadDevices();
      await loadGlance();
      refresh(true);
      connection = new AbortController();
      const answer = await fetch("/api/stream", { signal: connection.signal });
      if (!answer.ok || !answer.body) throw new Error(answer.status);
      pause = 500;
      await readLines(answer.body.getReader());
    } catch (error) { if (!state.glance && error instanceof TypeError) showKept(); }  // the next round tries again
    if (state.glance) { state.glance.feed.connected = false; await showAll(); }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// Without a network: what this device saw last, and since when nothing is known.
function showKept() {
  const kept = recallGlance();
  if (!kept || kept.glance.installation.first_run) { $("verdict").textContent = t("No connection, and nothing is stored on this device yet."); reveal(); return; }
  if (!DEVICES.outputs.length) useDevices(kept.devices);
  state.glance = kept.glance;
  state.offline = true;
}

async function readLines(reader) {
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += decoder.decode(value, { stream: true });
    const lines = waiting.split(/\r?\n/);
    waiting = lines.pop();
    for (const text of lines) if (text.startsWith("data:")) applyMessage(JSON.parse(text.slice(5)));
  }
}

// -- the start -------------------------------------------------------------------------------------------------------

// The two buttons of every page, whose script comes with the first press or before.
function startQuick() {
  for (const [id, name] of [["water-now", "openWater"], ["stop-now", "stopNow"]]) {
    $(id).addEventListener("click", async () => (await import("/static/control.js"))[name]());
  }
}

// The browser offers once to install the page; the button is on the set-up page.
addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  state.installing = event;
  redraw("installing");
});

// Later: it fetches every file once more, and the first values come first.
function startWorker() {
  const register = () => navigator.serviceWorker.register("/sw.js").catch(() => { /* a browser without it shows the page all the same */ });
  if (window.isSecureContext && "serviceWorker" in navigator) setTimeout(register, 3000);
}

// The address of a first run or a demo ends in `#PAGE:TOKEN`.
async function useInvitation() {
  if (location.hash.includes(":")) await (await import("/static/sign_in.js")).useInvitation();
}

async function start() {
  setTimeout(reveal, 4000);
  await loadCatalogue();
  translatePage();
  useFirstValues();
  openPage();
  await nextTask();
  if (state.glance) await showAll();
  startQuick();
  startWorker();
  await useInvitation();
  addEventListener("hashchange", () => { openPage(); loadPage().then(() => refresh()); });
  await loadPage().catch(() => { /* the connection tells */ });
  loadTheRest();
  readStream();
}

start();
