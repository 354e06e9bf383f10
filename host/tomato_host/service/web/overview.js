// The first page: safe or not and what to do, the tent, each value with its target, trend and day, last and next action.
import { $, DEVICES, element, fetchJson, fill, label, state, svg } from "/static/base.js";
import { needs, redraw, shows } from "/static/page_parts.js";
import { ago, hostText, number, quantity, shortTime, shownValue, t, unitOf } from "/static/text.js";
import { onNow, tentDrawing } from "/static/tent.js";
import { describe, outcome, why } from "/static/actions.js";

const lampIsOn = (glance) => glance.devices && DEVICES.outputs.some((row) => row.lights && glance.devices.outputs[row.name] === "ON");

const SPARK = { width: 64, height: 24 };

// The last 24 h as a line, in the quantity's own range; the target's band behind it.
function sparkline(values, band) {
  const known = values.filter((v) => v !== null && v !== undefined);
  if (known.length < 3) return null;
  let low = Math.min(...known), high = Math.max(...known);
  if (band) { low = Math.min(low, band.low); high = Math.max(high, band.high); }
  const spread = high - low || 1, step = Math.max(1, Math.floor(values.length / 48));
  const y = (v) => SPARK.height - 1 - (v - low) / spread * (SPARK.height - 2);
  const points = [];
  for (let i = 0; i < values.length; i += step) {
    if (values[i] !== null && values[i] !== undefined) points.push(`${(i / (values.length - 1) * SPARK.width).toFixed(1)},${y(values[i]).toFixed(1)}`);
  }
  const parts = [svg("polyline", { points: points.join(" ") })];
  if (band) parts.unshift(svg("rect", { x: 0, y: y(band.high), width: SPARK.width, height: Math.max(1, y(band.low) - y(band.high)) }));
  return svg("svg", { viewBox: `0 0 ${SPARK.width} ${SPARK.height}`, class: "spark", preserveAspectRatio: "none", "aria-hidden": "true" }, parts);
}

// Where a value goes: its mean of the last half hour against the half hour before, in steps of what one can see.
function trend(values, least) {
  const recent = (from, to) => {
    const part = values.slice(from, to).filter((v) => v !== null && v !== undefined);
    return part.length ? part.reduce((a, b) => a + b, 0) / part.length : null;
  };
  const now = recent(-30, undefined), before = recent(-60, -30);
  if (now === null || before === null || Math.abs(now - before) < least) return ["→", "steady"];
  return now > before ? ["↗", "rising"] : ["↘", "falling"];
}

function tile({ name, value, unit, digits, band, series, least, note }) {
  const known = value !== null && value !== undefined;
  const out = known && band && (value < band.low || value > band.high);
  const box = element("div", undefined, "tile" + (!known ? " off" : out ? " out" : ""));
  const [shown] = unitOf(unit);
  const figure = element("b", number(shownValue(value, unit), digits));
  if (shown) figure.append(element("small", " " + shown));
  const head = element("div", undefined, "head");
  head.append(element("span", t(name), "name"));
  if (known && series) {
    const [arrow, word] = trend(series, least);
    const mark = element("span", arrow, "trend");
    mark.title = t(word);
    mark.setAttribute("aria-label", t(word));
    mark.setAttribute("role", "img");
    head.append(mark);
  }
  const foot = element("div", undefined, "foot");
  const edges = band && `${number(shownValue(band.low, unit), digits)} – ${number(shownValue(band.high, unit), digits)}`;
  const target = element("small", edges || (known ? note || "" : t("no reading")));
  if (edges) target.prepend(element("span", t("target") + " ", "long"));
  foot.append(target);
  const line = series && sparkline(series, band);
  box.append(head, figure, foot);
  if (line) box.append(line);
  return box;
}

// Target of a reading now: by the adapted targets of the day or the night.
function bandNow(glance, name) {
  const targets = glance.targets && glance.targets.adapted;
  if (!targets) return null;
  const lit = lampIsOn(glance);
  const bands = { vpd_kpa: lit ? targets.vpd_day_kpa : targets.vpd_night_kpa, air_temp_c: lit ? targets.air_temp_day_c : targets.air_temp_night_c,
    soil: targets.soil_moisture_pct, co2_ppm: lit ? targets.co2_day_ppm : null };
  return bands[name] || null;
}

const LEAST = { air_temp_c: 0.3, leaf_temp_c: 0.3, soil_temp_c: 0.2, rh_pct: 1.5, co2_ppm: 25, light_lux: 500, vpd_kpa: 0.04, leaf_air_delta_c: 0.2 };

// A probe by the name of its plant, where the settings have one.
function soilName(glance, id) {
  const plant = glance.installation.tent.plants.find((one) => `P${one.probe}` === id);
  return plant ? `${plant.name} ${id}` : t("Soil {id}", { id });
}

function tiles(glance) {
  // Values of a reading that is too old are no values of now; `live` has none of it then, either.
  const live = glance.live, past = state.day || {}, isNow = Boolean(live.reading_ts), seen = isNow ? glance.observation : {};
  const leaf = live.leaf_air_delta_c;
  // The unit says that it is a temperature: a phone has no room to say it twice.
  const reading = (row) => tile({ name: row.label.replace(/ temperature$/, ""), note: row.name === "leaf_temp_c" && leaf !== null && leaf !== undefined
    ? t("{n} to air", { n: (leaf > 0 ? "+" : "") + number(leaf * unitOf("K")[1], 1) }) : "", value: seen[row.name], unit: row.unit, digits: row.decimals,
    band: bandNow(glance, row.name), series: past[row.name], least: LEAST[row.name] ?? 0.5 });
  past.leaf_temp_c = past.leaf_air_delta_c && past.leaf_air_delta_c.map((d, i) => d === null || past.air_temp_c[i] === null ? null : past.air_temp_c[i] + d);
  const rows = DEVICES.sensors.map(reading);
  rows.splice(2, 0, tile({ name: "VPD", value: live.vpd_kpa, unit: "kPa", digits: 2, band: bandNow(glance, "vpd_kpa"), series: past.vpd_kpa, least: LEAST.vpd_kpa }));
  const soil = glance.observation.soil.map((probe) => tile({ name: soilName(glance, probe.id), value: isNow ? probe.moisture_pct : null, unit: "%", digits: 1,
    band: bandNow(glance, "soil"), series: past.soil && past.soil[probe.id], least: 0.3 }));
  return [...rows.slice(0, 3), ...soil, ...rows.slice(3)];
}

function showTiles(glance) {
  const seen = glance.observation;
  if (!seen) return;
  fill($("tiles"), tiles(glance));
}

function showAge(glance) {
  const seen = glance.observation;
  if (!seen) return;
  const now = state.offline ? Date.now() : Date.parse(glance.status.now || new Date().toISOString());
  const age = Math.max(0, (now - Date.parse(seen.received_ts || seen.ts)) / 1000);
  $("age").textContent = t("Measured {time}, {ago}.", { time: shortTime(seen.ts), ago: ago(age) });
}

// translated: "mode" "link to the board" "connected" "not connected" "on now" "faults" "water today" "confidence in the readings" "steady" "rising" "falling"
function showSafety(glance) {
  const { status, devices } = glance;
  const linked = { up: "connected", down: "not connected" }[status.link] || status.link;
  const rows = [["mode", t(status.mode) + (status.mode_reason ? ` (${hostText(status.mode_reason)})` : "")],
    ["link to the board", t(linked) + (status.link_detail ? ` (${hostText(status.link_detail)})` : "")]];
  if (devices) {
    const on = onNow(glance).map(([name, end]) => label(name) + (end ? " " + t("until {time}", { time: shortTime(end) }) : ""));
    rows.push(["on now", on.join(", ") || t("nothing")], ["faults", devices.faults.map((f) => t(f.name.replaceAll("_", " "))).join(", ") || t("none")],
      ["water today", t("{used} of {budget}", { used: quantity(glance.live.water_ml_used_today, "ml", 0), budget: quantity(glance.live.water_ml_budget_today, "ml", 0) })],
      ["confidence in the readings", number(glance.live.confidence, 2)]);
  }
  fill($("safety"), rows.flatMap(([name, value]) => [element("dt", t(name)), element("dd", value)]));
}

// translated: "the disk accepts no records"
// Commands stand between backticks.
const withCommands = (text) => text.split("`").map((part, i) => i % 2 ? element("code", part) : part);

let alarmShown = "";

// Drawn anew only when something else is wrong: the button in it keeps its focus.
function showAlarm(glance) {
  const reason = waitsForPerson(glance) ? glance.status.mode_reason : "", key = JSON.stringify([glance.advice, reason]);
  if (key === alarmShown) return;
  alarmShown = key;
  const wrong = (glance.advice || []).map((one) => {
    const row = element("li", undefined, one.severity === "LOW" ? "low" : "");
    row.append(element("b", hostText(one.text)), ...(one.do ? [": ", ...withCommands(hostText(one.do))] : []));
    if (one.do.includes("clear-fault")) row.append(" ", Object.assign(element("a", t("Or clear it on the page Control.")), { href: "#control" }));
    return row;
  });
  fill($("anomalies"), reason ? [...wrong, acknowledgement(reason)] : wrong);
}

// Some causes of safe mode, a leak for one, end only when a person says so, after what the board holds has been cleared.
const waitsForPerson = ({ status, devices }) => status.mode === "SAFE" && status.mode_reason && devices && !devices.faults.length;

function acknowledgement(reason) {
  const row = element("li"), done = Object.assign(element("button", t("It is dealt with")), { type: "button", id: "acknowledge" });
  done.addEventListener("click", async () => (await import("/static/control.js")).acknowledge());
  row.append(element("b", t("Safe mode lasts until somebody has looked: {reason}", { reason: hostText(reason) })), document.createTextNode(" "), done);
  return row;
}

function showLastAndNext(glance) {
  const last = [...glance.actions].reverse().find((action) => action.type !== "NO_ACTION");
  if (last) {
    const [style, text] = outcome(last);
    fill($("last"), [element("time", shortTime(last.ts)), document.createTextNode(` ${describe(last)} `), element("span", text, style), element("span", why(last), "why")]);
  } else $("last").textContent = t("Nothing yet.");
  const plan = glance.plan;
  const at = glance.status.next_decision_at;
  fill($("next-short"), [document.createTextNode(at ? t("Next decision at {time}, or sooner if something happens.", { time: shortTime(at) }) : t("No decision yet.")),
    element("span", plan ? hostText(plan.explanation) : "", "why")]);
}

// The last day, for the sparklines and trends.
async function loadDay() {
  state.day = await fetchJson("/api/history?span=24h") || state.day;
  redraw("day");
}

needs("overview", loadDay);
shows("overview", showTiles, "observation", "day", "targets", "devices");
shows("overview", showAge, "observation", "status");
shows("overview", showSafety, "status", "devices", "anomalies");
shows("overview", showAlarm, "status", "devices", "anomalies");
shows("overview", showLastAndNext, "status", "actions", "plan");
shows("overview", (glance) => fill($("tent"), [tentDrawing(glance)]), "observation", "devices", "prediction", "status");
