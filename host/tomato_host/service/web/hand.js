"use strict";
// What a person may ask for: overrides, calibration, faults. Every request is confirmed, carries a token and a reason.

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
    `Switch ${NAMES[what]} ${on ? "on for " + $("minutes").value + " minutes" : "off"}?`];
}

function confirmed(text) {
  $("confirm-text").textContent = text;
  const dialog = $("confirm");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true }));
}

function who() {
  return ["why", "token"].every((id) => $(id).reportValidity());
}

// Ask, tell the answer in its place, and return what came back when it was a yes.
async function submit(path, body, question, out) {
  if (!who() || !await confirmed(question)) return null;
  sessionStorage.setItem("token", $("token").value);
  out.textContent = "asking ...";
  const answer = await fetch(path, auth({ method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } })).catch(() => null);
  if (!answer) { out.textContent = "The dashboard does not answer."; return null; }
  const told = await answer.json().catch(() => ({}));
  out.textContent = answer.ok ? told.text : refusal(answer.status, told);
  return answer.ok ? told : null;
}

function refusal(status, told) {
  const wrong = Array.isArray(told.detail) ? told.detail.map((d) => `${d.loc.slice(1).join(".")}: ${d.msg}`).join("; ") : told.detail;
  return `${status === 409 ? "Not done" : "Refused"}: ${wrong || status}${told.next ? " Next: " + told.next : ""}`;
}

async function askOverride(event) {
  event.preventDefault();
  await submit(...override(), $("reply"));
}

// -- calibration: two points of a probe, a pump and a jug, a latched fault --------------------------------------

const reason = () => $("why").value.trim();

async function readPoint(point) {
  const probe = +$("probe").value;
  const told = await submit("/api/calibrate/probe", { probe, reason: reason() },
    `Read probe ${probe} now? Is it in the ${point} substrate? It takes about ten seconds.`, $("soil-reply"));
  if (told) $(`${point}-raw`).value = told.raw;
}

async function teachSoil(event) {
  event.preventDefault();
  const body = { probe: +$("probe").value, dry_raw: +$("dry-raw").value, wet_raw: +$("wet-raw").value,
    dry_pct: +$("dry-pct").value, wet_pct: +$("wet-pct").value, reason: reason() };
  await submit("/api/calibrate/soil", body,
    `Teach the board: probe ${body.probe} shows ${body.dry_raw} at ${body.dry_pct} % and ${body.wet_raw} at ${body.wet_pct} %?`, $("soil-reply"));
}

async function runJug() {
  const ml = +$("jug-dose").value;
  const told = await submit("/api/calibrate/dose", { ml, reason: reason() },
    `Run the pump for about ${ml} ml? Is the hose in the measuring jug?`, $("pump-reply"));
  if (told && told.seconds) $("jug-seconds").value = told.seconds.toFixed(2);
}

async function teachPump(event) {
  event.preventDefault();
  const body = { seconds: +$("jug-seconds").value, ml: +$("jug-ml").value, reason: reason() };
  await submit("/api/calibrate/pump", body,
    `Teach the board: ${body.ml} ml in ${body.seconds} s, that is ${number(body.ml / body.seconds, 1)} ml/s?`, $("pump-reply"));
}

async function clearFault(event) {
  event.preventDefault();
  const fault = $("fault").value;
  await submit("/api/clear-fault", { fault, reason: reason() }, `Clear ${fault.replaceAll("_", " ")}? Is its cause really gone?`, $("fault-reply"));
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
  $("override").addEventListener("submit", askOverride);
  $("soil-form").addEventListener("submit", teachSoil);
  $("pump-form").addEventListener("submit", teachPump);
  $("faults-form").addEventListener("submit", clearFault);
  for (const point of ["dry", "wet"]) $(`read-${point}`).addEventListener("click", () => readPoint(point));
  $("run-jug").addEventListener("click", runJug);
  $("token").value = sessionStorage.getItem("token") || "";
  fields();
}
