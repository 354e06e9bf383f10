// Sign-in once per device: the access token goes over once, a cookie that no script reads stays.
import { $, element, fetchJson, fill, post, state } from "/static/base.js";
import { forgetGlance } from "/static/kept.js";
import { fullDate, hostText, t } from "/static/text.js";

let known = null; // the first answer about who is signed in

export async function loadSession() {
  const found = await fetchJson("/api/session");
  if (found) state.session = found;
  showSession();
}

function showSession() {
  const { name, role } = state.session;
  $("who").textContent = name ? t("Signed in as {name} ({role}).", { name, role: t(role) }) : t("Not signed in: you can look, and change nothing.");
  $("sign-in-open").hidden = Boolean(name);
  $("sign-out").hidden = !name;
  $("devices-box").hidden = role !== "admin";
  if (role === "admin") loadDevicesSignedIn();
  dispatchEvent(new Event("session"));
}

// translated: "view" "operate" "admin"
const deviceName = () => (navigator.userAgentData?.platform || navigator.platform || "").slice(0, 30) + " " + (/Firefox|Edg|Chrome|Safari/.exec(navigator.userAgent) || [""])[0];

// The session of an access token; empty, or why not.
export async function signInWith(token) {
  await known;
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const answer = await fetch("/api/session", { method: "POST", headers, body: JSON.stringify({ device: deviceName() }) }).catch(() => null);
  if (!answer) return t("The dashboard does not answer.");
  const reply = await answer.json().catch(() => ({}));
  if (!answer.ok) return hostText(reply.detail || String(answer.status));
  state.session = reply;
  showSession();
  return "";
}

// The address of the first run ends in `#setup:TOKEN`: sign in with it, and take it out of the address.
export async function useInvitation() {
  const found = /^#([a-z]+):([\w-]{20,})$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", `#${found[1]}`);
  await signInWith(found[2]);
}

async function signIn(event) {
  event.preventDefault();
  const wrong = await signInWith($("token").value.trim());
  $("sign-in-reply").textContent = wrong;
  if (wrong) return;
  $("token").value = "";
  $("sign-in").close("yes");
}

// Opens the form; true when somebody is signed in afterwards.
export async function askForSignIn() {
  await known;
  if (state.session.name) return true;
  const dialog = $("sign-in");
  dialog.returnValue = "no";
  $("sign-in-reply").textContent = "";
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(Boolean(state.session.name)), { once: true }));
}

async function loadDevicesSignedIn() {
  const known = await fetchJson("/api/sessions") || [];
  fill($("devices"), known.map((one) => {
    const row = element("li", t("{device}, token {token}, since {since}", { device: one.device || t("unnamed device"), token: one.token, since: fullDate(one.created) }));
    const end = element("button", t("End"));
    end.type = "button";
    end.addEventListener("click", async () => { await post(`/api/sessions/${one.id}`, null, "DELETE"); loadSession(); });
    row.append(end);
    return row;
  }));
}

$("sign-in-form").addEventListener("submit", signIn);
$("sign-in-open").addEventListener("click", askForSignIn);
$("sign-in-cancel").addEventListener("click", () => $("sign-in").close("no"));
$("sign-out").addEventListener("click", async () => { await post("/api/session", null, "DELETE"); forgetGlance(); loadSession(); });
known = loadSession();
