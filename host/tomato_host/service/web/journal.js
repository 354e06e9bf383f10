// What happened: events, refusals, alarms; the newest photo with what was measured on it.
import { agentOf, describe, outcome } from "/static/actions.js";
import { $, choice, element, fill, named, state } from "/static/base.js";
import { redraw, shows } from "/static/page_parts.js";
import { day, hostText, number, shortTime, t } from "/static/text.js";

// The board's events about single pulses; actions and their outcomes show the same more clearly.
const ROUTINE = new Set(["pulse_start", "pulse_end", "config", "button"]);

// The same word is a reason elsewhere.
const EVENT = { state: "board's state" };
// translated: "board's state" "boot" "counters" "link up" "link down" "started" "explanation" "lease lost" "clock set" "settings refused" "plug latched" "plug cleared"

// Every event, refusal and skipped action as [time, level, category, name, text]; the buttons filter by category.
function eventRows(glance) {
  const rows = glance.events.map((e) => [e.ts, e.level, ROUTINE.has(e.name) ? "routine" : e.level === "INFO" ? "event" : "warning",
    t(EVENT[e.name] || e.name.replaceAll("_", " ")), hostText(e.text)]);
  for (const a of glance.actions) {
    if (a.safety.refused_by) rows.push([a.ts, "WARNING", "skip", t("refused"), t("{what} by {agent}: {result}", { what: describe(a), agent: agentOf(a), result: outcome(a)[1] })]);
    if (a.type === "NO_ACTION") rows.push([a.ts, "INFO", "skip", t("nothing done"), a.why.text.split("; ").map(named).join("; ")]);
  }
  for (const s of state.skips) rows.push([s.ts, "INFO", "skip", t("not done"), named(s.text)]);
  return rows.sort((a, b) => new Date(b[0]) - new Date(a[0]));
}

const AT_FIRST = 25, LINE = 150;
let most = AT_FIRST;

// A long text shows its beginning, and the rest when it is pressed; it stays open when the list is drawn anew.
function shortened(text, ts, open) {
  if (text.length <= LINE) return document.createTextNode(text);
  const at = text.lastIndexOf(" ", LINE), box = element("details");
  box.dataset.of = ts + text.length;
  box.open = open.has(box.dataset.of);
  box.append(element("summary", text.slice(0, at) + " ..."), document.createTextNode("... " + text.slice(at + 1)));
  return box;
}

function showEvents(glance) {
  const wanted = { all: () => true, summary: (category) => category !== "routine" }[state.shown] || ((category) => category === state.shown);
  const rows = eventRows(glance).filter((row) => wanted(row[2]));
  const open = new Set([...document.querySelectorAll("#events details[open]")].map((one) => one.dataset.of));
  $("more-events").hidden = rows.length <= most;
  fill($("events"), rows.slice(0, most).map(([ts, level, , name, text]) => {
    const row = element("tr", undefined, level), words = element("td");
    const moment = element("td", shortTime(ts));
    moment.title = new Date(ts).toLocaleString();
    words.append(shortened(text, ts, open));
    row.append(moment, element("td", name), words);
    return row;
  }));
  $("no-events").hidden = rows.length > 0;
}

const percent = (share) => share === null || share === undefined ? "–" : `${number(100 * share, 0)} %`;

// translated: "model" "leaves" "wilting" "pests" "fruit" "model's note" "confidence" "green" "yellowing" "spots" "possible" "likely"
function visionRows(seen, measured) {
  const rows = [];
  if (seen && !seen.provenance) rows.push(["model", t("no answer for this photo")]);
  else if (seen) {
    rows.push(["leaves", t(seen.leaf_color)], ["wilting", seen.wilting === null ? t("cannot tell") : seen.wilting ? t("yes") : t("no")],
      ["pests", t(seen.pest_signs)], ["fruit", seen.fruit_count_est === null ? t("not counted") : t("about {n}", { n: seen.fruit_count_est })],
      ["model's note", seen.notes || t("none")], ["confidence", t("{value}, from past agreement with measurements", { value: number(seen.confidence, 2) })]);
  }
  if (measured) {
    rows.push(["measured", measured.usable
      ? t("canopy {canopy} of the picture, {yellow} of it yellow", { canopy: percent(measured.canopy_fraction), yellow: percent(measured.yellow_fraction) })
      : t("not usable: {reason}", { reason: hostText(measured.why_unusable) })]);
  }
  return rows;
}

function showVision(glance) {
  const seen = glance.vision, measured = glance.vision_cv;
  $("photo").hidden = !seen && !measured;
  if ($("photo").hidden) return;
  fill($("vision"), visionRows(seen, measured).flatMap(([name, value]) => [element("dt", t(name)), element("dd", value)]));
  const newest = measured || seen;
  $("photo-when").textContent = `${newest.source || t("camera")}, ${day(newest.ts)}`;
  state.newestPhoto = newest.image_sha256;
  if (state.photoVisible) showPhoto(newest.image_sha256);
}

// The photo is the largest resource: it is fetched when the section scrolls into view.
new IntersectionObserver(([seen]) => {
  state.photoVisible = seen.isIntersecting;
  if (state.photoVisible) showPhoto(state.newestPhoto);
}, { rootMargin: "200px" }).observe($("photo"));

async function showPhoto(digest) {
  if (!digest || digest === state.photo) return;
  state.photo = digest;
  const answer = await fetch(`/api/photo/${digest}`).catch(() => null);
  const picture = $("photo-img");
  picture.hidden = !answer || !answer.ok;
  if (picture.hidden) return;
  if (picture.src) URL.revokeObjectURL(picture.src);
  picture.src = URL.createObjectURL(await answer.blob());
}

choice("shown", (category) => { state.shown = category; most = AT_FIRST; redraw("events"); });
$("more-events").addEventListener("click", () => { most += 100; redraw("events"); });
shows("journal", showEvents, "events", "actions", "skips", "plan");
shows("journal", showVision, "vision", "vision_cv");
