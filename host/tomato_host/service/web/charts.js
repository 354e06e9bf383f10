"use strict";
// The charts: history against its bands with doses as marks, the forecast with its interval, yesterday's against what came.

// Ticks of the time axis in the reader's own words, 24 hours a day.
function moments(u, splits, axis, space, step) {
  const format = step < 86400 ? CLOCK : { day: "numeric", month: "short" };
  const told = (t) => step < 86400 && new Date(t * 1000).getHours() === 0
    ? new Date(t * 1000).toLocaleDateString([], { weekday: "short", day: "numeric" }) : new Date(t * 1000).toLocaleString([], format);
  return splits.map(told);
}

function axes() {
  const ink = colour("--dim"), line = colour("--line");
  const common = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line } };
  return [{ ...common, values: moments }, { ...common, size: 46 }];
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
    series: [{ label: "at", value: (u, t) => t === null || t === undefined ? "–" : day(t * 1000) }, ...series], scales: { x: { time: true }, ...(options.scales || {}) }, plugins: options.plugins || [],
    bands: options.bands || [], hooks: { ready: [(u) => u.setLegend({ idx: newestKnown(data) })] },
  }, data, box);
}

// Until somebody points at a moment the legend shows the newest one of which the last series knows something.
function newestKnown(data) {
  const last = data.at(-1);
  let at = last.length - 1;
  while (at > 0 && (last[at] === null || last[at] === undefined)) at -= 1;
  return at;
}

const line = (label, name, digits, extra = {}) => ({ label, stroke: colour(name), width: 1.6, spanGaps: false, points: { show: false },
  value: (u, v) => v === null || v === undefined ? "–" : v.toFixed(digits), ...extra });

// Low and high of an interval, its middle, and whatever else is drawn over it.
function drawInterval(id, t, band, middle, digits, more = [], options = {}) {
  const edge = (label) => line(label, "--band", digits, { width: 1 });
  draw(id, [edge("high"), line(middle, "--leaf", digits), edge("low"), ...more.map(([one]) => one)],
    [t, band.p90, band.mean, band.p10, ...more.map(([, values]) => values)],
    { bands: [{ series: [1, 3], fill: colour("--band") }], ...options });
}

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

const QUANTITIES = { vpd_kpa: ["VPD", "kPa", 2], air_temp_c: ["air temperature", "°C", 1], soil_avg_pct: ["soil water", "%", 1] };

function bandOf(hours, name) {
  const one = (hour) => (name === "soil_avg_pct" ? hour.soil_pct.avg : hour[name]) || {};
  const column = (key) => hours.map((hour) => one(hour)[key] ?? null);
  return { mean: column("mean"), p10: column("p10"), p90: column("p90") };
}

function drawForecast() {
  const p = state.glance && state.glance.prediction, name = state.quantity;
  const hours = p ? p.hours : [];
  drawInterval("chart-forecast", hours.map((h) => new Date(h.ts) / 1000), bandOf(hours, name), "expected", QUANTITIES[name][2], [],
    { empty: "Not yet: a forecast needs one whole hour of readings." });
}

function drawPast() {
  const past = state.past, [label, unit, digits] = QUANTITIES[state.quantity];
  const found = past && past.quantities[state.quantity];
  drawInterval("chart-past", found ? past.t : [], found || { mean: [], p10: [], p90: [] }, "expected", digits,
    found ? [[line("measured", "--ripe", digits, { width: 2 }), found.came]] : [],
    { empty: "Not yet: the first forecast must be some hours old." });
  $("past-text").textContent = found && found.judged
    ? `Forecast of ${day(past.made_at)}: in ${found.inside} of ${found.judged} hours ${label} was within the interval; ` +
      `the expected value was off by ${number(found.error, digits)} ${unit} on average.` : "";
}

async function loadHistory() {
  const [columns, past] = await Promise.all([fetchJson(`/api/history?span=${state.span}`), fetchJson("/api/forecast/past")]);
  if (columns) state.history = columns;
  state.past = past;
  drawHistory();
  drawForecast();
  drawPast();
}
