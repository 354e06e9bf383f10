// The demo's fault menu: offered by a simulated tent alone (the host names it in `installation.demo`).
import { $, element, fetchJson, fill, post, state } from "/static/base.js";
import { shows } from "/static/page_parts.js";
import { hostText, shortTime, t } from "/static/text.js";
import { askForSignIn } from "/static/sign_in.js";

let faults = [];

function say(text, style = "") {
  $("demo-reply").textContent = text;
  $("demo-reply").className = `reply ${style}`;
}

function showMeaning() {
  const found = faults.find((one) => one.name === $("demo-fault").value);
  $("demo-meaning").textContent = found ? hostText(found.meaning) : "";
}

async function loadMenu() {
  const menu = await fetchJson("/api/demo");
  if (!menu) return;
  if (!faults.length) {
    faults = menu.faults;
    fill($("demo-fault"), faults.map(({ name }) => Object.assign(element("option", t(name.replaceAll("_", " "))), { value: name })));
    showMeaning();
  }
  const lasting = Object.entries(menu.active).map(([name, end]) => t("{what} until {time}", { what: t(name.replaceAll("_", " ")), time: shortTime(end) }));
  $("demo-active").textContent = lasting.length ? t("Provoked now: {faults}", { faults: lasting.join(", ") }) : t("Nothing is provoked.");
}

async function ask(path, body, told) {
  if (!await askForSignIn()) { say(t("Not sent: nobody is signed in on this device.")); return; }
  const answer = await post(path, body).catch(() => null);
  if (!answer) { say(t("The dashboard does not answer."), "bad"); return; }
  const reply = await answer.json().catch(() => ({}));
  say(answer.ok ? told : hostText(String(reply.detail || answer.status)), answer.ok ? "well" : "bad");
  setTimeout(loadMenu, 700);
}

// The board clears a fault within a minute of its button being held: a second here, too short for a hand.
async function holdAndClear() {
  const held = state.glance.devices ? state.glance.devices.faults.map((one) => one.name) : [];
  await ask("/api/demo/press", { input: "button", seconds: 6 }, t("The board's button is held."));
  await new Promise((resolve) => setTimeout(resolve, 250));
  for (const fault of held) await ask("/api/clear-fault", { fault, reason: "demo" }, t("The button was held, and {fault} is cleared.", { fault: t(fault.replaceAll("_", " ")) }));
}

let known = false;

function showDemo(glance) {
  if (!glance.installation.demo) return;
  $("demo-box").hidden = false;
  if (!known) { known = true; loadMenu(); setInterval(() => { if (state.page === "control") loadMenu(); }, 5000); }
}

$("demo-fault").addEventListener("change", showMeaning);
$("demo-form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask("/api/demo/fault", { fault: $("demo-fault").value, minutes: +$("demo-minutes").value }, t("Provoked. An hour of this tent passes in a minute: watch the overview."));
});
$("demo-button").addEventListener("click", holdAndClear);
$("demo-estop").addEventListener("click", () => ask("/api/demo/press", { input: "estop", seconds: 30 }, t("The emergency stop at the board is pressed for half a minute of the tent.")));
shows("control", showDemo, "status");
