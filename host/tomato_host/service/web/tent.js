// The tent as a drawing: what is on, how much water there is, and how the leaves feel, by colour and in words.
import { DEVICES, label, svg } from "/static/base.js";
import { t } from "/static/text.js";

// Where an output of each role is drawn (roles: service/device_list.py); of two with one role the drawing shows both as one.
const PARTS = {
  lamp: () => [svg("rect", { x: 110, y: 26, width: 100, height: 10, rx: 4 }),
    svg("path", { d: "M118 40 L96 98 M144 40 L136 98 M176 40 L184 98 M202 40 L224 98", class: "rays" })],
  vent: () => [svg("circle", { cx: 268, cy: 36, r: 15 }), svg("path", { d: "M268 24v24M256 36h24", class: "blades" }),
    svg("path", { d: "M290 30h20M290 36h24M290 42h20", class: "flow" })],
  stir: () => [svg("circle", { cx: 52, cy: 84, r: 14 }), svg("path", { d: "M52 73v22M41 84h22", class: "blades" }),
    svg("path", { d: "M72 78h16M72 84h20M72 90h16", class: "flow" })],
  mist: () => [svg("rect", { x: 250, y: 142, width: 30, height: 30, rx: 5 }),
    svg("path", { d: "M258 136q-4-7 0-14M266 134q4-8 0-16M274 136q-4-7 0-14", class: "flow" })],
  warmth: () => [svg("path", { d: "M96 176h132", class: "mat" })],
  water: () => [svg("path", { d: "M40 150V132h72v8M112 132h96v8", class: "pipe" }),
    svg("path", { d: "M112 143v6M208 143v6", class: "drops" })],
  gas: () => [svg("rect", { x: 284, y: 96, width: 16, height: 44, rx: 7 }), svg("path", { d: "M284 102h-14", class: "flow" })],
};

// translated: "calm" "strained" "stressed" "unknown"
const STRESS = [[0.15, "calm"], [0.4, "strained"], [Infinity, "stressed"]];

function plant(x, stress) {
  const leaf = (dx, dy, turn) => svg("ellipse", { cx: dx, cy: dy, rx: 15, ry: 7, transform: `rotate(${turn} ${dx} ${dy})` });
  return svg("g", { transform: `translate(${x} 0)`, class: `plant ${stress}` }, [
    svg("path", { d: "M0 150C-2 130 3 118 0 96", class: "stem" }),
    leaf(-15, 134, 18), leaf(15, 126, -18), leaf(-14, 114, 14), leaf(13, 104, -20), leaf(-3, 94, -50),
    svg("circle", { cx: 9, cy: 138, r: 5, class: "fruit" }), svg("circle", { cx: -8, cy: 122, r: 4, class: "fruit" }),
    svg("path", { d: "M-17 150h34l-4 24h-26z", class: "pot" })]);
}

function stressOf(glance) {
  const hour = glance.prediction && glance.prediction.hours[0];
  const risk = hour ? hour.stress_risk : null;
  return risk === null || risk === undefined ? "unknown" : STRESS.find(([most]) => risk < most)[1];
}

// The share of the day's water that is left, for the level in the tank.
function level(glance) {
  const { water_ml_left_today: left, water_ml_budget_today: budget } = glance.live;
  return budget ? Math.max(0, Math.min(1, left / budget)) : null;
}

function tank(glance) {
  const empty = glance.observation && glance.observation.reservoir_ok === false;
  const share = empty ? 0.06 : level(glance) ?? 0.5;
  const height = Math.round(36 * share);
  return svg("g", { class: empty ? "tank empty" : "tank" }, [
    svg("rect", { x: 22, y: 148, width: 36, height: 38, rx: 4, class: "glass" }),
    svg("rect", { x: 23, y: 185 - height, width: 34, height, class: "level" })]);
}

export function tentDrawing(glance) {
  const outputs = glance.devices ? glance.devices.outputs : {};
  const stress = stressOf(glance);
  const runs = (role) => DEVICES.outputs.some((row) => row.role === role && outputs[row.name] === "ON");
  const parts = Object.entries(PARTS).map(([role, draw]) => svg("g", { class: `part ${role} ${runs(role) ? "on" : "off"}` }, draw()));
  const on = DEVICES.outputs.filter((row) => outputs[row.name] === "ON").map((row) => label(row.name));
  const told = t("The tent. On now: {on}. Plants: {stress}.", { on: on.join(", ") || t("nothing"), stress: t(stress) });
  return svg("svg", { viewBox: "0 0 330 196", role: "img", "aria-label": told, class: "tent" + (runs("lamp") ? " lit" : "") }, [
    svg("path", { d: "M12 190V22q0-10 10-10h286q10 0 10 10v168z", class: "walls" }),
    svg("path", { d: "M12 190h306", class: "ground" }), tank(glance), ...parts, plant(120, stress), plant(208, stress)]);
}

export const onNow = (glance) => {
  const { devices, status } = glance;
  if (!devices) return "";
  return Object.entries(devices.outputs).filter(([, value]) => value === "ON").map(([name]) => [name, status.jobs && status.jobs[name]]);
};
