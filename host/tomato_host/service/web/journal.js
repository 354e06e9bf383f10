// What happened: events, refusals, alarms; the newest photo with what was measured on it.
import { $, element, fill, state } from "/static/base.js";
import { day, hostText, number, shortTime, t } from "/static/text.js";
import { eventRows } from "/static/plan.js";

export function showEvents(glance) {
  const wanted = { all: () => true, summary: (category) => category !== "routine" }[state.shown] || ((category) => category === state.shown);
  const rows = eventRows(glance).filter((row) => wanted(row[2])).slice(0, 120);
  fill($("events"), rows.map(([ts, level, , name, text]) => {
    const row = element("tr", undefined, level);
    const moment = element("td", shortTime(ts));
    moment.title = new Date(ts).toLocaleString();
    row.append(moment, element("td", name), element("td", text));
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

export function showVision(glance) {
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
export function watchPhoto() {
  new IntersectionObserver(([seen]) => {
    state.photoVisible = seen.isIntersecting;
    if (state.photoVisible) showPhoto(state.newestPhoto);
  }, { rootMargin: "200px" }).observe($("photo"));
}

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
