// The head of every page: the tent's name, whether it is safe, the plants with their stage, and the time.
import { $, state } from "/static/base.js";
import { shows } from "/static/page_parts.js";
import { ago, fullDate, hostText, shortTime, t } from "/static/text.js";

export function verdict(glance) {
  // The table is the host's (`verdict` in live_state.py); only that the host itself is gone is seen here alone.
  const since = Date.parse(glance.observation?.received_ts || glance.observation?.ts || glance.status.now);
  if (state.offline) return ["bad", t("No connection: values of {time}, {ago}.", { time: shortTime(since), ago: ago((Date.now() - since) / 1000) })];
  return glance.feed.connected ? glance.verdict : ["bad", "The host is not running. The board continues on its own."];
}

function stageText(glance) {
  const { stage, stage_since: since, tent } = glance.installation;
  const days = since ? Math.floor((Date.now() - Date.parse(`${since}T00:00`)) / 86400000) + 1 : 0;
  const parts = [tent.plants.map((one) => one.name).join(", "), stage && t(stage), days > 0 && t("day {n}", { n: days })];
  return [parts.filter(Boolean).join(" · "), glance.status.now ? fullDate(glance.status.now) : ""].filter(Boolean).join(" · ");
}

const write = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

// The sections come together, when there is something to show: none moves another one about.
export const reveal = () => document.body.classList.remove("waiting");

function showHeader(glance) {
  const [style, text] = verdict(glance), title = glance.installation.tent.name || "Tomato";
  write("verdict", hostText(text));
  $("verdict").className = `verdict ${style}`;
  write("clock", stageText(glance));
  write("title", title);
  if (document.title !== title) document.title = title;
  $("demo-mark").hidden = !glance.installation.demo;
  $("to-fleet").hidden = !glance.fleet;
  document.body.classList.toggle("stale", Boolean(state.offline));
  document.body.classList.toggle("first-run", glance.installation.first_run);
}

shows("every", showHeader, "status", "observation");
