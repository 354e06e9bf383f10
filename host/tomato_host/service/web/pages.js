// The pages: the address' hash names the one that is open; the scripts of a page come when it is opened first.
import { state } from "/static/base.js";
import { drawChanged, redraw } from "/static/page_parts.js";

const charts = async () => (await import("/static/charts.js")).ready();
const SCRIPTS = {
  overview: [],
  plan: [() => import("/static/plan.js"), charts],
  history: [charts],
  journal: [() => import("/static/journal.js"), () => import("/static/journal_entries.js")],
  control: [() => import("/static/control.js"), () => import("/static/demo.js")],
  setup: [() => import("/static/setup.js"), () => import("/static/pwa.js"), () => import("/static/preferences.js")],
};

export function openPage() {
  const wanted = location.hash.slice(1).split(":")[0];
  state.page = wanted in SCRIPTS ? wanted : state.glance?.installation.first_run ? "setup" : "overview";
  for (const one of document.querySelectorAll("[data-page]")) one.hidden = one.dataset.page !== state.page;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${state.page}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  redraw("all");
}

// The scripts of the page that is open; they draw their parts when they are there.
export async function loadPage() {
  const page = state.page;
  if (!SCRIPTS[page].length) return;
  await Promise.all(SCRIPTS[page].map((load) => load()));
  if (page !== state.page) return;
  redraw("all");
  await drawChanged();
}

// Once the first page stands and the browser has nothing to do, the other ones come too: they then open at once.
export function loadTheRest() {
  const idle = window.requestIdleCallback || ((done) => setTimeout(done, 200));
  const all = Object.values(SCRIPTS).flat();
  const next = () => { const load = all.shift(); if (load) load().catch(() => { /* tried again when the page is opened */ }).finally(() => idle(next)); };
  setTimeout(() => idle(next), 2000);
}

