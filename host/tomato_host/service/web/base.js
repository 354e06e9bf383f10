// What every page needs: elements, the shared state, requests to the host.
import { t, hostText, LABELS } from "/static/text.js";

export { LABELS };

export const $ = (id) => document.getElementById(id);

// `glance` is the host's overview, `history` the columns on screen, `charts` the uPlot instances by element id.
export const state = {
  glance: null, span: "24h", range: null, quantity: "vpd_kpa", shown: "summary", charts: {}, history: null, day: null, days: [],
  past: null, journal: null, skips: [], session: { name: null, role: null, csrf: null }, page: "overview",
};

// Outputs and sensors as the host's registry has them (/api/devices).
export const DEVICES = { outputs: [], sensors: [] };
export const label = (name) => t(LABELS[name] || name);
export const named = (text) => hostText(text.replace(/^(\w+):/, (_, name) => `${label(name)}:`));
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function element(tag, text, className) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

export function svg(tag, attributes = {}, children = []) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export function fill(parent, children) { parent.replaceChildren(...children); }

// Buttons of which one is pressed: `data-NAME` holds its value.
export function choice(name, chosen) {
  const buttons = [...document.querySelectorAll(`[data-${name}]`)];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      chosen(button.dataset[name]);
    });
  }
}

export async function fetchJson(path) {
  const answer = await fetch(path).catch(() => null);
  return answer && answer.ok ? answer.json() : null;
}

// A change: the session's cookie goes along by itself, its CSRF value in a header.
export function post(path, body, method = "POST") {
  const headers = { "Content-Type": "application/json", "X-Tomato-CSRF": state.session.csrf || "" };
  return fetch(path, { method, headers, body: method === "POST" ? JSON.stringify(body) : undefined });
}

export async function download(path, name) {
  const answer = await fetch(path);
  if (answer.ok) save(await answer.blob(), name);
}

export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
