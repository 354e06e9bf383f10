// Charts: one quantity an axis, the target of each moment, extremes as an envelope, doses and holds as marks.
import { $, choice, colour, DEVICES, download, element, fetchJson, fill, label, save, state } from "/static/base.js";
import { needs, redraw, shows } from "/static/page_parts.js";
import { day, date, number, preferences, shortTime, shownValue, t, unitOf } from "/static/text.js";

const GROUP = "tomato";

// The library comes with the first chart: the overview does without it.
export async function ready() {
  if (window.uPlot) return;
  const loaded = (tag, attributes) => new Promise((resolve, reject) => {
    document.head.append(Object.assign(document.createElement(tag), { ...attributes, onload: resolve, onerror: reject }));
  });
  await Promise.all([loaded("link", { rel: "stylesheet", href: "/static/uPlot.min.css" }), loaded("script", { src: "/static/uPlot.iife.min.js" })]);
}

const FONT = "12px system-ui";
const ruler = document.createElement("canvas").getContext("2d");

// CSS pixels that a label of a day needs, with room to the next one: the widest day of a year, in this language.
function dayRoom() {
  ruler.font = FONT;
  return 12 + Math.max(...Array.from({ length: 12 }, (_, month) => ruler.measureText(date(new Date(2026, month, 28))).width));
}

// Ticks of the time axis as this person reads times.
function moments(u, splits, axis, space, step) {
  return splits.map((s) => step >= 86400 || new Date(s * 1000).getHours() + new Date(s * 1000).getMinutes() === 0 ? date(s * 1000) : shortTime(s * 1000));
}

function axes(unit, splits) {
  const ink = colour("--dim"), line = colour("--line");
  const figures = (u, all) => all.map((v) => v === null ? "" : Math.abs(v) >= 10000 ? `${number(v / 1000, 0)}k` : v.toLocaleString(preferences.language, { maximumFractionDigits: 3 }));
  const common = { stroke: ink, font: FONT, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
  const room = dayRoom(), fitting = (u) => Math.max(1, Math.floor(u.bbox.width / devicePixelRatio / room));
  const marked = splits ? { splits: (u) => splits.filter((at, i) => i % Math.ceil(splits.length / fitting(u)) === 0), values: (u, all) => all.map((at) => date(at * 1000)) } : { values: moments };
  // Labels of hours are narrower than those of days, which stand among them at midnight only.
  return [{ ...common, ...marked, space: (u, axis, min, max) => max - min > 3 * 86400 ? room : 60 }, { ...common, size: 52, values: figures, label: unit, labelSize: 16, labelFont: FONT }];
}

// The target as it was at each moment, drawn as steps.
function bandPlugin(times, band, unit) {
  return { hooks: { drawClear: (u) => {
    if (!band) return;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    u.ctx.clip();
    u.ctx.fillStyle = colour("--band");
    for (let i = 0; i < times.length; i += 1) {
      if (band.low[i] === null || band.high[i] === null) continue;
      const left = Math.round(u.valToPos(times[i], "x", true)), right = Math.round(u.valToPos(times[i + 1] ?? times[i], "x", true));
      const top = u.valToPos(shownValue(band.high[i], unit), "y", true), bottom = u.valToPos(shownValue(band.low[i], unit), "y", true);
      u.ctx.fillRect(left, top, right - left, bottom - top);
    }
    u.ctx.restore();
  } } };
}

// Doses as strokes from the time axis, holds of an output as a bar along it, entries of the journal as triangles above.
function markPlugin(doses, holds, entries = []) {
  return { hooks: { draw: (u) => {
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
    u.ctx.clip();
    const floor = u.bbox.top + u.bbox.height, high = 4 * devicePixelRatio;
    u.ctx.fillStyle = colour("--amber");
    for (const hold of holds) {
      const left = u.valToPos(hold.from, "x", true), right = u.valToPos(hold.to, "x", true);
      u.ctx.fillRect(left, floor - high, Math.max(1, right - left), high);
    }
    u.ctx.fillStyle = colour("--ink");
    const size = 5 * devicePixelRatio;
    for (const entry of entries) {
      const x = u.valToPos(entry.t, "x", true);
      u.ctx.beginPath();
      u.ctx.moveTo(x - size, u.bbox.top);
      u.ctx.lineTo(x + size, u.bbox.top);
      u.ctx.lineTo(x, u.bbox.top + 1.5 * size);
      u.ctx.fill();
    }
    u.ctx.strokeStyle = colour("--water");
    u.ctx.lineWidth = 2 * devicePixelRatio;
    for (const dose of doses) {
      const x = u.valToPos(dose.t, "x", true);
      u.ctx.beginPath();
      u.ctx.moveTo(x, floor);
      u.ctx.lineTo(x, floor - (6 + Math.min(24, dose.ml / 12)) * devicePixelRatio);
      u.ctx.stroke();
    }
    u.ctx.restore();
  } } };
}

function draw(id, series, data, options = {}) {
  const box = $(id);
  if (!window.uPlot) return; // drawn when the library is there
  if (state.charts[id]) state.charts[id].destroy();
  if (data[0].length < 2) {
    fill(box, [element("p", options.empty || t("Nothing recorded in this time."), "dim")]);
    state.charts[id] = null;
    return;
  }
  box.replaceChildren();
  state.charts[id] = new uPlot({
    width: Math.max(240, box.clientWidth), height: options.height || 190,
    cursor: { y: false, sync: { key: GROUP }, drag: { x: true, y: false, setScale: !options.zoom } },
    axes: axes(options.unit, options.splits), legend: { live: true },
    series: [{ label: t("at"), value: (u, at) => at === null || at === undefined ? "–" : day(at * 1000) }, ...series],
    scales: { x: { time: true }, ...(options.scales || {}) }, plugins: options.plugins || [], bands: options.bands || [],
    hooks: { ready: [(u) => u.setLegend({ idx: newestKnown(data) })], setSelect: options.zoom ? [options.zoom] : [] },
  }, data, box);
}

// Until somebody points at a moment the legend shows the newest one of which the last series knows something.
function newestKnown(data) {
  const last = data.at(-1);
  let at = last.length - 1;
  while (at > 0 && (last[at] === null || last[at] === undefined)) at -= 1;
  return at;
}

const line = (name, shade, digits, extra = {}) => ({ label: name, stroke: colour(shade), width: 1.8, spanGaps: false, points: { show: false },
  value: (u, v) => v === null || v === undefined ? "–" : number(v, digits), ...extra });
const shown = (values, unit) => unitOf(unit)[1] === 1 && !unitOf(unit)[2] ? values : values.map((v) => shownValue(v, unit));

// One quantity of the past: mean line, envelope, target, marks.
function drawPastQuantity(id, name, unit, digits, shade, options = {}) {
  const h = state.history, low = h.low[name], high = h.high[name];
  const mean = shown(h[name] || [], unit);
  const series = [line(`${t(options.title || name)} ${unitOf(unit)[0]}`, shade, digits)], data = [h.t, mean];
  const bands = [];
  if (low && high) {
    const edge = (text) => line(text, "--envelope", digits, { width: 0 });
    series.unshift(edge(t("highest")), edge(t("lowest")));
    data.splice(1, 0, shown(high, unit), shown(low, unit));
    bands.push({ series: [1, 2], fill: colour("--envelope") });
  }
  draw(id, series, data, { unit: unitOf(unit)[0], bands, plugins: [bandPlugin(h.t, h.bands[options.band || name], unit), markPlugin(options.doses || [], options.holds || [], h.journal)], zoom: zoomTo });
}

function zoomTo(u) {
  const { left, width } = u.select;
  if (width < 8) return;
  state.range = [u.posToVal(left, "x"), u.posToVal(left + width, "x")].map(Math.round);
  loadHistory();
}

// Holds of the outputs with this role.
const held = (role) => {
  const names = new Set(DEVICES.outputs.filter((row) => row.role === role).map((row) => row.name));
  return state.history.holds.filter((hold) => names.has(hold.output));
};

function drawHistory() {
  drawWear();
  const h = state.history;
  if (!h || !window.uPlot) return;
  drawPastQuantity("chart-vpd", "vpd_kpa", "kPa", 2, "--leaf", { title: "VPD" });
  drawSoil(h);
  drawPastQuantity("chart-air", "air_temp_c", "°C", 1, "--ripe", { title: "air" });
  drawPastQuantity("chart-rh", "rh_pct", "%", 0, "--water", { title: "humidity", holds: held("mist") });
  drawPastQuantity("chart-co2", "co2_ppm", "ppm", 0, "--amber", { title: "CO2", holds: held("vent") });
  drawPastQuantity("chart-light", "light_lux", "lx", 0, "--amber", { title: "light", holds: held("lamp") });
  drawPastQuantity("chart-leaf", "leaf_air_delta_c", "K", 1, "--leaf", { title: "leaf minus air" });
  drawDays();
}

function drawSoil(h) {
  const probes = Object.keys(h.soil), shades = ["--water", "--ripe", "--amber", "--leaf"];
  draw("chart-soil", probes.map((p, i) => line(`${p} %`, shades[i % 4], 1)), [h.t, ...probes.map((p) => h.soil[p])],
    { unit: "%", plugins: [bandPlugin(h.t, h.bands.soil, "%"), markPlugin(h.doses, [], h.journal)], zoom: zoomTo });
}

// Totals of days as columns.
function drawDays() {
  const rows = state.days.filter((one) => !state.history.t.length || Date.parse(one.day) / 1000 >= state.history.t[0] - 2 * 86400);
  for (const [id, name, unit, digits, shade, least] of [["chart-day-water", "water_ml", "ml", 0, "--water", 100], ["chart-day-dli", "dli_mol_m2", "mol/m²", 1, "--amber", 1],
    ["chart-day-energy", "energy_kwh", "kWh", 2, "--ripe", 0.1]]) {
    const bars = uPlot.paths.bars({ size: [0.7, 48] });
    const at = rows.map((one) => Date.parse(one.day + "T12:00") / 1000);
    draw(id, [line(unitOf(unit)[0], shade, digits, { paths: bars, fill: colour(shade), points: { show: false } })],
      [at, shown(rows.map((one) => one[name]), unit)],
      { unit: unitOf(unit)[0], height: 150, empty: t("Not yet: two days are needed."), splits: at,
        scales: { x: { time: true, range: (u, min, max) => [min - 43200, max + 43200] }, y: { range: (u, min, max) => [0, Math.max(max, least) * 1.08] } } });
  }
}

// Strokes of each relay, and how much of its rated life they are.
function drawWear() {
  fill($("wear"), (state.wear || []).map((one) => {
    const row = element("tr"), used = element("td"), bar = element("meter");
    Object.assign(bar, { min: 0, max: 1, high: 0.8, value: Math.min(1, one.used) });
    used.append(bar, ` ${number(100 * one.used, one.used < 0.1 ? 1 : 0)} %`);
    row.append(element("td", label(one.output)), element("td", number(one.strokes, 0)), element("td", number(one.per_day, 1)), used,
      element("td", one.years_left === null ? "–" : one.years_left > 50 ? t("more than {n}", { n: 50 }) : number(one.years_left, 1)));
    bar.setAttribute("aria-label", t("Life used"));
    return row;
  }));
  $("no-wear").hidden = (state.wear || []).length > 0;
}

// translated: "VPD" "air" "humidity" "leaf minus air" "soil water" "air temperature"
const QUANTITIES = { vpd_kpa: ["VPD", "kPa", 2], air_temp_c: ["air temperature", "°C", 1], soil_avg_pct: ["soil water", "%", 1] };

function bandOf(hours, name) {
  const one = (hour) => (name === "soil_avg_pct" ? hour.soil_pct.avg : hour[name]) || {};
  const column = (key) => shown(hours.map((hour) => one(hour)[key] ?? null), QUANTITIES[name][1]);
  return { mean: column("mean"), p10: column("p10"), p90: column("p90") };
}

// Low and high of an interval, its middle, and whatever else is drawn over it.
function drawInterval(id, times, band, digits, unit, more = [], options = {}) {
  const edge = (name) => line(name, "--band", digits, { width: 1 });
  draw(id, [edge(t("high")), line(t("expected"), "--leaf", digits), edge(t("low")), ...more.map(([one]) => one)],
    [times, band.p90, band.mean, band.p10, ...more.map(([, values]) => values)],
    { unit: unitOf(unit)[0], bands: [{ series: [1, 3], fill: colour("--band") }], height: 220, ...options });
}

function drawForecast() {
  const p = state.glance && state.glance.prediction, name = state.quantity;
  const hours = p ? p.hours : [];
  drawInterval("chart-forecast", hours.map((h) => new Date(h.ts) / 1000), bandOf(hours, name), QUANTITIES[name][2], QUANTITIES[name][1], [],
    { empty: t("Not yet: a forecast needs one whole hour of readings.") });
}

function drawPast() {
  const past = state.past, [name, unit, digits] = QUANTITIES[state.quantity];
  const found = past && past.quantities[state.quantity];
  $("past-text").textContent = found && found.judged
    ? t("Forecast of {day}: in {inside} of {judged} hours {name} was within the interval; the expected value was off by {error} on average.",
      { day: day(past.made_at), inside: found.inside, judged: found.judged, name: t(name), error: `${number(found.error * unitOf(unit)[1], digits)} ${unitOf(unit)[0]}` }) : "";
  const empty = { mean: [], p10: [], p90: [] };
  const band = found ? { mean: shown(found.mean, unit), p10: shown(found.p10, unit), p90: shown(found.p90, unit) } : empty;
  drawInterval("chart-past", found ? past.t : [], band, digits, unit,
    found ? [[line(t("measured"), "--ripe", digits, { width: 2 }), shown(found.came, unit)]] : [],
    { empty: t("Not yet: the first forecast must be some hours old.") });
}

const inputDate = (epoch) => new Date((epoch - new Date().getTimezoneOffset() * 60) * 1000).toISOString().slice(0, 10);

async function loadHistory() {
  const where = state.range ? `?since=${state.range[0]}&until=${state.range[1]}` : `?span=${state.span}`;
  const [columns, days, wear] = await Promise.all([fetchJson("/api/history" + where), fetchJson("/api/days"), fetchJson("/api/wear")]);
  if (columns) {
    state.history = columns;
    if (columns.t.length) {
      $("since").value = inputDate(columns.t[0]);
      $("until").value = inputDate(columns.t.at(-1));
    }
  }
  state.days = days || [];
  state.wear = wear || [];
  $("whole").hidden = !state.range;
  redraw("history");
}

async function loadPast() {
  state.past = await fetchJson("/api/forecast/past");
  redraw("past");
}

function rangeFromDates() {
  const since = Date.parse($("since").value + "T00:00") / 1000, until = Date.parse($("until").value + "T23:59:59") / 1000;
  if (Number.isNaN(since) || Number.isNaN(until) || since >= until) { $("range-reply").textContent = t("The first day must come before the last."); return; }
  $("range-reply").textContent = "";
  state.range = [since, until];
  loadHistory();
}

async function savePictures() {
  const charts = [...document.querySelectorAll("#page-history .chart canvas")];
  if (!charts.length) return;
  const gap = 28, width = Math.max(...charts.map((c) => c.width));
  const sheet = Object.assign(document.createElement("canvas"), { width, height: charts.reduce((sum, c) => sum + c.height + gap, 0) });
  const ink = sheet.getContext("2d");
  ink.fillStyle = colour("--paper");
  ink.fillRect(0, 0, sheet.width, sheet.height);
  ink.font = "20px system-ui";
  let top = 0;
  for (const chart of charts) {
    ink.fillStyle = colour("--ink");
    ink.fillText(chart.closest("figure").querySelector("figcaption").textContent, 8, top + 20);
    ink.drawImage(chart, 0, top + gap);
    top += chart.height + gap;
  }
  sheet.toBlob((blob) => save(blob, "tomato.png"), "image/png");
}

choice("span", (span) => { state.span = span; state.range = null; loadHistory(); });
choice("quantity", (name) => { state.quantity = name; redraw("quantity"); });
$("whole").addEventListener("click", () => { state.range = null; loadHistory(); });
for (const id of ["since", "until"]) $(id).addEventListener("change", rangeFromDates);
$("save-csv").addEventListener("click", () => {
  const t0 = state.history && state.history.t;
  download(`/api/history.csv${t0 && t0.length ? `?since=${Math.floor(t0[0])}&until=${Math.ceil(t0.at(-1))}` : ""}`, "tomato.csv");
});
$("save-png").addEventListener("click", savePictures);
let waiting;
addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(() => redraw("size"), 120); });
needs("history", loadHistory);
needs("plan", loadPast);
shows("history", drawHistory, "history", "size");
shows("plan", drawForecast, "prediction", "quantity", "size");
shows("plan", drawPast, "past", "quantity", "size");
