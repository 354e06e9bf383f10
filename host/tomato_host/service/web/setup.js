// Set-up without an editor: steps with fields, a check by the host's own loader at each, the difference before saving.
import { $, element, fetchJson, fill, label, post, state } from "/static/base.js";
import { shows } from "/static/page_parts.js";
import { hostText, number, quantity, t } from "/static/text.js";
import { askForSignIn, loadSession } from "/static/sign_in.js";
import { change, clockField, clockOf, field, numberField, plantRows, selectField, setup, target, targetsTable, textField, valueOf } from "/static/setup_fields.js";

let step = 0, stageShown = "", ports = [], isLoading = false;

const reply = (text, style = "") => { $("wizard-reply").textContent = text; $("wizard-reply").className = `reply ${style}`; };
const button = (text, pressed, style = "") => {
  const made = Object.assign(element("button", text, style), { type: "button" });
  made.addEventListener("click", pressed);
  return made;
};

// translated: "seedling" "vegetative" "flowering" "fruiting"
const STAGES = ["seedling", "vegetative", "flowering", "fruiting"];
const stages = () => STAGES.map((name) => [name, t(name)]);

// -- the steps: each builds its fields anew ------------------------------------------------------------------------------

function boardStep() {
  if (setup.found.board_given) return [element("p", t("The command line names the board; leave --board out to choose it here.")), ...boardNow()];
  const choices = [["sim", t("Virtual tent: try it without hardware")], ...ports.map((one) => [one.port, `${one.name} (${one.port})`])];
  const now = valueOf("board.url");
  if (!choices.some(([value]) => value === now)) choices.push([now, now]);
  const chosen = selectField("board.url", t("Board"), choices, { changed: draw, wide: true });
  const look = button(t("Look for boards"), async () => { ports = await fetchJson("/api/setup/ports") || []; draw(); reply(ports.length ? "" : t("No board is connected by USB.")); });
  const parts = [chosen, look];
  if (setup.found.first_run && valueOf("board.url") !== "sim") parts.push(button(t("What runs on it?"), () => askBoard(false)), button(t("Put the firmware on it"), () => askBoard(true)));
  return [...parts, ...boardNow()];
}

function boardNow() {
  const { status } = state.glance;
  if (setup.found.first_run || !status.firmware) return [];
  return [element("p", t("Running now: {firmware} on {port}.", { firmware: status.firmware, port: status.port }), "dim wide-field")];
}

async function askBoard(flash) {
  reply(flash ? t("Flashing: do not pull the cable; this takes up to two minutes.") : t("asking ..."));
  const answer = await post("/api/setup/board", { port: valueOf("board.url"), flash }).catch(() => null);
  const told = answer ? await answer.json().catch(() => ({})) : {};
  if (!answer || !answer.ok) { reply(hostText(told.detail || t("The dashboard does not answer.")), "bad"); return; }
  const fits = told.schema_hash === told.host_schema_hash;
  reply(fits ? t("Firmware {version} answers and fits this version.", { version: told.firmware }) : t("Firmware {version} answers and is of another version: put this one on it.", { version: told.firmware }), fits ? "well" : "bad");
}

function placeStep() {
  const zones = Intl.supportedValuesOf ? Intl.supportedValuesOf("timeZone") : [];
  if (!$("zones")) document.body.append(Object.assign(element("datalist"), { id: "zones" }));
  fill($("zones"), zones.map((value) => Object.assign(element("option"), { value })));
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = textField("site.timezone", t("Time zone"), { list: "zones" });
  return [zone, button(t("Use {zone}", { zone: here }), () => { change("site.timezone", here); draw(); }),
    numberField("site.latitude_deg", t("Latitude, north positive"), { min: -90, max: 90, step: "any" }),
    numberField("site.longitude_deg", t("Longitude, east positive"), { min: -180, max: 180, step: "any" }),
    selectField("weather.provider", t("Weather forecast"), [["geosphere", "GeoSphere Austria"], ["open_meteo", "Open-Meteo"], ["none", t("none")]]),
    element("p", t("For the sun and the weather outside; it is never published."), "dim wide-field")];
}

function tentStep() {
  return [textField("tent.name", t("Name of the tent"), { longest: 40 }), numberField("tent.width_cm", t("Width, cm"), { min: 30, max: 600 }),
    numberField("tent.depth_cm", t("Depth, cm"), { min: 30, max: 600 }), numberField("tent.height_cm", t("Height, cm"), { min: 60, max: 400 }),
    ...plantRows(draw)];
}

function stageStep() {
  const stage = valueOf("control.stage");
  const light = () => {
    const start = valueOf("control.light_start_local_h"), hours = target(stage, "photoperiod_h")[0];
    $("light-hours").textContent = t("Lamp from {start} to {end}.", { start: clockOf(start), end: clockOf(start + hours) });
  };
  const hours = numberField(`control.stages.${stage}.photoperiod_h`, t("Light a day, hours"), { min: 4, max: 18, step: 0.5, changed: light });
  hours.querySelector("input").placeholder = target(stage, "photoperiod_h")[0];
  const shown = element("p", "", "dim wide-field");
  shown.id = "light-hours";
  setTimeout(light);
  return [selectField("control.stage", t("Growth stage"), stages(), { changed: draw }), textField("control.stage_since", t("Since"), { type: "date" }),
    clockField("control.light_start_local_h", t("Lights on at"), light), hours, shown];
}

function targetsStep() {
  stageShown ||= valueOf("control.stage");
  const tabs = element("div", undefined, "chips wide-field");
  tabs.append(...stages().map(([name, text]) => {
    const one = button(text, () => { stageShown = name; draw(); });
    one.setAttribute("aria-pressed", String(name === stageShown));
    return one;
  }));
  const [table, reset] = targetsTable(stageShown, draw), box = element("div", undefined, "wide-field");
  box.append(table, reset);
  return [tabs, box];
}

function messagesStep() {
  const on = Object.assign(element("select"), {});
  on.append(...[["true", t("on")], ["false", t("off")]].map(([value, text]) => Object.assign(element("option", text), { value })));
  on.value = String(Boolean(valueOf("notify.enabled")));
  on.addEventListener("change", () => { change("notify.enabled", on.value === "true"); change("notify.push", on.value === "true"); });
  const box = element("div", undefined, "row wide-field");
  box.append(button(t("Send a test message"), testMessage));
  return [field("notify.enabled", t("Messages about alarms"), on), textField("notify.quiet_from", t("Quiet from"), { type: "time" }),
    textField("notify.quiet_to", t("Quiet to"), { type: "time" }), box,
    element("p", t("Alarms that can harm a plant within a day are sent in quiet hours, too."), "dim wide-field")];
}

async function testMessage() {
  reply(t("sending ..."));
  const answer = await post("/api/setup/notify-test", {}).catch(() => null), told = answer ? await answer.json().catch(() => ({})) : {};
  if (!answer?.ok) {
    const hint = String(told.detail).startsWith("E-NOTIFY-NO-URL") ? ` ${t("Or let this device get them: Alarms on this device, below.")}` : "";
    reply(hostText(told.detail || t("The dashboard does not answer.")) + hint, "bad");
    return;
  }
  const lines = told.lines || [];
  if (!lines.length) { reply(t("Nobody to send it to: no address is set and no device has subscribed."), "bad"); return; }
  reply(lines.map((one) => `${one.service}: ${one.ok ? t("sent") : t("failed")}`).join("; "), lines.every((one) => one.ok) ? "well" : "bad");
}

function saveStep() {
  const diff = element("pre", t("checking ..."), "diff wide-field");
  diff.tabIndex = 0;
  diff.setAttribute("role", "region");
  diff.setAttribute("aria-label", t("What changes in the file"));
  check().then((told) => {
    if (!told?.ok) return;
    diff.textContent = told.diff || t("Nothing changes.");
    isSame = !told.diff && !setup.found.first_run;
    if (isSame) save.textContent = t("Restart the host");
  });
  const where = element("p", t("Written to {path}; what was there before stays beside it.", { path: setup.found.path }), "dim wide-field");
  const parts = [diff, where];
  if (!setup.found.writable) parts.push(element("p", t("The host may not write this file: start it as a user that may, or without --config."), "reply bad wide-field"));
  let isSame = false;
  const save = button(setup.found.first_run ? t("Save and start") : t("Save and restart"), () => isSame ? restartHost(false) : saveAll(true), "strong");
  parts.push(save);
  if (!setup.found.first_run) parts.push(button(t("Save, restart later"), () => saveAll(false)));
  return parts;
}

function calibrateStep() {
  const seen = state.glance.observation, rows = element("dl", undefined, "facts wide-field");
  rows.id = "calibration-live";
  const link = Object.assign(element("a", t("Calibrate probes and pump"), "button"), { href: "#control" });
  setTimeout(showLive);
  return [element("p", seen ? t("The board answers. Live values:") : t("Live values come when the board answers."), "wide-field"), rows, link,
    element("p", t("Two points for each probe, in your own substrate; one dose of the pump into a measuring jug. Until then the values are rough."), "dim wide-field")];
}

function showLive() {
  const box = $("calibration-live"), seen = state.glance?.observation;
  if (!box || !seen) return;
  const names = Object.fromEntries((state.glance.installation.tent.plants || []).filter((p) => p.probe).map((p) => [`P${p.probe}`, p.name]));
  const rows = seen.soil.map((probe) => [t("Soil {id}", { id: probe.id }) + (names[probe.id] ? ` (${names[probe.id]})` : ""), probe.moisture_pct === null ? t("no reading") : `${number(probe.moisture_pct, 1)} %`]);
  rows.push([t("water today"), quantity(state.glance.live.water_ml_used_today, "ml", 0)], [label("air"), quantity(seen.air_temp_c, "°C", 1)]);
  fill(box, rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

// translated: "Board" "Place" "Tent and plants" "Stage and light" "Targets" "Messages" "Save" "Calibrate" "air"
const STEPS = [["Board", boardStep], ["Place", placeStep], ["Tent and plants", tentStep], ["Stage and light", stageStep],
  ["Targets", targetsStep], ["Messages", messagesStep], ["Save", saveStep], ["Calibrate", calibrateStep]];

function draw() {
  const last = setup.found.first_run ? STEPS.length - 1 : STEPS.length;
  fill($("steps"), STEPS.slice(0, last).map(([name], i) => {
    const item = element("li"), one = button(`${i + 1} ${t(name)}`, () => go(i));
    if (i === step) one.setAttribute("aria-current", "step");
    item.append(one);
    return item;
  }));
  document.querySelector("#steps [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  $("h-step").textContent = t(STEPS[step][0]);
  fill($("wizard-fields"), STEPS[step][1]().flat());
  $("wizard-back").hidden = step === 0;
  $("wizard-next").hidden = STEPS[step][0] === "Save" || step >= last - 1;
}

async function go(to) {
  if (to > step && Object.keys(setup.draft).length && !(await check())?.ok) return;
  step = Math.max(0, Math.min(to, STEPS.length - 1));
  reply("");
  draw();
  $("h-step").scrollIntoView({ block: "nearest" });
}

// The host's loader judges the draft; what is wrong stands at its field, in the step where that is.
async function check() {
  reply(t("checking ..."));
  const told = await send("/api/setup/check");
  if (told) showProblem(told);
  return told;
}

async function send(path) {
  const answer = await post(path, { changes: setup.draft, sha256: setup.found.sha256 }).catch(() => null);
  if (!answer) { reply(t("The dashboard does not answer."), "bad"); return null; }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) { reply(hostText(typeof told.detail === "string" ? told.detail : String(answer.status)), "bad"); return null; }
  return told;
}

function showProblem(told) {
  for (const one of document.querySelectorAll("#wizard .wrong")) one.textContent = "";
  if (told.ok) { reply(""); return; }
  const what = told.message.replace(`${setup.found.path}: `, "");
  for (const key of told.keys) {
    const place = document.getElementById(`wrong-${key}`) || document.querySelector(`[id^="wrong-${key}."]`);
    if (place) place.textContent = what;
  }
  reply(`${what} ${t("Next: {step}", { step: told.next })}`, "bad");
}

// -- saving, and the way through a restart ------------------------------------------------------------------------------

async function saveAll(restart) {
  const told = await send("/api/setup/save");
  if (!told) return;
  if (!told.ok) { showProblem(told); return; }
  setup.draft = {};
  if (setup.found.first_run) { await comeBack(t("Saved. The host starts ...")); return; }
  setup.found.sha256 = told.sha256;
  if (!restart) { reply(t("Saved. It holds from the next start of the host."), "well"); return; }
  await restartHost(true);
}

// translated: "Saved, and not restarted: {reason}" "Not restarted: {reason}"
async function restartHost(isSaved) {
  const answer = await post("/api/setup/restart", {}).catch(() => null), asked = answer ? await answer.json().catch(() => ({})) : {};
  if (!answer?.ok) { reply(t(isSaved ? "Saved, and not restarted: {reason}" : "Not restarted: {reason}", { reason: hostText(asked.detail || "") }), "bad"); return; }
  await comeBack(isSaved ? t("Saved. The host restarts; the board goes on by itself ...") : t("The host restarts; the board goes on by itself ..."));
}

async function comeBack(text) {
  reply(text);
  const before = state.glance.status.started_at;
  for (let i = 0; i < 240; i++) {
    await new Promise((resolve) => setTimeout(resolve, 500));
    const glance = await fetchJson("/api/glance");
    if (glance && !glance.installation.first_run && glance.status.started_at && glance.status.started_at !== before) {
      try { sessionStorage.setItem("step", "Calibrate"); } catch { /* it begins at the first step */ }
      location.hash = "#setup";
      location.reload();
      return;
    }
  }
  reply(t("The host has not come back. Look at its terminal or log."), "bad");
}

async function showSetup() {
  if (state.page !== "setup") return;
  const isAdmin = state.session.role === "admin";
  $("wizard-sign-in").hidden = isAdmin;
  $("wizard").hidden = !isAdmin;
  if (!isAdmin || setup.found || !state.glance || isLoading) return;
  isLoading = true;
  reply(t("Reading the settings ..."));
  const answer = await fetch("/api/setup").finally(() => { isLoading = false; }), told = await answer.json().catch(() => ({}));
  if (!answer.ok) {
    reply(hostText(told.detail || String(answer.status)), "bad");
    if (answer.status >= 500) setTimeout(showSetup, 3000); // a busy machine did not answer in time
    return;
  }
  setup.found = told;
  reply("");
  if (told.first_run) {
    change("site.timezone", Intl.DateTimeFormat().resolvedOptions().timeZone);
    change("control.stage_since", new Date().toLocaleDateString("sv"));
    change("board.url", "sim");
  }
  let wanted = "";
  try { wanted = sessionStorage.getItem("step") || ""; sessionStorage.removeItem("step"); } catch { /* the first step */ }
  step = Math.max(0, STEPS.findIndex(([name]) => name === wanted));
  draw();
}

$("wizard").addEventListener("submit", (event) => { event.preventDefault(); if (!$("wizard-next").hidden) go(step + 1); });
$("wizard-back").addEventListener("click", () => { step -= 1; reply(""); draw(); });
$("wizard-sign-in-open").addEventListener("click", async () => { await askForSignIn(); await loadSession(); showSetup(); });
addEventListener("session", showSetup);
shows("setup", showSetup, "status");
shows("setup", showLive, "observation", "status");
