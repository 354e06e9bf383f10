// What it will do, hour by hour, and what it expects.
import { $, DEVICES, element, fill, label, named, state } from "/static/base.js";
import { hostText, number, quantity, shortTime, t } from "/static/text.js";
import { agentOf, describe, outcome, why } from "/static/actions.js";

function hours(plan) {
  const table = element("table", undefined, "lanes");
  const head = element("tr");
  head.append(element("th", t("output")), ...plan.steps.map((step) => element("th", shortTime(step.start))));
  table.append(element("thead"));
  table.tHead.append(head);
  const body = element("tbody");
  for (const row of DEVICES.outputs) {
    const values = plan.steps.map((step) => step[row.column] ?? 0);
    const line = element("tr");
    line.append(Object.assign(element("th", label(row.name)), { scope: "row" }), ...values.map((value) => cell(row, value)));
    body.append(line);
  }
  table.append(body);
  return table;
}

function cell(row, value) {
  const text = !value ? "–" : row.dose_unit === "ml" ? quantity(value, "ml", 0) : row.kind === "valve" ? t("{n} s", { n: Math.round(value) })
    : value >= 0.95 ? t("on") : `${number(100 * value, 0)} %`;
  const made = element("td", text, value ? "busy" : "");
  if (value && row.kind === "relay") made.style.setProperty("--duty", Math.min(1, value));
  return made;
}

export function showPlan(glance) {
  const plan = glance.plan;
  $("next").textContent = glance.status.next_decision_at ? t("Next decision at {time}, or sooner if something happens.", { time: shortTime(glance.status.next_decision_at) })
    : t("No decision yet.");
  if (plan) {
    $("plan-text").textContent = t("Decided at {time} ({controller}): {reason}", { time: shortTime(plan.ts), controller: plan.controller, reason: hostText(plan.explanation) });
    fill($("not-done"), plan.not_done.map((text) => element("li", named(text))));
    fill($("plan-hours"), plan.steps.length ? [hours(plan)] : []);
  }
  $("forecast-text").textContent = glance.prediction ? hostText(glance.prediction.explanation) : "";
}

export function showActions(glance) {
  const latest = new Map();
  for (const action of glance.actions) latest.set(action.id || action.ts + action.type, action);
  fill($("actions"), [...latest.values()].reverse().slice(0, 25).map((action) => {
    const row = element("li");
    const [style, text] = outcome(action);
    row.append(element("time", shortTime(action.ts)), document.createTextNode(describe(action) + " "), element("span", text, style),
      element("span", agentOf(action), "who"));
    const reason = why(action);
    if (reason) row.append(element("span", reason, "why"));
    return row;
  }));
}

// The board's events about single pulses; actions and their outcomes show the same more clearly.
const ROUTINE = new Set(["pulse_start", "pulse_end", "config", "button"]);

// Every event, refusal and skipped action as [time, level, category, name, text]; the buttons filter by category.
export function eventRows(glance) {
  const rows = glance.events.map((e) => [e.ts, e.level, ROUTINE.has(e.name) ? "routine" : e.level === "INFO" ? "event" : "warning",
    t(e.name.replaceAll("_", " ")), hostText(e.text)]);
  for (const a of glance.actions) {
    if (a.safety.refused_by) rows.push([a.ts, "WARNING", "skip", t("refused"), t("{what} by {agent}: {result}", { what: describe(a), agent: agentOf(a), result: outcome(a)[1] })]);
    if (a.type === "NO_ACTION") rows.push([a.ts, "INFO", "skip", t("nothing done"), hostText(a.why.text)]);
  }
  for (const s of state.skips) rows.push([s.ts, "INFO", "skip", t("not done"), named(s.text)]);
  return rows.sort((a, b) => new Date(b[0]) - new Date(a[0]));
}
