// What each page shows and needs. What has changed is drawn with the browser's next frame, once however many messages
// came, and only on the page that is open. It is drawn in slices, and between two of them the browser handles input.
import { state } from "/static/base.js";

const REFRESH_MS = 15000;
const SLICE_MS = 6;
const parts = {}, loads = {}, loadedAt = {}, changed = new Set();
let waiting = false, drawing = null;

// `draw(glance)` belongs to a page, or to `every` one; `names` are those of the shared state that it shows.
export function shows(page, draw, ...names) { (parts[page] ||= []).push([draw, names]); }

// `load()` reads from the records what a page shows of the past.
export function needs(page, load) { loads[page] = load; }

export function redraw(...names) {
  for (const name of names) changed.add(name);
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(drawChanged);
}

// Resolves when all that had changed when it was called is on the page.
export function drawChanged() {
  waiting = false;
  const round = drawing ? drawing.then(drawSlices) : drawSlices();
  drawing = round;
  return round.finally(() => { if (drawing === round) drawing = null; });
}

async function drawSlices() {
  if (!state.glance) return; // whoever brings it has all of it drawn
  const now = new Set(changed);
  changed.clear();
  let started = performance.now();
  for (const [draw, names] of [...parts[state.page] || [], ...parts.every || []]) {
    if (!now.has("all") && !names.some((name) => now.has(name))) continue;
    if (performance.now() - started > SLICE_MS) { await nextTask(); started = performance.now(); }
    try { draw(state.glance); } catch (error) { reportError(error); } // the other parts are drawn all the same
  }
}

export const nextTask = () => new Promise((resolve) => setTimeout(resolve));

// Read the past anew for the page that is open; `isUrgent`: also if that was done a moment ago.
export async function refresh(isUrgent = false) {
  const page = state.page;
  if (!loads[page] || (!isUrgent && Date.now() - (loadedAt[page] ?? -Infinity) < REFRESH_MS)) return;
  loadedAt[page] = Date.now();
  await loads[page]();
}
