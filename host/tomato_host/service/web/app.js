"use strict";
// The dashboard's page: loads everything once, then reads the event stream. charts.js draws, requests.js sends changes.

const $ = (id) => document.getElementById(id);
const state = { glance: null, span: "24h", quantity: "vpd_kpa", shown: "summary", charts: {}, history: null, past: null, skips: [] };
// Outputs and sensors as the host's registry has them (/api/devices); LABELS: an output's name to what a person reads.
const DEVICES = { outputs: [], sensors: [] };
const LABELS = {};

const CLOCK = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const time = (ts) => ts ? new Date(ts).toLocaleTimeString([], { ...CLOCK, second: "2-digit" }) : "-";
const shortTime = (ts) => ts ? new Date(ts).toLocaleTimeString([], CLOCK) : "-";
const day = (ts) => new Date(ts).toLocaleString([], { weekday: "short", ...CLOCK });
const number = (value, digits) => value === null || value === undefined ? "–" : value.toFixed(digits);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function fill(parent, children) { parent.replaceChildren(...children); }

// -- the first screen ------------------------------------------------------------------------------------------

// The table is the host's (`verdict` in live_state.py); only that the host itself is gone is seen here alone.
function verdict(glance) {
  return glance.feed.connected ? glance.verdict : ["bad", "The host is not running. The board continues on its own."];
}

function tile(label, value, unit, out) {
  const box = element("div", undefined, "tile" + (value === "–" ? " off" : out ? " out" : ""));
  const figure = element("b", value);
  if (unit) figure.append(element("small", " " + unit));
  box.append(figure, element("small", label));
  return box;
}

function soilTile(probe, band) {
  const box = tile(`Soil ${probe.id}`, number(probe.moisture_pct, 1), "%",
    band && probe.moisture_pct !== null && (probe.moisture_pct < band.low || probe.moisture_pct > band.high));
  const bar = element("div", undefined, "bar");
  if (band) {
    const target = element("u");
    target.style.left = `${band.low}%`;
    target.style.width = `${band.high - band.low}%`;
    bar.append(target);
  }
  const level = element("i");
  level.style.width = `${probe.moisture_pct || 0}%`;
  bar.append(level);
  box.append(bar);
  return box;
}

function showPlant(glance) {
  const seen = glance.observation, live = glance.live;
  if (!seen) return;
  const targets = glance.targets && glance.targets.adapted;
  const lamps = DEVICES.outputs.filter((row) => row.lights);
  const day = glance.devices && lamps.some((row) => glance.devices.outputs[row.name] === "ON");
  const vpdBand = targets && (day ? targets.vpd_day_kpa : targets.vpd_night_kpa);
  const vpd = live.vpd_kpa;
  fill($("tiles"), [
    ...DEVICES.sensors.map((row) => tile(row.label, number(seen[row.name], row.decimals), row.unit)),
    tile("VPD", number(vpd, 2), "kPa", vpdBand && vpd !== null && (vpd < vpdBand.low || vpd > vpdBand.high)),
    tile("Leaf minus air", number(live.leaf_air_delta_c, 1), "K"),
    ...seen.soil.map((probe) => soilTile(probe, targets && targets.soil_moisture_pct)),
    tile("Confidence", number(live.confidence, 2), ""),
  ]);
  const age = Math.max(0, Math.round((Date.now() - new Date(seen.received_ts || seen.ts)) / 1000));
  $("age").textContent = `Measured ${time(seen.ts)}, ${age} s ago.`;
}

function showSafety(glance) {
  const { status, devices, anomalies } = glance;
  const rows = [["mode", status.mode + (status.mode_reason ? ` (${status.mode_reason})` : "")],
    ["link", status.link + (status.link_detail ? ` (${status.link_detail})` : "")]];
  if (devices) {
    const on = Object.entries(devices.outputs).filter(([, value]) => value === "ON").map(([name]) => {
      const end = status.jobs && status.jobs[name];
      return label(name) + (end ? ` until ${shortTime(end)}` : "");
    });
    rows.push(["board", devices.board_state], ["on now", on.join(", ") || "nothing"],
      ["faults", devices.faults.map((f) => f.name).join(", ") || "none"],
      ["water today", `${number(glance.live.water_ml_used_today, 0)} ml of ${number(glance.live.water_ml_budget_today, 0)}`]);
  }
  const last = (status.pulses || []).at(-1);
  if (last) rows.push(["last pulse", `${label(last.output)} ${last.status} ${number(last.amount, 0)} ${last.unit}, ${time(last.ts)}`]);
  fill($("safety"), rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  fill($("anomalies"), anomalies.map((a) => element("li",
    `${a.severity} ${a.type.replaceAll("_", " ").toLowerCase()} ${a.subject || ""} since ${time(a.ts)}`)));
}

function describe(action) {
  const p = action.params;
  const what = action.type.replace("SET_", "").replaceAll("_", " ").toLowerCase();
  if (p.ml) return `${what} ${number(p.ml, 0)} ml`;
  if (p.state === "OFF") return `${what} off`;
  if (p.seconds) return `${what} ${p.seconds >= 120 ? number(p.seconds / 60, 0) + " min" : number(p.seconds, 0) + " s"}` +
    (p.period_s ? ` spread over ${number(p.period_s / 60, 0)} min` : "");
  return what;
}

// Whose proposal it was: the agent that it names, or the one of its origin.
const agentOf = (action, glance) => action.agent || (glance.agents || {})[action.origin || "controller"] || "";

function outcome(action) {
  if (action.safety.refused_by) {
    const check = action.safety.checks.find((c) => !c.ok);
    return ["refused", `refused by ${action.safety.refused_by}${check && check.text ? ": " + check.text : ""}`];
  }
  if (!action.outcome) return ["", action.type === "NO_ACTION" ? "" : "accepted"];
  const o = action.outcome;
  const amount = o.delivered_ml !== null && o.delivered_ml !== undefined ? `, ${number(o.delivered_ml, 0)} ml` : "";
  return [o.status === "DONE" ? "done" : "failed", o.status.toLowerCase() + amount + (o.reason && o.reason !== "none" ? ` (${o.reason})` : "")];
}

function showActions(glance) {
  const latest = new Map();
  for (const action of glance.actions) latest.set(action.id || action.ts + action.type, action);
  fill($("actions"), [...latest.values()].reverse().slice(0, 25).map((action) => {
    const row = element("li");
    const [style, text] = outcome(action);
    row.append(element("time", shortTime(action.ts)), document.createTextNode(describe(action) + " "), element("span", text, style));
    const why = action.why.text || action.why.rules_fired.join(", ");
    const who = `${agentOf(action, glance)}${action.shadow ? " (in shadow)" : ""}`;
    row.append(element("span", why ? `${who}: ${why}` : who, "why"));
    return row;
  }));
}

function showNext(glance) {
  $("next").textContent = glance.status.next_decision_at ? `Next decision at ${shortTime(glance.status.next_decision_at)}, or sooner if something happens.` : "No decision yet.";
  if (glance.plan) {
    $("plan-text").textContent = `Decided at ${shortTime(glance.plan.ts)} (${glance.plan.controller}): ${glance.plan.explanation}`;
    fill($("not-done"), glance.plan.not_done.map((text) => element("li", named(text))));
  }
  $("forecast-text").textContent = glance.prediction ? glance.prediction.explanation : "";
}

const label = (name) => LABELS[name] || name;
const named = (text) => text.replace(/^(\w+):/, (_, name) => `${label(name)}:`);

// The board's events about single pulses; actions and their outcomes show the same more clearly.
const ROUTINE = new Set(["pulse_start", "pulse_end", "config", "button"]);

// Every event, refusal and skipped action as [time, level, category, name, text]; the buttons filter by category.
function eventRows(glance) {
  const rows = glance.events.map((e) => [e.ts, e.level, ROUTINE.has(e.name) ? "routine" : e.level === "INFO" ? "event" : "warning", e.name.replaceAll("_", " "), e.text]);
  for (const a of glance.actions) {
    if (a.safety.refused_by) rows.push([a.ts, "WARNING", "skip", "refused", `${describe(a)} by ${agentOf(a, glance)}: ${outcome(a)[1]}`]);
    if (a.type === "NO_ACTION") rows.push([a.ts, "INFO", "skip", "nothing done", a.why.text]);
  }
  for (const s of state.skips) rows.push([s.ts, "INFO", "skip", "not done", named(s.text)]);
  return rows.sort((a, b) => new Date(b[0]) - new Date(a[0]));
}

function showEvents(glance) {
  const wanted = { all: () => true, summary: (category) => category !== "routine" }[state.shown] || ((category) => category === state.shown);
  const rows = eventRows(glance).filter((row) => wanted(row[2])).slice(0, 120);
  fill($("events"), rows.map(([ts, level, , name, text]) => {
    const row = element("tr", undefined, level);
    row.append(element("td", time(ts)), element("td", name), element("td", text));
    return row;
  }));
  $("no-events").hidden = rows.length > 0;
}

const percent = (share) => share === null || share === undefined ? "–" : `${number(100 * share, 0)} %`;

function visionRows(seen, measured) {
  const rows = [];
  if (seen && !seen.provenance) rows.push(["model", "no answer for this photo"]);
  else if (seen) {
    rows.push(["leaves", seen.leaf_color], ["wilting", seen.wilting === null ? "cannot tell" : seen.wilting ? "yes" : "no"],
      ["pests", seen.pest_signs], ["fruit", seen.fruit_count_est === null ? "not counted" : `about ${seen.fruit_count_est}`],
      ["model's note", seen.notes || "none"], ["confidence", `${number(seen.confidence, 2)}, from past agreement with measurements`]);
  }
  if (measured) {
    rows.push(["measured", measured.usable ? `canopy ${percent(measured.canopy_fraction)} of the picture, ${percent(measured.yellow_fraction)} of it yellow`
      : `not usable: ${measured.why_unusable}`]);
  }
  return rows;
}

function showVision(glance) {
  const seen = glance.vision, measured = glance.vision_cv;
  $("photo").hidden = !seen && !measured;
  if ($("photo").hidden) return;
  fill($("vision"), visionRows(seen, measured).flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
  const newest = measured || seen;
  $("photo-when").textContent = `${newest.source || "camera"}, ${day(newest.ts)}`;
  state.newestPhoto = newest.image_sha256;
  if (state.photoVisible) showPhoto(newest.image_sha256);
}

// The photo is the largest resource: it is fetched when the section scrolls into view.
function watchPhoto() {
  new IntersectionObserver(([seen]) => {
    state.photoVisible = seen.isIntersecting;
    if (state.photoVisible) showPhoto(state.newestPhoto);
  }, { rootMargin: "200px" }).observe($("photo"));
}

// An <img> cannot send a token; fetched, the photo shows on another machine, too.
async function showPhoto(digest) {
  if (!digest || digest === state.photo) return;
  state.photo = digest;
  const answer = await fetch(`/api/photo/${digest}`, auth()).catch(() => null);
  const picture = $("photo-img");
  picture.hidden = !answer || !answer.ok;
  if (picture.hidden) return;
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(await answer.blob());
}

function show() {
  const glance = state.glance;
  if (!glance) return;
  const [style, text] = verdict(glance);
  if ($("verdict").textContent !== text) $("verdict").textContent = text;
  $("verdict").className = `verdict ${style}`;
  $("clock").textContent = glance.status.now ? new Date(glance.status.now).toLocaleString([], { dateStyle: "full", timeStyle: "short", hourCycle: "h23" }) : "";
  showPlant(glance); showSafety(glance); showActions(glance); showNext(glance); showEvents(glance); showVision(glance);
  showFaults(glance.devices ? glance.devices.faults : []);
  if (glance.observation && !performance.getEntriesByName("useful").length) performance.mark("useful");
}

// -- the connection to the host --------------------------------------------------------------------------------------

function auth(extra = {}) {
  const token = sessionStorage.getItem("token");
  return token ? { ...extra, headers: { ...(extra.headers || {}), Authorization: `Bearer ${token}` } } : extra;
}

async function fetchJson(path) {
  const answer = await fetch(path, auth());
  return answer.ok ? answer.json() : null;
}

async function loadDevices() {
  if (DEVICES.outputs.length) return;
  Object.assign(DEVICES, await fetchJson("/api/devices") || {});
  for (const row of DEVICES.outputs) LABELS[row.name] = row.label;
  showSwitches();
}

async function loadGlance() {
  const answer = await fetch("/api/glance", auth());
  if (!answer.ok) throw new Error(answer.status);
  state.glance = await answer.json();
  $("to-fleet").hidden = !state.glance.fleet;
  show();
  state.skips = await fetchJson("/api/skips") || [];
}

const SLOTS = { observation_v1: "observation", state_v1: "state", device_status_v1: "devices", sensor_health_v1: "health",
  plan_v1: "plan", prediction_36h_v1: "prediction", targets_v1: "targets", forecast_36h_v1: "weather", vision_v1: "vision", vision_cv_v1: "vision_cv" };

function applyMessage({ kind, data }) {
  const glance = state.glance;
  if (!glance) return;
  if (kind === "status") {
    Object.assign(glance, { status: data, live: data.live, verdict: data.verdict });
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
  if (kind === "state_v1") loadHistory();
  show();
}

// A host that hangs keeps its connection and sends nothing: after 10 s it counts as disconnected.
setInterval(() => {
  if (!state.glance?.feed.connected || Date.now() - (state.lastStatus || 0) < 10000) return;
  state.glance.feed.connected = false;
  show();
}, 2000);

// EventSource cannot send a token; a stream read by fetch can, and it works from another machine, too.
async function readStream() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10000)) {
    try {
      await loadDevices();
      await loadGlance();
      state.lastStatus = Date.now();
      await loadHistory();
      const answer = await fetch("/api/stream", auth());
      if (!answer.ok || !answer.body) throw new Error(answer.status);
      pause = 500;
      await readLines(answer.body.getReader());
    } catch (error) { /* shown below; the next round tries again */ }
    if (state.glance) { state.glance.feed.connected = false; show(); }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
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

// Buttons of which one is pressed: `data-NAME` holds its value.
function choice(name, chosen) {
  const buttons = [...document.querySelectorAll(`[data-${name}]`)];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      chosen(button.dataset[name]);
    });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  choice("span", (span) => { state.span = span; loadHistory(); });
  choice("quantity", (name) => { state.quantity = name; drawForecast(); drawPast(); });
  choice("shown", (category) => { state.shown = category; if (state.glance) showEvents(state.glance); });
  startForms();
  watchPhoto();
  addEventListener("resize", () => { drawHistory(); drawForecast(); drawPast(); });
  readStream();
});
