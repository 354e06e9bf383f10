// What a reload without a network shows: the last values of this page, with their time. Nothing of it counts as present.
import { DEVICES, state } from "/static/base.js";

const KEPT = "glance", KEEP_MS = 20000;
let keptAt = 0;

export function keepGlance() {
  if (!state.glance?.observation || Date.now() - keptAt < KEEP_MS) return;
  keptAt = Date.now();
  const { events, actions, ...glance } = state.glance;
  const small = { ...glance, events: events.slice(-40), actions: actions.slice(-40) };
  try { localStorage.setItem(KEPT, JSON.stringify({ at: keptAt, devices: DEVICES, glance: small })); } catch { /* full or private */ }
}

export function recallGlance() {
  try { return JSON.parse(localStorage.getItem(KEPT) || "null"); } catch { return null; }
}

export const forgetGlance = () => { try { localStorage.removeItem(KEPT); } catch { /* there is none */ } };
