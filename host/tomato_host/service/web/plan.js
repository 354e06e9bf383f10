// What it will do, hour by hour, and what it expects.
import { $, DEVICES, element, fill, label, named } from "/static/base.js";
import { shows } from "/static/page_parts.js";
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

function showPlan(glance) {
  const plan = glance.plan;
  $("next").textContent = glance.status.next_decision_at ? t("Next decision at {time}, or sooner if something happens.", { time: shortTime(glance.status.next_decision_at) })
    : t("No decision yet.");
  if (plan) {
    $("plan-text").textContent = t("Decided at {time} ({controller}): {reason}", { time: shortTime(plan.ts), controller: t(plan.controller.replaceAll("_", " ")), reason: hostText(plan.explanation) });
    fill($("not-done"), plan.not_done.map((text) => element("li", named(text))));
    fill($("plan-hours"), plan.steps.length ? [hours(plan)] : []);
  }
  $("forecast-text").textContent = glance.prediction ? hostText(glance.prediction.explanation) : "";
}

function showActions(glance) {
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

shows("plan", showPlan, "plan", "status", "prediction");
shows("plan", showActions, "actions");
