"use strict";
// The dashboard's page: asks once for everything, then listens; draws with uPlot; asks for changes with a token.

const $ = (id) => document.getElementById(id);
const state = { glance: null, span: "24h", charts: {}, history: null };
const NAMES = { light: "light", circulation_fan: "circulation", exhaust_fan: "exhaust", humidifier: "humidifier",
  heater_mat: "heater mat", water_pump: "pump", co2_solenoid: "CO2 valve" };

const time = (ts) => ts ? new Date(ts).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" }) : "-";
const shortTime = (ts) => ts ? new Date(ts).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "-";
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

function verdict(glance) {
  const { status, anomalies, devices, feed } = glance;
  if (!feed.connected) return ["bad", "The host does not run. The board looks after the plant by itself."];
  if (status.mode === "SAFE") return ["bad", `Safe mode: ${status.mode_reason || "trust is lost"}`];
  if (status.link !== "up") return ["bad", "No line to the board. It looks after the plant by itself."];
  if (devices && devices.faults.length) return ["bad", `Board holds fault ${devices.faults.map((f) => f.name).join(", ")}`];
  const grave = anomalies.filter((a) => a.severity === "HIGH" || a.severity === "CRITICAL");
  if (grave.length) return ["bad", `${grave[0].type.replaceAll("_", " ").toLowerCase()} ${grave[0].subject || ""}`];
  if (status.mode === "CAUTION") return ["watch", "Caution: trust is returning"];
  if (status.mode === "PAUSED") return ["watch", "Paused by a person"];
  if (anomalies.length) return ["watch", `Watching: ${anomalies[0].type.replaceAll("_", " ").toLowerCase()}`];
  return ["well", "All is well"];
}

function tile(label, value, unit, out) {
  const box = element("div", undefined, "tile" + (value === "–" ? " off" : out ? " out" : ""));
  const figure = element("b", value);
  if (unit) figure.append(element("small", " " + unit));
  box.append(figure, element("small", label));
  return box;
}

function soilTile(probe, band) {
  const box = tile(`soil ${probe.id}`, number(probe.moisture_pct, 1), "%",
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
  const seen = glance.observation, estimate = glance.state;
  if (!seen) return;
  const targets = glance.targets && glance.targets.adapted;
  const day = glance.devices && glance.devices.outputs.light === "ON";
  const vpdBand = targets && (day ? targets.vpd_day_kpa : targets.vpd_night_kpa);
  const vpd = vpdOf(seen.air_temp_c, seen.rh_pct);
  const leaf = seen.leaf_temp_c === null || seen.air_temp_c === null ? null : seen.leaf_temp_c - seen.air_temp_c;
  fill($("tiles"), [
    tile("air", number(seen.air_temp_c, 1), "°C"),
    tile("humidity", number(seen.rh_pct, 0), "%"),
    tile("VPD", number(vpd, 2), "kPa", vpdBand && vpd !== null && (vpd < vpdBand.low || vpd > vpdBand.high)),
    tile("CO2", number(seen.co2_ppm, 0), "ppm"),
    tile("leaf minus air", number(leaf, 1), "K"),
    tile("light", number(seen.light_lux, 0), "lx"),
    ...seen.soil.map((probe) => soilTile(probe, targets && targets.soil_moisture_pct)),
    tile("confidence", estimate ? number(estimate.confidence, 2) : "–", ""),
  ]);
  const age = Math.max(0, Math.round((Date.now() - new Date(seen.received_ts || seen.ts)) / 1000));
  $("age").textContent = `Measured ${time(seen.ts)}, ${age} s ago.`;
}

// Buck (1996) over water, as the estimator has it; only to show the reading between two states.
function vpdOf(air, rh) {
  if (air === null || rh === null) return null;
  return 0.61121 * Math.exp((18.678 - air / 234.5) * (air / (257.14 + air))) * (1 - rh / 100);
}

function showSafety(glance) {
  const { status, devices, anomalies } = glance;
  const rows = [["mode", status.mode + (status.mode_reason ? ` (${status.mode_reason})` : "")],
    ["line", status.link + (status.link_detail ? ` (${status.link_detail})` : "")]];
  if (devices) {
    const on = Object.entries(devices.outputs).filter(([, value]) => value === "ON").map(([name]) => {
      const end = status.jobs && status.jobs[name];
      return NAMES[name] + (end ? ` until ${shortTime(end)}` : "");
    });
    rows.push(["board", devices.board_state], ["on now", on.join(", ") || "nothing"],
      ["faults", devices.faults.map((f) => f.name).join(", ") || "none"],
      ["water today", `${number(devices.water_ml_used_today, 0)} ml` +
        (glance.state ? ` of ${number(glance.state.budgets.water_ml_budget_today, 0)}` : "")]);
  }
  const last = (status.pulses || []).at(-1);
  if (last) rows.push(["board's last word", `${NAMES[last.output]} ${last.status} ${number(last.amount, 0)} ${last.unit}, ${time(last.ts)}`]);
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
    if (why) row.append(element("span", why, "why"));
    return row;
  }));
}

function showNext(glance) {
  $("next").textContent = glance.status.next_decision_at ? `Next decision at ${shortTime(glance.status.next_decision_at)}, or sooner if something happens.` : "No decision yet.";
  if (glance.plan) {
    $("plan-text").textContent = `Decided at ${shortTime(glance.plan.ts)} (${glance.plan.controller}): ${glance.plan.explanation}`;
    fill($("not-done"), glance.plan.not_done.map((text) => element("li", text.replace(/^(\w+):/, (_, name) => `${NAMES[name] || name}:`))));
  }
  $("forecast-text").textContent = glance.prediction ? glance.prediction.explanation : "";
}

function showEvents(glance) {
  const rows = glance.events.map((e) => [e.ts, e.level, e.name.replaceAll("_", " "), e.text]);
  for (const a of glance.actions) {
    if (a.safety.refused_by) rows.push([a.ts, "WARNING", "refused", `${describe(a)}: ${outcome(a)[1]}`]);
    if (a.type === "NO_ACTION") rows.push([a.ts, "INFO", "nothing done", a.why.text]);
  }
  rows.sort((a, b) => new Date(b[0]) - new Date(a[0]));
  fill($("events"), rows.slice(0, 80).map(([ts, level, name, text]) => {
    const row = element("tr", undefined, level);
    row.append(element("td", time(ts)), element("td", name), element("td", text));
    return row;
  }));
}

function showVision(glance) {
  const seen = glance.vision, measured = glance.vision_cv;
  $("photo").hidden = !seen && !measured;
  if ($("photo").hidden) return;
  const parts = [];
  if (seen) parts.push(`The model says: leaves ${seen.leaf_color}, ${seen.notes} (confidence from its history ${number(seen.confidence, 2)}).`);
  if (measured) parts.push(measured.usable ? `Measured: canopy ${number(100 * measured.canopy_fraction, 0)} % of the picture, ${number(100 * measured.yellow_fraction, 0)} % of it yellow.` : `The photo is not usable: ${measured.why_unusable}.`);
  $("vision").textContent = parts.join(" ");
}

function show() {
  const glance = state.glance;
  if (!glance) return;
  const [style, text] = verdict(glance);
  if ($("verdict").textContent !== text) $("verdict").textContent = text;
  $("verdict").className = `verdict ${style}`;
  $("clock").textContent = glance.status.now ? new Date(glance.status.now).toLocaleString() : "";
  showPlant(glance); showSafety(glance); showActions(glance); showNext(glance); showEvents(glance); showVision(glance);
}

// -- charts ----------------------------------------------------------------------------------------------------

function axes() {
  const ink = colour("--dim"), line = colour("--line");
  const common = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
  return [{ ...common }, { ...common, size: 46 }];
}

function bandPlugin(low, high) {
  return { hooks: { drawClear: (u) => {
    const top = u.valToPos(high, "y", true), bottom = u.valToPos(low, "y", true);
    u.ctx.save();
    u.ctx.fillStyle = colour("--band");
    u.ctx.fillRect(u.bbox.left, Math.max(top, u.bbox.top), u.bbox.width, Math.min(bottom, u.bbox.top + u.bbox.height) - Math.max(top, u.bbox.top));
    u.ctx.restore();
  } } };
}

function dosePlugin(doses) {
  return { hooks: { draw: (u) => {
    u.ctx.save();
    u.ctx.strokeStyle = colour("--water");
    u.ctx.fillStyle = colour("--water");
    for (const dose of doses) {
      const x = u.valToPos(dose.t, "x", true);
      if (x < u.bbox.left || x > u.bbox.left + u.bbox.width) continue;
      u.ctx.beginPath();
      u.ctx.moveTo(x, u.bbox.top + u.bbox.height);
      u.ctx.lineTo(x, u.bbox.top + u.bbox.height - 16);
      u.ctx.stroke();
    }
    u.ctx.restore();
  } } };
}

function draw(id, series, data, options = {}) {
  const box = $(id);
  if (state.charts[id]) state.charts[id].destroy();
  if (data[0].length < 2) {
    fill(box, [element("p", options.empty || "Nothing recorded yet: the first minutes are being measured.", "dim")]);
    state.charts[id] = null;
    return;
  }
  box.replaceChildren();
  state.charts[id] = new uPlot({
    width: Math.max(260, box.clientWidth), height: 190, cursor: { y: false }, axes: axes(),
    series: [{}, ...series], scales: { x: { time: true }, ...(options.scales || {}) }, plugins: options.plugins || [],
    bands: options.bands || [],
  }, data, box);
}

const line = (label, name, digits, extra = {}) => ({ label, stroke: colour(name), width: 1.6, spanGaps: false,
  value: (u, v) => v === null || v === undefined ? "–" : v.toFixed(digits), ...extra });

function drawHistory() {
  const h = state.history;
  if (!h) return;
  const targets = state.glance && state.glance.targets && state.glance.targets.adapted;
  const vpdBand = targets ? [targets.vpd_day_kpa.low, targets.vpd_day_kpa.high] : [0.8, 1.3];
  draw("chart-vpd", [line("VPD kPa", "--leaf", 2)], [h.t, h.vpd_kpa], { plugins: [bandPlugin(...vpdBand)] });
  const probes = Object.keys(h.soil), shades = ["--water", "--ripe", "--amber", "--leaf"];
  const band = targets ? [bandPlugin(targets.soil_moisture_pct.low, targets.soil_moisture_pct.high)] : [];
  draw("chart-soil", probes.map((p, i) => line(p, shades[i % 4], 1)), [h.t, ...probes.map((p) => h.soil[p])],
    { plugins: [...band, dosePlugin(h.doses)] });
  draw("chart-air", [line("°C", "--ripe", 1), line("% RH", "--water", 0)], [h.t, h.air_temp_c, h.rh_pct]);
}

function drawForecast() {
  const p = state.glance && state.glance.prediction;
  const hours = p ? p.hours.filter((hour) => hour.vpd_kpa) : [];
  const data = [hours.map((h) => new Date(h.ts) / 1000), hours.map((h) => h.vpd_kpa.p90), hours.map((h) => h.vpd_kpa.mean), hours.map((h) => h.vpd_kpa.p10)];
  const came = yesterdaysTruth(data[0]);
  draw("chart-forecast", [line("high", "--band", 2), line("expected kPa", "--leaf", 2), line("low", "--band", 2), line("a day before", "--dim", 2, { dash: [4, 4] })],
    [...data, came], { bands: [{ series: [1, 3], fill: colour("--band") }], empty: "Not yet: a forecast needs one whole hour of readings." });
}

function yesterdaysTruth(times) {
  const h = state.history;
  if (!h || !h.t.length) return times.map(() => null);
// A host that hangs keeps its connection and says nothing: silence is told, too.
setInterval(() => {
  if (!state.glance?.feed.connected || Date.now() - (state.heard || 0) < 10000) return;
  state.glance.feed.connected = false;
  show();
}, 2000);

  return times.map((t) => {
    const at = h.t.findIndex((x) => x >= t - 86400);
    return at >= 0 && Math.abs(h.t[at] - (t - 86400)) < 3600 ? h.vpd_kpa[at] : null;
  });
}
      state.heard = Date.now();

async function loadHistory() {
  const answer = await fetch(`/api/history?span=${state.span}`, auth());
  if (!answer.ok) return;
  state.history = await answer.json();
  drawHistory();
  drawForecast();
}

// -- the line to the host --------------------------------------------------------------------------------------

function auth(extra = {}) {
  const token = sessionStorage.getItem("token");
  return token ? { ...extra, headers: { ...(extra.headers || {}), Authorization: `Bearer ${token}` } } : extra;
}

async function loadGlance() {
  const answer = await fetch("/api/glance", auth());
  if (!answer.ok) throw new Error(answer.status);
  state.glance = await answer.json();
  show();
}

const SLOTS = { observation_v1: "observation", state_v1: "state", device_status_v1: "devices", sensor_health_v1: "health",
  plan_v1: "plan", prediction_36h_v1: "prediction", targets_v1: "targets", forecast_36h_v1: "weather", vision_v1: "vision", vision_cv_v1: "vision_cv" };

function take({ kind, data }) {
  const glance = state.glance;
  if (!glance) return;
  if (kind === "status") { glance.status = data; glance.feed.connected = true; state.heard = Date.now(); }
  else if (SLOTS[kind]) glance[SLOTS[kind]] = data;
  else if (kind === "action_v1") glance.actions = [...glance.actions, data].slice(-120);
  else if (kind === "event_v1") glance.events = [...glance.events, data].slice(-120);
  else if (kind === "anomaly_v1") {
    const key = (a) => a.id || `${a.type}:${a.subject}`;
    glance.anomalies = glance.anomalies.filter((a) => key(a) !== key(data));
    if (data.phase !== "CLEARED") glance.anomalies.push(data);
  }
  if (kind === "prediction_36h_v1") drawForecast();
  if (kind === "state_v1") loadHistory();
  show();
}

// EventSource cannot send a token; a stream read by fetch can, and it works from another machine, too.
async function listen() {
  for (let pause = 500; ; pause = Math.min(pause * 2, 10000)) {
    try {
      await loadGlance();
      await loadHistory();
      const answer = await fetch("/api/stream", auth());
      if (!answer.ok || !answer.body) throw new Error(answer.status);
      pause = 500;
      await readLines(answer.body.getReader());
    } catch (error) { /* told below; the next round tries again */ }
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
    for (const text of lines) if (text.startsWith("data:")) take(JSON.parse(text.slice(5)));
  }
}

// -- by hand ---------------------------------------------------------------------------------------------------

function fields() {
  const what = $("what").value, water = what === "water", mode = what === "mode";
  $("l-ml").hidden = !water;
  $("l-state").hidden = $("l-minutes").hidden = water || mode;
  $("l-mode").hidden = $("l-hours").hidden = !mode;
  if ($("state").value === "OFF") $("l-minutes").hidden = true;
  if (mode && $("mode").value === "NORMAL") $("l-hours").hidden = true;
}

function request() {
  const what = $("what").value, reason = $("why").value.trim();
  if (what === "water") return ["/api/water", { ml: +$("ml").value, reason }, `Give ${$("ml").value} ml of water now?`];
  if (what === "mode") return ["/api/mode", { mode: $("mode").value, hours: +$("hours").value, reason }, `Set the mode to ${$("mode").value}?`];
  const on = $("state").value === "ON";
  return ["/api/switch", { output: what, state: $("state").value, ...(on ? { seconds: 60 * +$("minutes").value } : {}), reason },
    `Switch ${NAMES[what]} ${on ? "on for " + $("minutes").value + " minutes" : "off"}?`];
}

function confirmed(text) {
  $("confirm-text").textContent = text;
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

async function ask(event) {
  event.preventDefault();
  const [path, body, question] = request();
  if (!await confirmed(question)) return;
  sessionStorage.setItem("token", $("token").value);
  $("reply").textContent = "asking ...";
  const answer = await fetch(path, auth({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } })).catch(() => null);
  if (!answer) { $("reply").textContent = "The dashboard does not answer."; return; }
  const told = await answer.json().catch(() => ({}));
  const detail = typeof told.detail === "string" ? told.detail : JSON.stringify(told.detail || "");
  $("reply").textContent = answer.ok ? told.text : `${answer.status === 409 ? "Not done" : "Refused"}: ${detail}${told.next ? " Next: " + told.next : ""}`;
}

document.addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("[data-span]")) {
    button.addEventListener("click", () => {
      state.span = button.dataset.span;
      for (const other of document.querySelectorAll("[data-span]")) other.setAttribute("aria-pressed", String(other === button));
      loadHistory();
    });
  }
  for (const id of ["what", "state", "mode"]) $(id).addEventListener("change", fields);
  $("override").addEventListener("submit", ask);
  $("token").value = sessionStorage.getItem("token") || "";
  fields();
  addEventListener("resize", () => { drawHistory(); drawForecast(); });
  listen();
});
