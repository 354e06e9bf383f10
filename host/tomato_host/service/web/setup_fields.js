// The fields of the set-up steps: each is bound to a key of the settings; what differs from the file is the draft.
import { element } from "/static/base.js";
import { t } from "/static/text.js";

// `found`: the host's answer; `draft`: key -> new value (null: the default), in the order in which they were changed.
export const setup = { found: null, draft: {} };

const inside = (key) => key.split(".").reduce((table, name) => table?.[name], setup.found.values);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);

export const valueOf = (key) => key in setup.draft ? setup.draft[key] : inside(key);

export function change(key, value) {
  if (same(value, inside(key) ?? null)) delete setup.draft[key]; else setup.draft[key] = value;
}

// A label with its control; the place below it is for what the loader has to say about this key.
export function field(key, text, control, { hint = "", wide = false } = {}) {
  const label = element("label", undefined, wide ? "wide-field" : "");
  const wrong = element("small", "", "wrong");
  wrong.id = `wrong-${key}`;
  label.dataset.key = key;
  label.append(element("span", text), control);
  if (hint) label.append(element("small", hint, "hint"));
  label.append(wrong);
  return label;
}

export function textField(key, text, options = {}) {
  const input = Object.assign(element("input"), { type: options.type || "text", value: valueOf(key) ?? "", maxLength: options.longest || 60 });
  if (options.list) input.setAttribute("list", options.list);
  input.addEventListener("input", () => { change(key, input.value); options.changed?.(); });
  return field(key, text, input, options);
}

export function numberField(key, text, { min, max, step = 1, ...options }) {
  const input = Object.assign(element("input"), { type: "number", min, max, step, value: valueOf(key) ?? "" });
  input.addEventListener("input", () => { change(key, input.value === "" ? null : +input.value); options.changed?.(); });
  return field(key, text, input, options);
}

export function selectField(key, text, choices, options = {}) {
  const select = element("select");
  select.append(...choices.map(([value, name]) => Object.assign(element("option", name), { value })));
  select.value = valueOf(key) ?? "";
  select.addEventListener("change", () => { change(key, select.value); options.changed?.(); });
  return field(key, text, select, options);
}

// Hours as a number in the file, as a clock time on the page.
export function clockField(key, text, changed) {
  const input = Object.assign(element("input"), { type: "time" }), hours = valueOf(key) ?? 0;
  input.value = clockOf(hours);
  input.addEventListener("input", () => {
    const [h, m] = input.value.split(":").map(Number);
    if (Number.isFinite(h)) { change(key, +(h + m / 60).toFixed(4)); changed?.(); }
  });
  return field(key, text, input);
}

export function clockOf(hours) {
  const minutes = Math.round(hours * 60) % 1440;
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
}

// -- the table of targets: one stage at a time -------------------------------------------------------------------------

// Key of the file, what it is, unit, step, and the names of its numbers in the built-in table.
// translated: "VPD by day" "VPD by night" "Air by day" "Air by night" "Soil water: dry, target, wet" "Roots at least" "Light a day" "CO2 by day" "Usual dose"
const TARGETS = [
  ["vpd_day_kpa", "VPD by day", "kPa", 0.05, ["vpd_day.0", "vpd_day.1"]],
  ["vpd_night_kpa", "VPD by night", "kPa", 0.05, ["vpd_night.0", "vpd_night.1"]],
  ["temp_day_c", "Air by day", "°C", 0.5, ["temp_day_c.0", "temp_day_c.1"]],
  ["temp_night_c", "Air by night", "°C", 0.5, ["temp_night_c.0", "temp_night_c.1"]],
  ["soil_moisture_pct", "Soil water: dry, target, wet", "%", 1, ["soil_low_pct", "soil_target_pct", "soil_high_pct"]],
  ["soil_temp_low_c", "Roots at least", "°C", 0.5, ["soil_temp_low_c"]],
  ["photoperiod_h", "Light a day", "h", 0.5, ["photoperiod_h"]],
  ["co2_ppm", "CO2 by day", "ppm", 10, ["co2_ppm"]],
  ["dose_ml", "Usual dose", "ml", 10, ["dose_ml"]],
];

export const builtIn = (stage, names) => names.map((name) => name.split(".").reduce((row, part) => row[part], setup.found.stages[stage]));

// What holds for a key of a stage: the draft, the file, or the table.
export function target(stage, key) {
  const names = TARGETS.find((row) => row[0] === key)[4], own = valueOf(`control.stages.${stage}.${key}`);
  return own === null || own === undefined ? builtIn(stage, names) : [own].flat();
}

export function targetsTable(stage, redraw) {
  const table = element("table", undefined, "targets"), body = element("tbody");
  for (const [name, text, unit, step, parts] of TARGETS) {
    const key = `control.stages.${stage}.${name}`, values = target(stage, name), usual = builtIn(stage, parts);
    const row = element("tr"), cells = element("td", undefined, "numbers"), head = element("th", t(text));
    head.scope = "row";
    head.append(element("small", ` ${unit}`));
    row.dataset.key = key;
    const inputs = values.map((value, i) => {
      const input = Object.assign(element("input"), { type: "number", step, value });
      input.setAttribute("aria-label", `${t(text)} ${i + 1}, ${unit}`);
      input.addEventListener("input", () => {
        const now = inputs.map((one) => +one.value), own = now.length === 1 ? now[0] : now;
        change(key, same(now, usual) && inside(key) === null ? null : own);
        row.classList.toggle("own", !same(now, usual));
      });
      return input;
    });
    cells.append(...inputs);
    const wrong = element("small", "", "wrong");
    wrong.id = `wrong-${key}`;
    cells.append(wrong);
    row.classList.toggle("own", !same(values, usual));
    row.append(head, cells, element("td", usual.join(" – "), "usual"));
    body.append(row);
  }
  const head = element("thead"), names = element("tr");
  names.append(...[t("Quantity"), t("Your target"), t("Usual")].map((text) => Object.assign(element("th", text), { scope: "col" })));
  head.append(names);
  table.append(head, body);
  const reset = Object.assign(element("button", t("Back to the usual ones")), { type: "button" });
  reset.addEventListener("click", () => {
    for (const [name] of TARGETS) change(`control.stages.${stage}.${name}`, null);
    redraw();
  });
  return [table, reset];
}

// -- the plants ---------------------------------------------------------------------------------------------------------

export function plantRows(redraw) {
  const rows = (valueOf("tent.plants") || []).map((one) => ({ ...one }));
  const store = () => change("tent.plants", rows);
  const made = rows.map((plant, i) => {
    const row = element("div", undefined, "row plant-row"), part = (name, text, control) => {
      control.addEventListener("input", () => { plant[name] = control.type === "number" || name === "probe" ? +control.value : control.value; store(); });
      return field(`tent.plants.${i}.${name}`, text, control);
    };
    const probe = element("select");
    probe.append(...[[1, "P1"], [2, "P2"], [0, t("none")]].map(([value, text]) => Object.assign(element("option", text), { value })));
    probe.value = plant.probe;
    const remove = Object.assign(element("button", t("Remove")), { type: "button" });
    remove.setAttribute("aria-label", t("Remove {name}", { name: plant.name || String(i + 1) }));
    remove.addEventListener("click", () => { rows.splice(i, 1); store(); redraw(); });
    row.append(part("name", t("Name"), Object.assign(element("input"), { value: plant.name, maxLength: 40, required: true })),
      part("variety", t("Variety"), Object.assign(element("input"), { value: plant.variety, maxLength: 60 })),
      part("pot_l", t("Pot, litres"), Object.assign(element("input"), { type: "number", min: 0.5, max: 50, step: 0.5, value: plant.pot_l })),
      part("probe", t("Soil probe"), probe), remove);
    return row;
  });
  const add = Object.assign(element("button", t("Add a plant")), { type: "button", hidden: rows.length >= 4 });
  add.addEventListener("click", () => {
    const free = [1, 2].find((id) => !rows.some((row) => row.probe === id)) || 0;
    rows.push({ name: t("Plant {n}", { n: rows.length + 1 }), variety: "", pot_l: 11, probe: free });
    store();
    redraw();
  });
  return [...made, add];
}
