// The dashboard: loads everything once, then reads the event stream; each page shows its part of the shared state.
import { $, choice, DEVICES, fetchJson, LABELS, state } from "/static/base.js";
import { drawForecast, drawHistory, drawPast, loadDay, loadHistory, startCharts } from "/static/charts.js";
import { showFaults, showSwitches, startForms } from "/static/control.js";
import { showEvents, showVision, watchPhoto } from "/static/journal.js";
import { loadJournal, startJournal } from "/static/journal_entries.js";
import { showDemo, startDemo } from "/static/demo.js";
import { showOverview, verdict } from "/static/overview.js";
import { showActions, showPlan } from "/static/plan.js";
import { startPreferences } from "/static/preferences.js";
import { askForSignIn, loadSession, startSignIn } from "/static/sign_in.js";
import { keepGlance, recallGlance, showPush, startApp } from "/static/pwa.js";
import { showLive, showSetup, showStage, startSetup, useInvitation } from "/static/setup.js";
import { hostText, loadCatalogue, t, translatePage } from "/static/text.js";

window.state = state; // for the browser's console and the tests

// The sections come together, when there is something to show: none moves another one about.
const reveal = () => document.body.classList.remove("waiting");

function show() {
  const glance = state.glance;
  if (!glance) return;
  const [style, text] = verdict(glance), told = hostText(text);
  if ($("verdict").textContent !== told) $("verdict").textContent = told;
  $("verdict").className = `verdict ${style}`;
  $("clock").textContent = showStage(glance);
  const title = glance.installation.tent.name || "Tomato";
  if ($("title").textContent !== title) { $("title").textContent = title; document.title = title; }
  showOverview(glance);
  showPlan(glance);
  showActions(glance);
  showEvents(glance);
  showVision(glance);
  showDemo(glance);
  document.body.classList.toggle("stale", Boolean(state.offline));
  if (glance.feed.connected) keepGlance();
  showFaults(glance.devices ? glance.devices.faults : []);
  if (state.page === "setup") showLive();
  reveal();
  if (glance.observation && !performance.getEntriesByName("useful").length) performance.mark("useful");
}

// -- pages: the address' hash names the one that is shown --------------------------------------------------------------

function openPage() {
  const wanted = location.hash.slice(1).split(":")[0], known = [...document.querySelectorAll("[data-page]")].map((one) => one.dataset.page);
  state.page = known.includes(wanted) ? wanted : state.glance?.installation.first_run ? "setup" : "overview";
  for (const one of document.querySelectorAll("[data-page]")) one.hidden = one.dataset.page !== state.page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${state.page}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  drawHistory();
  drawForecast();
  drawPast();
  if (state.page === "setup") { showSetup(); showPush(); }
}

// -- the connection to the host --------------------------------------------------------------------------------------

async function loadDevices() {
  if (DEVICES.outputs.length) return;
  Object.assign(DEVICES, await fetchJson("/api/devices") || {});
  for (const row of DEVICES.outputs) LABELS[row.name] = row.label;
  showSwitches();
}

async function loadGlance() {
  const answer = await fetch("/api/glance");
  if (answer.status === 401 && await askForSignIn()) { await loadSession(); throw new Error("signed in: again"); }
  if (!answer.ok) throw new Error(answer.status);
  state.glance = await answer.json();
  $("to-fleet").hidden = !state.glance.fleet;
  document.body.classList.toggle("first-run", state.glance.installation.first_run);
  if (state.glance.installation.first_run && state.page === "overview") location.hash = "#setup";
  if (state.page === "setup") showSetup();
  show();
  state.skips = await fetchJson("/api/skips") || [];
}

const SLOTS = { observation_v1: "observation", state_v1: "state", device_status_v1: "devices", sensor_health_v1: "health",
  plan_v1: "plan", prediction_36h_v1: "prediction", targets_v1: "targets", forecast_36h_v1: "weather", vision_v1: "vision", vision_cv_v1: "vision_cv" };

function applyMessage({ kind, data }) {
  const glance = state.glance;
  if (!glance) return;
  if (kind === "status") {
    Object.assign(glance, { status: data, live: data.live, verdict: data.verdict, advice: data.advice });
    glance.feed.connected = true;
    state.lastStatus = Date.now();
  }
  else if (SLOTS[kind]) glance[SLOTS[kind]] = data;
  else if (kind === "action_v1") glance.actions = [...glance.actions, data].slice(-120);
  else if (kind === "event_v1") glance.events = [...glance.events, data].slice(-120);
  else if (kind === "anomaly_v1") {
    const key = (a) => a.id || `${a.type}:${a.subject}`;
    glance.anomalies = glance.anomalies.filter((a) => key(a) !== key(data));
    if (data.phase !== "CLEARED") glance.anomalies.push(data);
  }
  if (kind === "plan_v1") state.skips = [...state.skips, ...data.not_done.map((text) => ({ ts: data.ts, text }))].slice(-200);
  if (kind === "prediction_36h_v1") drawForecast();
  if (kind === "state_v1") { loadHistory(); loadDay(); }
  if (kind === "journal_v1") { loadJournal(); loadHistory(); }
  show();
}

// A host that hangs keeps its connection and sends nothing: after 10 s it counts as disconnected.
setInterval(() => {
  if (!state.glance?.feed.connected || Date.now() - (state.lastStatus || 0) < 10000) return;
  state.glance.feed.connected = false;
  show();
}, 2000);

// A page that the browser keeps for its back button would keep its connection, too: six of them, and no page loads.
let connection = new AbortController();
addEventListener("pagehide", () => connection.abort());

async function readStream() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10000)) {
    try {
      await loadDevices();
      await loadGlance();
      state.lastStatus = Date.now();
      state.offline = false;
      await loadHistory();
      await loadJournal();
      show();
      connection = new AbortController();
      const answer = await fetch("/api/stream", { signal: connection.signal });
      if (!answer.ok || !answer.body) throw new Error(answer.status);
      pause = 500;
      await readLines(answer.body.getReader());
    } catch (error) { if (!state.glance && error instanceof TypeError) showKept(); }  // the next round tries again
    if (state.glance) { state.glance.feed.connected = false; show(); }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

// Without a network: what this device saw last, and since when nothing is known.
function showKept() {
  const kept = recallGlance();
  if (!kept || kept.glance.installation.first_run) { $("verdict").textContent = t("No connection, and nothing is stored on this device yet."); reveal(); return; }
  if (!DEVICES.outputs.length) { Object.assign(DEVICES, kept.devices); for (const row of DEVICES.outputs) LABELS[row.name] = row.label; }
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

async function start() {
  setTimeout(reveal, 4000);
  await loadCatalogue();
  translatePage();
  startPreferences();
  startSignIn();
  startForms();
  startCharts();
  startJournal();
  startDemo();
  startSetup();
  startApp();
  addEventListener("session", () => { if (state.page === "setup") showSetup(); });
  await useInvitation();
  choice("shown", (category) => { state.shown = category; if (state.glance) showEvents(state.glance); });
  watchPhoto();
  addEventListener("hashchange", openPage);
  openPage();
  loadSession();
  readStream();
}

start();
