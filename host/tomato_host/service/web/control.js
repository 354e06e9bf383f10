// Requests of the operator: stop, water, overrides, calibration, faults. Every one is confirmed, signed and has a reason.
import { $, DEVICES, element, fill, label, post, state } from "/static/base.js";
import { shows } from "/static/page_parts.js";
import { hostText, number, preferences, quantity, t } from "/static/text.js";
import { askForSignIn, loadSession } from "/static/sign_in.js";

function fields() {
  const what = $("what").value, water = what === "water", mode = what === "mode";
  $("l-ml").hidden = !water;
  $("l-state").hidden = $("l-minutes").hidden = water || mode;
  $("l-mode").hidden = $("l-hours").hidden = !mode;
  if ($("state").value === "OFF") $("l-minutes").hidden = true;
  if (mode && $("mode").value === "NORMAL") $("l-hours").hidden = true;
}

function override() {
  const what = $("what").value, reason = $("why").value.trim();
  if (what === "water") return ["/api/water", { ml: +$("ml").value, reason }, t("Give {amount} of water now?", { amount: quantity(+$("ml").value, "ml", 0) })];
  if (what === "mode") return ["/api/mode", { mode: $("mode").value, hours: +$("hours").value, reason }, t("Set the mode to {mode}?", { mode: $("mode").value })];
  const on = $("state").value === "ON";
  return ["/api/switch", { output: what, state: $("state").value, ...(on ? { seconds: 60 * +$("minutes").value } : {}), reason },
    on ? t("Switch {what} on for {n} minutes?", { what: label(what), n: $("minutes").value }) : t("Switch {what} off?", { what: label(what) })];
}

// The outputs that may be switched, between watering and the mode.
function showSwitches() {
  if ($("what").options.length > 2) return;
  const rows = DEVICES.outputs.filter((row) => row.switchable);
  $("what").lastElementChild.before(...rows.map((row) => Object.assign(element("option", label(row.name)), { value: row.name })));
}

export function confirmed(text, strong) {
  $("confirm-text").textContent = text;
  $("confirm-yes").className = strong ? "danger" : "strong";
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

function say(out, text, style = "") {
  out.textContent = text;
  out.className = `reply ${style}`;
}

// Send a request, show the answer, and return it when the request was carried out.
async function submit(path, body, question, out, strong = false) {
  if (!body.reason) { $("why").reportValidity(); return null; }
  if (!await confirmed(question, strong)) return null;
  if (!await askForSignIn()) { say(out, t("Not sent: nobody is signed in on this device.")); return null; }
  say(out, t("sending ..."));
  const answer = await post(path, body).catch(() => null);
  if (!answer) { say(out, t("The dashboard does not answer."), "bad"); return null; }
  const reply = await answer.json().catch(() => ({}));
  if (answer.status === 401) loadSession();
  say(out, answer.ok ? hostText(reply.text) : refusal(answer.status, reply), answer.ok ? "well" : "bad");
  return answer.ok ? reply : null;
}

function refusal(status, reply) {
  const wrong = Array.isArray(reply.detail) ? reply.detail.map((d) => `${d.loc.slice(1).join(".")}: ${d.msg}`).join("; ") : hostText(reply.detail);
  return `${status === 409 ? t("Not done") : t("Refused")}: ${wrong || status}${reply.next ? " " + t("Next: {step}", { step: hostText(reply.next) }) : ""}`;
}

async function sendOverride(event) {
  event.preventDefault();
  await submit(...override(), $("reply"));
}

// -- within thumb's reach on every page ------------------------------------------------------------------------------

export function openWater() {
  const shown = preferences.volume === "oz";
  $("quick-ml").value = shown ? 3 : 100;
  $("quick-unit").textContent = shown ? t("Amount, fl oz") : t("Amount, ml");
  $("quick-ml").min = shown ? 0.5 : 5;
  $("quick-ml").max = shown ? 30 : 1000;
  $("quick-ml").step = shown ? 0.5 : 5;
  $("water-dialog").showModal();
}

async function waterNow(event) {
  event.preventDefault();
  $("water-dialog").close();
  const typed = +$("quick-ml").value, ml = preferences.volume === "oz" ? Math.round(typed * 29.5735) : typed;
  await submit("/api/water", { ml, reason: $("quick-why").value.trim() || "by hand" }, t("Give {amount} of water now?", { amount: quantity(ml, "ml", 0) }), $("toast"));
}

export const stopNow = () => submit("/api/stop", { hours: 1, reason: "emergency stop on the dashboard" },
  t("Switch everything off now? The controller pauses for one hour; the board's own protection stays."), $("toast"), true);

const LOOKED = "looked at, on the dashboard";
export const acknowledge = () => submit(`/api/acknowledge?reason=${encodeURIComponent(LOOKED)}`, { reason: LOOKED },
  t("Is the cause dealt with? The tent then goes back to normal after a calm while."), $("toast"));

// -- calibration: two points of a probe, a pump and a jug, a latched fault -------------------------------------------

// translated: "dry" "wet"
const reason = () => $("why").value.trim();

async function readPoint(point) {
  const probe = +$("probe").value;
  const reply = await submit("/api/calibrate/probe", { probe, reason: reason() },
    t("Read probe {probe} now? Is it in the {point} substrate? It takes about ten seconds.", { probe, point: t(point) }), $("soil-reply"));
  if (reply) $(`${point}-raw`).value = reply.raw;
}

async function saveSoil(event) {
  event.preventDefault();
  const body = { probe: +$("probe").value, dry_raw: +$("dry-raw").value, wet_raw: +$("wet-raw").value,
    dry_pct: +$("dry-pct").value, wet_pct: +$("wet-pct").value, reason: reason() };
  await submit("/api/calibrate/soil", body, t("Save on the board: probe {probe} shows {dry_raw} at {dry_pct} % and {wet_raw} at {wet_pct} %?", body), $("soil-reply"));
}

async function runJug() {
  const ml = +$("jug-dose").value;
  const reply = await submit("/api/calibrate/dose", { ml, reason: reason() },
    t("Run the pump for about {ml} ml? Is the hose in the measuring jug?", { ml }), $("pump-reply"));
  if (reply && reply.seconds) $("jug-seconds").value = reply.seconds.toFixed(2);
}

async function savePump(event) {
  event.preventDefault();
  const body = { seconds: +$("jug-seconds").value, ml: +$("jug-ml").value, reason: reason() };
  await submit("/api/calibrate/pump", body,
    t("Save on the board: {ml} ml in {seconds} s, that is {rate} ml/s?", { ...body, rate: number(body.ml / body.seconds, 1) }), $("pump-reply"));
}

async function clearFault(event) {
  event.preventDefault();
  const fault = $("fault").value;
  await submit("/api/clear-fault", { fault, reason: reason() }, t("Clear {fault}? Has its cause been removed?", { fault: t(fault.replaceAll("_", " ")) }), $("fault-reply"));
}

function showFaults(glance) {
  const names = (glance.devices ? glance.devices.faults : []).map((f) => f.name);
  if (names.join() === [...$("fault").options].map((o) => o.value).join()) return;
  fill($("fault"), names.map((name) => Object.assign(element("option", t(name.replaceAll("_", " "))), { value: name })));
  $("faults-form").hidden = !names.length;
  $("no-faults").hidden = names.length > 0;
}

for (const id of ["what", "state", "mode"]) $(id).addEventListener("change", fields);
$("override").addEventListener("submit", sendOverride);
$("soil-form").addEventListener("submit", saveSoil);
$("pump-form").addEventListener("submit", savePump);
$("faults-form").addEventListener("submit", clearFault);
for (const point of ["dry", "wet"]) $(`read-${point}`).addEventListener("click", () => readPoint(point));
$("run-jug").addEventListener("click", runJug);
$("water-form").addEventListener("submit", waterNow);
$("water-cancel").addEventListener("click", () => $("water-dialog").close());
fields();
shows("control", showSwitches, "devices");
shows("control", showFaults, "devices");
