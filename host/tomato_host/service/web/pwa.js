// The page as an app of the device: installing, alarms by web push.
import { $, fetchJson, post, state } from "/static/base.js";
import { redraw, shows } from "/static/page_parts.js";
import { hostText, t } from "/static/text.js";
import { askForSignIn } from "/static/sign_in.js";

const reply = (text, style = "") => { $("app-reply").textContent = text; $("app-reply").className = `reply ${style}`; };

// -- alarms on this device ----------------------------------------------------------------------------------------------

const worker = () => navigator.serviceWorker?.ready;
const subscription = async () => (await worker())?.pushManager?.getSubscription();

async function showPush() {
  if (!window.isSecureContext || !("serviceWorker" in navigator)) { reply(t("Installing and alarms on this device need HTTPS: docs/https.md says how.")); return; }
  if (!("PushManager" in window)) { reply(t("On an iPhone or iPad: share, add to home screen, and open it there.")); return; }
  const told = await fetchJson("/api/push");
  if (!told) return;
  $("push").hidden = !told.key;
  if (!told.key) { reply(t("Alarms on this device need the extra [push] of the host.")); return; }
  $("push").textContent = await subscription() ? t("No more alarms on this device") : t("Alarms on this device");
  if (await subscription() && !told.enabled) reply(t("This device has subscribed, and messages are off: step Messages above."));
}

async function togglePush() {
  if (!await askForSignIn()) return;
  const known = await subscription();
  if (known) {
    await post("/api/push/end", { endpoint: known.endpoint });
    await known.unsubscribe();
    reply(t("This device gets no more alarms."));
  } else if (await Notification.requestPermission() !== "granted") reply(t("The browser does not allow notifications for this page; its settings can change that."), "bad");
  else await subscribe();
  await showPush();
}

async function subscribe() {
  const { key } = await fetchJson("/api/push") || {};
  let made;
  try {
    made = await (await worker()).pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key });
  } catch (error) { reply(t("The browser could not subscribe: {reason}", { reason: error.message }), "bad"); return; }
  const answer = await post("/api/push", made.toJSON()), told = await answer.json().catch(() => ({}));
  if (answer.ok) reply(t("Alarms come to this device, also when this page is closed."), "well");
  else { await made.unsubscribe(); reply(hostText(typeof told.detail === "string" ? told.detail : String(answer.status)), "bad"); }
}

// -- installing ---------------------------------------------------------------------------------------------------------

async function install() {
  const offer = state.installing;
  if (!offer) return;
  state.installing = null;
  offer.prompt();
  await offer.userChoice;
  redraw("installing");
}

$("install").addEventListener("click", install);
$("push").addEventListener("click", togglePush);
addEventListener("hashchange", () => { if (state.page === "setup") showPush(); });
shows("setup", () => { $("install").hidden = !state.installing; }, "installing");
if (state.page === "setup") showPush();
