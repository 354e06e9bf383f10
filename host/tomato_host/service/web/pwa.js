// The page as an app of the device: service worker, last values without a network, installing, alarms by web push.
import { $, DEVICES, fetchJson, post, state } from "/static/base.js";
import { hostText, t } from "/static/text.js";
import { askForSignIn } from "/static/sign_in.js";

const KEPT = "glance", KEEP_MS = 20000;
let keptAt = 0, offer = null;

// What a reload without a network shows: the last values of this page, with their time. Nothing of it counts as present.
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
  if (!offer) return;
  offer.prompt();
  await offer.userChoice;
  offer = null;
  $("install").hidden = true;
}

addEventListener("beforeinstallprompt", (event) => {
  event.preventDefault();
  offer = event;
  $("install").hidden = false;
});

export function startApp() {
  $("install").addEventListener("click", install);
  $("push").addEventListener("click", togglePush);
  // Later: it fetches every file once more, and the first values come first.
  if (window.isSecureContext && "serviceWorker" in navigator) setTimeout(() => navigator.serviceWorker.register("/sw.js").catch(() => { /* a browser without it shows the page all the same */ }), 3000);
}

export { showPush };
