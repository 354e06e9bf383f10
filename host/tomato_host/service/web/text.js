// Words and units. The key of a text is the English text itself; a catalogue in messages/ has it in another language:
// `texts` those of the pages and fixed ones of the host, `patterns` sentences of the host with {names} for what varies.

export const LANGUAGES = { en: "English", de: "Deutsch" };
const stored = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
export const preferences = {
  language: stored("language") || (LANGUAGES[navigator.language.slice(0, 2)] ? navigator.language.slice(0, 2) : "en"),
  temperature: stored("temperature") || "C",
  volume: stored("volume") || "ml",
  clock: stored("clock") || "24",
};

export function prefer(name, value) {
  preferences[name] = value;
  try { localStorage.setItem(name, value); } catch { /* a private window forgets it: that is its purpose */ }
}

// An output's or a sensor's name to what a person reads; filled from the host's registry.
export const LABELS = {};

const ENGLISH = {};
let catalogue = ENGLISH;
let patterns = [];

export async function loadCatalogue() {
  document.documentElement.lang = preferences.language;
  if (preferences.language === "en") return;
  const answer = await fetch(`/static/messages/${preferences.language}.json`).catch(() => null);
  if (!answer || !answer.ok) return;
  const found = await answer.json();
  const isFixed = ([key]) => !key.includes("{"), sentences = Object.entries(found.patterns);
  catalogue = { ...found.texts, ...Object.fromEntries(sentences.filter(isFixed)) };
  const escaped = (text) => text.replace(/[.*+?^$()|[\]\\]/g, "\\$&");
  patterns = sentences.filter((one) => !isFixed(one)).map(([key, translated]) => [new RegExp(`^${escaped(key).replace(/\{(\w+)\}/g, "(?<$1>.+?)")}$`), translated]);
}

const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

export const t = (text, values = {}) => filled(catalogue[text] || text, values);

// A text of the host: as a whole, by pattern (its parts again), sentence by sentence, or as it came.
export const hostText = (text) => text && (catalogue === ENGLISH ? text : translated(text)).replaceAll(" degC", " °C").replace(UNIT, "$1\u00a0");

// A number and its unit stay on one line of a narrow page.
const UNIT = /(\d) (?=(?:ml|l|°C|°F|K|kPa|%|ppm|lx|W|kWh|min|s|h|g)(?!\w))/g;

const POINT = /\.(?=\d)/g, FIGURES = /^[+-]?\d+\.\d+( ?[-–] ?\d+\.\d+)?$/;

function translated(text) {
  if (FIGURES.test(text)) return text.replace(POINT, (1.1).toLocaleString(preferences.language)[1]);
  const plain = text.replaceAll("_", " "), words = /^[A-Z0-9 ]+$/.test(plain) ? plain.toLowerCase() : plain;
  const known = catalogue[text] || catalogue[LABELS[text]] || catalogue[words];
  if (known) return known;
  const sentences = text.split(/\.\s+(?=[A-Z])/).map((one, i, all) => i < all.length - 1 ? `${one}.` : one);
  if (sentences.length > 1) return sentences.map(translated).join(" ");
  if (text.includes("; ")) return text.split("; ").map(translated).join("; ");
  for (const [pattern, sentence] of patterns) {
    const found = pattern.exec(text);
    if (found) return filled(sentence, Object.fromEntries(Object.entries(found.groups || {}).map(([k, v]) => [k, v && (k === "terms" ? v.split(", ").map(translated).join(", ") : translated(v))])));
  }
  return text.endsWith(".") ? `${translated(text.slice(0, -1))}.` : text;
}

// Every element marked data-t holds its English text in the page; attributes are named in data-t-attributes.
export function translatePage() {
  if (preferences.language === "en") return;
  for (const one of document.querySelectorAll("[data-t]")) one.textContent = t(one.textContent.trim());
  for (const one of document.querySelectorAll("[data-t-attributes]")) {
    for (const name of one.dataset.tAttributes.split(" ")) one.setAttribute(name, t(one.getAttribute(name)));
  }
}

// -- numbers and times as this person reads them -------------------------------------------------------------------

const clock = () => ({ hour: "2-digit", minute: "2-digit", hourCycle: preferences.clock === "12" ? "h12" : "h23" });
const locale = () => preferences.language;
export const time = (ts) => ts ? new Date(ts).toLocaleTimeString(locale(), { ...clock(), second: "2-digit" }) : "-";
export const shortTime = (ts) => ts ? new Date(ts).toLocaleTimeString(locale(), clock()) : "-";
export const day = (ts) => new Date(ts).toLocaleString(locale(), { weekday: "short", ...clock() });
export const date = (ts) => new Date(ts).toLocaleDateString(locale(), { weekday: "short", day: "numeric", month: "short" });
export const fullDate = (ts) => new Date(ts).toLocaleString(locale(), { dateStyle: "full", timeStyle: "short", hourCycle: clock().hourCycle });

export const number = (value, digits) => value === null || value === undefined ? "–"
  : value.toLocaleString(locale(), { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });

// Recorded unit -> [shown unit, factor, offset]: the records stay in degC and ml whatever a person reads.
export function unitOf(unit) {
  if (unit === "°C" && preferences.temperature === "F") return ["°F", 1.8, 32];
  if (unit === "K" && preferences.temperature === "F") return ["°F", 1.8, 0];
  if (unit === "ml" && preferences.volume === "oz") return ["fl oz", 1 / 29.5735, 0];
  return [unit, 1, 0];
}

export const shownValue = (value, unit) => {
  const [, factor, offset] = unitOf(unit);
  return value === null || value === undefined ? null : value * factor + offset;
};

export function quantity(value, unit, digits) {
  const [shown] = unitOf(unit);
  return `${number(shownValue(value, unit), shown === "fl oz" ? 1 : digits)}\u00a0${shown}`.trim();
}

export function ago(seconds) {
  if (seconds < 90) return t("{n} s ago", { n: Math.round(seconds) });
  if (seconds < 5400) return t("{n} min ago", { n: Math.round(seconds / 60) });
  return t("{n} h ago", { n: Math.round(seconds / 3600) });
}
