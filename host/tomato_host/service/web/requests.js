"use strict";
// Requests of the operator: overrides, calibration, faults. Every request is confirmed, carries a token and a reason.

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
  if (what === "water") return ["/api/water", { ml: +$("ml").value, reason }, `Give ${$("ml").value} ml of water now?`];
  if (what === "mode") return ["/api/mode", { mode: $("mode").value, hours: +$("hours").value, reason }, `Set the mode to ${$("mode").value}?`];
  const on = $("state").value === "ON";
  return ["/api/switch", { output: what, state: $("state").value, ...(on ? { seconds: 60 * +$("minutes").value } : {}), reason },
    `Switch ${label(what)} ${on ? "on for " + $("minutes").value + " minutes" : "off"}?`];
}

// The outputs that may be switched, between watering and the mode.
function showSwitches() {
  const rows = DEVICES.outputs.filter((row) => row.switchable);
  $("what").lastElementChild.before(...rows.map((row) => Object.assign(element("option", row.label), { value: row.name })));
}

function confirmed(text) {
  $("confirm-text").textContent = text;
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

function identified() {
  return ["why", "token"].every((id) => $(id).reportValidity());
}

// Send a request, show the answer, and return it when the request was carried out.
async function submit(path, body, question, out) {
  if (!identified() || !await confirmed(question)) return null;
  sessionStorage.setItem("token", $("token").value);
  out.textContent = "sending ...";
  const answer = await fetch(path, auth({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } })).catch(() => null);
  if (!answer) { out.textContent = "The dashboard does not answer."; return null; }
  const reply = await answer.json().catch(() => ({}));
  out.textContent = answer.ok ? reply.text : refusal(answer.status, reply);
  return answer.ok ? reply : null;
}

function refusal(status, reply) {
  const wrong = Array.isArray(reply.detail) ? reply.detail.map((d) => `${d.loc.slice(1).join(".")}: ${d.msg}`).join("; ") : reply.detail;
  return `${status === 409 ? "Not done" : "Refused"}: ${wrong || status}${reply.next ? " Next: " + reply.next : ""}`;
}

async function sendOverride(event) {
  event.preventDefault();
  await submit(...override(), $("reply"));
}

// -- calibration: two points of a probe, a pump and a jug, a latched fault --------------------------------------

const reason = () => $("why").value.trim();

async function readPoint(point) {
  const probe = +$("probe").value;
  const reply = await submit("/api/calibrate/probe", { probe, reason: reason() },
    `Read probe ${probe} now? Is it in the ${point} substrate? It takes about ten seconds.`, $("soil-reply"));
  if (reply) $(`${point}-raw`).value = reply.raw;
}

async function saveSoil(event) {
  event.preventDefault();
  const body = { probe: +$("probe").value, dry_raw: +$("dry-raw").value, wet_raw: +$("wet-raw").value,
    dry_pct: +$("dry-pct").value, wet_pct: +$("wet-pct").value, reason: reason() };
  await submit("/api/calibrate/soil", body,
    `Save on the board: probe ${body.probe} shows ${body.dry_raw} at ${body.dry_pct} % and ${body.wet_raw} at ${body.wet_pct} %?`, $("soil-reply"));
}

async function runJug() {
  const ml = +$("jug-dose").value;
  const reply = await submit("/api/calibrate/dose", { ml, reason: reason() },
    `Run the pump for about ${ml} ml? Is the hose in the measuring jug?`, $("pump-reply"));
  if (reply && reply.seconds) $("jug-seconds").value = reply.seconds.toFixed(2);
}

async function savePump(event) {
  event.preventDefault();
  const body = { seconds: +$("jug-seconds").value, ml: +$("jug-ml").value, reason: reason() };
  await submit("/api/calibrate/pump", body,
    `Save on the board: ${body.ml} ml in ${body.seconds} s, that is ${number(body.ml / body.seconds, 1)} ml/s?`, $("pump-reply"));
}

async function clearFault(event) {
  event.preventDefault();
  const fault = $("fault").value;
  await submit("/api/clear-fault", { fault, reason: reason() }, `Clear ${fault.replaceAll("_", " ")}? Has its cause been removed?`, $("fault-reply"));
}

function showFaults(faults) {
  const names = faults.map((f) => f.name);
  if (names.join() === [...$("fault").options].map((o) => o.value).join()) return;
  fill($("fault"), names.map((name) => Object.assign(element("option", name.replaceAll("_", " ")), { value: name })));
  $("faults-form").hidden = !names.length;
  $("no-faults").hidden = names.length > 0;
}

function startForms() {
  for (const id of ["what", "state", "mode"]) $(id).addEventListener("change", fields);
  $("override").addEventListener("submit", sendOverride);
  $("soil-form").addEventListener("submit", saveSoil);
  $("pump-form").addEventListener("submit", savePump);
  $("faults-form").addEventListener("submit", clearFault);
  for (const point of ["dry", "wet"]) $(`read-${point}`).addEventListener("click", () => readPoint(point));
  $("run-jug").addEventListener("click", runJug);
  $("token").value = sessionStorage.getItem("token") || "";
  fields();
}
