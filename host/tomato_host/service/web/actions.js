// Actions in words: what was asked, what came of it, and why.
import { DEVICES, label, state } from "/static/base.js";
import { hostText, quantity, t } from "/static/text.js";

const outputOf = (action) => DEVICES.outputs.find((row) => row.action === action.type);

export function describe(action) {
  const p = action.params, row = outputOf(action);
  const what = row ? label(row.name) : t(action.type.replaceAll("_", " ").toLowerCase());
  if (p.ml) return `${what} ${quantity(p.ml, "ml", 0)}`;
  if (p.state === "OFF") return t("{what} off", { what });
  if (!p.seconds) return what;
  const length = p.seconds >= 120 ? t("{n} min", { n: Math.round(p.seconds / 60) }) : t("{n} s", { n: Math.round(p.seconds) });
  return p.period_s ? t("{what} {length} spread over {n} min", { what, length, n: Math.round(p.period_s / 60) }) : `${what} ${length}`;
}

export function outcome(action) {
  if (action.safety.refused_by) {
    const check = action.safety.checks.find((c) => !c.ok);
    return ["refused", t("refused by {rule}", { rule: t(action.safety.refused_by) }) + (check && check.text ? ": " + hostText(check.text) : "")];
  }
  if (!action.outcome) return ["", action.type === "NO_ACTION" ? "" : t("accepted")];
  const o = action.outcome;
  const amount = o.delivered_ml !== null && o.delivered_ml !== undefined ? `, ${quantity(o.delivered_ml, "ml", 0)}` : "";
  // A host that was stopped has ended what it was doing: nothing to look at.
  const style = o.status === "DONE" ? "done" : o.reason === "shutdown" ? "" : "failed";
  return [style, t(o.status.toLowerCase()) + amount + (o.reason && o.reason !== "none" ? ` (${hostText(o.reason.replaceAll("_", " "))})` : "")];
}

export const why = (action) => hostText(action.why.text || action.why.rules_fired.join(", "));

// translated: "replaced" "budget" "shutdown" "done" "aborted" "rejected" "expired" "stop all"
// translated: "rules" "mpc" "fixed timer" "safe mode" "learned"

// Whose proposal it was: the agent that it names, or the one of its origin.
export function agentOf(action) {
  const name = action.agent || (state.glance.agents || {})[action.origin || "controller"] || "";
  return t(name) + (action.shadow ? ` (${t("in shadow")})` : "");
}
