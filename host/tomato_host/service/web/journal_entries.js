// The grower's journal: entries with photos, the form to write one down, the season in numbers and as a moving picture.
import { $, choice, element, fetchJson, fill, post, state } from "/static/base.js";
import { date, fullDate, hostText, number, preferences, quantity, shortTime, t, unitOf } from "/static/text.js";
import { confirmed } from "/static/control.js";
import { needs, redraw, shows } from "/static/page_parts.js";
import { askForSignIn } from "/static/sign_in.js";

// translated: "note" "task" "harvest" "measurement" "sown" "planted" "pruned" "pollinated" "fed" "treated" "repotted" "cleaned"
// translated: "solution" "drain" "substrate" "seedling" "vegetative" "flowering" "fruiting"
const KINDS = ["note", "task", "harvest", "measurement"];
const SHOWN = 60;
const PHOTO_SIDE = 2000;
let kind = "note";
let photo = null;

async function loadJournal() {
  const [found, skips] = await Promise.all([fetchJson("/api/journal"), fetchJson("/api/skips")]);
  state.journal = found || state.journal;
  state.skips = skips || state.skips;
  redraw("journal", "skips");
}

function showJournal() {
  const journal = state.journal;
  if (!journal) return;
  const facts = [[t("Day"), journal.day ? String(journal.day) : "–"], [t("Stage"), journal.stage ? t(journal.stage) : "–"],
    [t("Harvested"), journal.harvests ? `${number(journal.harvest_g, 0)} g` : "–"], [t("Fed by hand"), journal.feed_ml ? quantity(journal.feed_ml, "ml", 0) : "–"]];
  fill($("journal-facts"), facts.map(([name, value]) => {
    const box = element("div");
    box.append(element("dt", name), element("dd", value));
    return box;
  }));
  $("journal-hint").hidden = Boolean(journal.day);
  const rows = [...journal.entries].reverse().slice(0, SHOWN);
  fill($("entries"), rows.map(entryRow));
  $("no-entries").hidden = rows.length > 0;
  const plants = new Set([...journal.plants, ...journal.entries.map((one) => one.plant)].filter(Boolean));
  fill($("plants"), [...plants].map((name) => Object.assign(element("option"), { value: name })));
}

function values(one) {
  const parts = [];
  if (one.harvest_g !== null) parts.push(`${number(one.harvest_g, 0)} g`);
  if (one.fruit_count !== null) parts.push(t("{n} fruits", { n: one.fruit_count }));
  if (one.feed_ml !== null) parts.push(t("{amount} fed", { amount: quantity(one.feed_ml, "ml", 0) }));
  if (one.ec_ms_cm !== null) parts.push(`EC ${number(one.ec_ms_cm, 2)} mS/cm`);
  if (one.ph !== null) parts.push(`pH ${number(one.ph, 1)}`);
  if (one.sample) parts.push(t(one.sample));
  return parts.join(" · ");
}

function entryRow(one) {
  const row = element("li", undefined, `entry ${one.kind}`);
  const head = element("p", undefined, "entry-head");
  head.append(element("b", t(one.task || one.kind)), element("span", one.plant, "plant-name"), element("time", `${date(one.ts)}, ${shortTime(one.ts)}`));
  const body = element("div", undefined, "entry-body");
  const numbers = values(one);
  body.append(head);
  if (numbers) body.append(element("p", numbers, "entry-values"));
  if (one.text) body.append(element("p", one.text, "entry-text"));
  const end = element("button", "×", "quiet");
  end.type = "button";
  end.setAttribute("aria-label", t("Withdraw the entry of {time}", { time: fullDate(one.ts) }));
  end.addEventListener("click", () => withdraw(one.id));
  if (one.photo_sha256) {
    const link = Object.assign(element("a", undefined, "thumb"), { href: `/api/photo/${one.photo_sha256}`, target: "_blank" });
    link.append(Object.assign(element("img"), { src: `/api/photo/${one.photo_sha256}`, loading: "lazy", alt: t("Photo of {time}", { time: fullDate(one.ts) }) }));
    row.append(link);
  }
  row.append(body, end);
  return row;
}

// -- writing ---------------------------------------------------------------------------------------------------------

function say(text, style = "") {
  $("journal-reply").textContent = text;
  $("journal-reply").className = `reply ${style}`;
}

function showKind() {
  const fed = kind === "task" && $("j-task").value === "fed";
  $("l-j-task").hidden = kind !== "task";
  for (const id of ["l-j-grams", "l-j-count"]) $(id).hidden = kind !== "harvest";
  for (const id of ["l-j-ec", "l-j-ph", "l-j-feed"]) $(id).hidden = kind !== "measurement" && !fed;
  $("l-j-sample").hidden = kind !== "measurement";
  $("j-grams").required = kind === "harvest";
  $("feed-unit").textContent = preferences.volume === "oz" ? t("Fed by hand, fl oz") : t("Fed by hand, ml");
}

const figure = (id) => $(`l-${id}`).hidden || $(id).value === "" ? null : +$(id).value;

function entryOf() {
  const fed = figure("j-feed");
  const [, factor] = unitOf("ml");
  const entry = { kind, text: $("j-text").value.trim(), plant: $("j-plant").value.trim(), task: kind === "task" ? $("j-task").value : null,
    harvest_g: figure("j-grams"), fruit_count: figure("j-count"), ec_ms_cm: figure("j-ec"), ph: figure("j-ph"),
    feed_ml: fed === null ? null : Math.round(fed / factor), sample: $("l-j-sample").hidden || !$("j-sample").value ? null : $("j-sample").value };
  if ($("j-when").value) entry.ts = new Date($("j-when").value).toISOString();
  return entry;
}

// A photo is drawn anew here: what goes over the network are pixels of a size that a screen shows.
async function drawnAnew(file) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return file;
  const share = Math.min(1, PHOTO_SIDE / Math.max(bitmap.width, bitmap.height));
  const sheet = Object.assign(document.createElement("canvas"), { width: Math.round(bitmap.width * share), height: Math.round(bitmap.height * share) });
  sheet.getContext("2d").drawImage(bitmap, 0, 0, sheet.width, sheet.height);
  return new Promise((resolve) => sheet.toBlob((blob) => resolve(blob || file), "image/jpeg", 0.9));
}

async function sent(answer) {
  if (!answer) { say(t("The dashboard does not answer."), "bad"); return null; }
  const reply = await answer.json().catch(() => ({}));
  if (answer.ok) return reply;
  const wrong = Array.isArray(reply.detail) ? reply.detail.map((one) => `${one.loc.slice(1).join(".")}: ${one.msg}`).join("; ") : hostText(reply.detail);
  say(t("Not written down: {reason}", { reason: wrong || String(answer.status) }), "bad");
  return null;
}

async function uploaded() {
  if (!photo) return undefined;
  const headers = { "Content-Type": "image/jpeg", "X-Tomato-CSRF": state.session.csrf || "" };
  const reply = await sent(await fetch("/api/journal/photo", { method: "POST", headers, body: await drawnAnew(photo) }).catch(() => null));
  return reply ? reply.sha256 : null;
}

async function write(event) {
  event.preventDefault();
  if (!await askForSignIn()) { say(t("Not sent: nobody is signed in on this device.")); return; }
  say(t("sending ..."));
  const digest = await uploaded();
  if (digest === null) return;
  const entry = entryOf();
  if (digest) entry.photo_sha256 = digest;
  const reply = await sent(await post("/api/journal", entry).catch(() => null));
  if (!reply) return;
  $("journal-form").reset();
  setPhoto(null);
  showKind();
  say(t("Written down."), "well");
  await loadJournal();
}

async function withdraw(id) {
  if (!await confirmed(t("Withdraw this entry? It counts no longer; the dataset keeps the record of it.")) || !await askForSignIn()) return;
  const reply = await sent(await post(`/api/journal/${id}`, null, "DELETE").catch(() => null));
  if (reply) { say(t("The entry is withdrawn."), "well"); await loadJournal(); }
}

function setPhoto(file) {
  photo = file;
  const picture = $("j-preview");
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.hidden = !file;
  if (file) picture.src = URL.createObjectURL(file); else picture.removeAttribute("src");
}

// -- the season ------------------------------------------------------------------------------------------------------

// The film as a file, in each format that this device can make; for one that it cannot, how to get it.
function saveLinks(span) {
  const made = state.journal?.lapse_formats || [];
  const rows = ["gif", "mp4"].filter((format) => made.includes(format)).map((format) => Object.assign(
    element("a", format === "gif" ? t("Save as GIF") : t("Save as MP4"), "button"),
    { href: `/api/journal/timelapse?span=${span}&format=${format}`, download: `tomato-${span}.${format}` }));
  if (!made.includes("mp4")) rows.push(element("span", t("For an MP4 the device needs PyAV or ffmpeg: pip install '.[video]', or apt install ffmpeg.")));
  return rows;
}

async function showLapse(span) {
  const out = $("lapse-reply"), picture = $("lapse");
  out.textContent = t("The time-lapse is being made ...");
  const answer = await fetch(`/api/journal/timelapse?span=${span}`).catch(() => null);
  if (!answer || !answer.ok) {
    const reply = answer ? await answer.json().catch(() => ({})) : {};
    picture.hidden = true;
    out.textContent = hostText(reply.detail) || t("The dashboard does not answer.");
    return;
  }
  fill(out, saveLinks(span));
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(await answer.blob());
  picture.hidden = false;
}

choice("entry", (chosen) => { kind = KINDS.includes(chosen) ? chosen : "note"; showKind(); });
$("j-task").addEventListener("change", showKind);
$("j-photo").addEventListener("change", () => setPhoto($("j-photo").files[0] || null));
$("journal-form").addEventListener("submit", write);
$("to-report").href = `/report?language=${preferences.language}`;
for (const button of document.querySelectorAll("[data-lapse]")) button.addEventListener("click", () => showLapse(button.dataset.lapse));
showKind();
needs("journal", loadJournal);
shows("journal", showJournal, "journal");
