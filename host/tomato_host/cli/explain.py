"""`tomato-host explain`: one screen about one decision: what, what not and why, what was expected, what was clipped."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tomato_host.cli.recorded_settings import dataset_zone, parse_local_time
from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from shared_schemas.records import ActionV1, PlanV1, Prediction36hV1, StateV1
    from shared_schemas.records.plan_v1 import CropCost

ASKING = frozenset({"person", "api", "mqtt", "llm"})
"""Origins of requests that no decision of the controller contains."""
STREAMS = {"plans", "actions", "predictions", "states"}


class DecisionReport:
    """The records that belong to one decision; `zone` is that of the plants, for times as text."""

    def __init__(self, plan: PlanV1, zone: ZoneInfo) -> None:
        self.plan = plan
        self.zone = zone
        self.actions: dict[str, ActionV1] = {}
        """By id; a later line (with the outcome) replaces the earlier one (with the verdict)."""
        self.asked: dict[str, ActionV1] = {}
        """What people and programs asked for since the decision, by id, with verdict and outcome."""
        self.state: StateV1 | None = None
        self.prediction: Prediction36hV1 | None = None


def read_report(root: Path, at: datetime | None) -> DecisionReport:
    """The newest decision, or the newest not after `at`. Raises TomatoError E-EXPLAIN-NONE, E-STORAGE-NO-DATASET."""
    from shared_schemas.records import ActionV1, PlanV1, Prediction36hV1, StateV1
    from tomato_host.storage.reader import read_records

    zone = dataset_zone(root)
    report: DecisionReport | None = None
    state: StateV1 | None = None
    prediction: Prediction36hV1 | None = None
    for record in read_records(root, STREAMS):
        if isinstance(record, PlanV1) and not record.shadow and (at is None or record.ts <= at):
            report = DecisionReport(record, zone)
            report.state, report.prediction = state, prediction
        elif isinstance(record, ActionV1) and report is not None and record.decision_id == report.plan.id:
            report.actions[record.id or str(len(report.actions))] = record
        elif isinstance(record, ActionV1) and report is not None and record.origin in ASKING:
            if at is None or record.ts <= at:
                report.asked[record.id or str(len(report.asked))] = record
        elif isinstance(record, StateV1):
            state = record
        elif isinstance(record, Prediction36hV1):
            prediction = record
    if report is None:
        when = "" if at is None else f" not later than {at.astimezone(zone):%Y-%m-%d %H:%M}"
        raise TomatoError(
            "E-EXPLAIN-NONE", f"{root} holds no decision{when}.", "wait for the first decision, or give a later --at"
        )
    return report


def amount(action: ActionV1) -> str:
    """The requested amount of an action as text."""
    params = action.params
    if params.ml is not None:
        return f"{params.ml:g} ml in {params.pulses or 1} pulse(s)"
    if params.state == "OFF":
        return "off"
    if params.seconds is None:
        return ""
    if params.period_s and params.period_s > params.seconds:
        strokes = f" in {params.pulses} strokes" if params.pulses else ""
        return f"{params.seconds / 60:.0f} min, spread over {params.period_s / 60:.0f} min{strokes}"
    return f"{params.seconds / 60:.0f} min" if params.seconds >= 60 else f"{params.seconds:g} s"


def verdict(action: ActionV1) -> str:
    """The guardrails' verdict: passed, clipped or refused, with rule, value and limit."""
    safety = action.safety
    parts = []
    for check in safety.checks:
        old = not check.unit and None not in (check.value, check.limit)  # recorded before the text held them
        numbers = f" ({check.value:g}, limit {check.limit:g})" if old else ""
        kind = "clipped" if check.ok else "refused"
        parts.append(f"{kind} by {check.rule}: {check.text}{numbers}")
    return "; ".join(parts) or ("passed" if safety.validated else "refused")


def outcome(action: ActionV1) -> str:
    """The outcome as the board reported it."""
    from tomato_host.commands.awaited_outcomes import ended_by

    done = action.outcome
    if action.shadow:
        return "in shadow: nothing was moved"
    if done is None:
        return "no result yet" if action.safety.validated else "not sent"
    amounts = [
        f"{done.delivered_ml:g} ml" if done.delivered_ml is not None else "",
        f"{done.delivered_s / 60:.1f} min" if done.delivered_s is not None else "",
    ]
    return " ".join(
        part
        for part in (
            done.status,
            *amounts,
            f"({ended_by(done.status, done.reason) or done.reason})" if done.reason else "",
        )
        if part
    )


def as_dict(report: DecisionReport) -> dict[str, Any]:
    """The report as JSON-able data."""
    from shared_schemas.records.agent_v1 import agent_name

    plan, prediction, zone = report.plan, report.prediction, report.zone
    actions = [a for a in report.actions.values() if a.type.value != "NO_ACTION"]
    return {
        "decision": plan.id,
        "ts": plan.ts.isoformat(),
        "controller": plan.controller,
        "state_ts": plan.state_ts.isoformat(),
        "explanation": plan.explanation,
        "score": plan.score.model_dump() if plan.score else None,
        "crop_costs": [one.model_dump() for one in plan.crop_costs],
        "rules_fired": list(plan.rules_fired),
        "done": [
            {
                "action": a.type.value,
                "amount": amount(a),
                "why": a.why.text,
                "verdict": verdict(a),
                "outcome": outcome(a),
            }
            for a in actions
            if a.safety.validated and not a.shadow
        ],
        "refused": [
            {"action": a.type.value, "amount": amount(a), "why": a.why.text, "verdict": verdict(a)}
            for a in actions
            if not a.safety.validated
        ],
        "asked": [
            {
                "ts": a.ts.isoformat(),
                "by": agent_name(a),
                "origin": a.origin,
                "action": a.type.value,
                "amount": amount(a),
                "why": a.why.text,
                "verdict": verdict(a),
                "outcome": outcome(a),
            }
            for a in report.asked.values()
        ],
        "not_done": list(plan.not_done),
        "forecast": prediction.explanation if prediction else None,
        "risks": [
            f"{w.kind} {w.start.astimezone(zone):%H:%M}-{w.end.astimezone(zone):%H:%M} ({w.risk:.0%}): {w.text}"
            for w in prediction.risk_windows
        ]
        if prediction
        else [],
        "rejected": [{"plan": r.summary, "why": r.why} for r in plan.rejected],
    }


def _observed(state: StateV1 | None) -> str:
    if state is None:
        return "no state recorded before it"
    env = state.env
    parts = [
        f"{env.air_temp_c:.1f} degC" if env.air_temp_c is not None else "",
        f"RH {env.rh_pct:.0f} %" if env.rh_pct is not None else "",
        f"VPD {env.vpd_kpa:.2f} kPa" if env.vpd_kpa is not None else "",
        *(
            f"{p.id} {p.moisture_pct:.1f} %" if p.moisture_pct is not None else f"{p.id} not trusted"
            for p in state.soil.probes
        ),
        f"confidence {state.confidence:.2f}",
        f"mode {state.mode}" if state.mode else "",
    ]
    return ", ".join(part for part in parts if part)


def _asked_line(action: ActionV1, zone: ZoneInfo) -> str:
    from shared_schemas.records.agent_v1 import agent_name

    text = f"{action.ts.astimezone(zone):%H:%M} {action.type.value} {amount(action)} by {agent_name(action)}"
    return f"{text}: {action.why.text} [{verdict(action)}; {outcome(action)}]"


def crop_cost_text(one: CropCost) -> str:
    """A crop term as one reads it: its cost, its weight, whether it decided."""
    return f"{one.name} {one.cost:.3f} x {one.weight:g}" + (" (decided)" if one.decided else "")


def as_text(report: DecisionReport) -> list[str]:
    """The report as lines for one screen."""
    data, plan = as_dict(report), report.plan
    lines = [
        f"{plan.ts.astimezone(report.zone):%a %d %b %Y %H:%M} by {plan.controller}: {plan.explanation}",
        f"  seen: {_observed(report.state)}",
    ]
    if plan.score is not None:
        score = plan.score
        lines.append(
            f"  score: J {score.j:.3f} = yield {score.yield_proxy:.3f}, stress {score.stress:.3f}, "
            f"use {score.resource_use:.3f}, switching {score.action_churn:.2f}"
        )
    if plan.crop_costs:
        lines.append("  crop: " + ", ".join(crop_cost_text(one) for one in plan.crop_costs))
    sections: list[tuple[str, list[str]]] = [
        ("Done", [f"{d['action']} {d['amount']}: {d['why']} [{d['verdict']}; {d['outcome']}]" for d in data["done"]]),
        ("Refused", [f"{d['action']} {d['amount']}: {d['verdict']}" for d in data["refused"]]),
        ("Asked for by hand or program", [_asked_line(a, report.zone) for a in report.asked.values()]),
        ("Not done", data["not_done"]),
        ("Expected", [*([data["forecast"]] if data["forecast"] else ["no forecast recorded"]), *data["risks"][:4]]),
        ("Rejected plans", [f"{r['plan']}: {r['why']}" for r in data["rejected"]]),
    ]
    for title, rows in sections:
        if rows:
            lines += ["", title, *(f"  - {row}" for row in rows)]
    return lines


def explain(
    at: Annotated[str | None, typer.Option("--at", help="A time like 2026-06-01T14:00; default: the newest.")] = None,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The dataset to read.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Show one decision: what was decided, what was not and why, what the forecast said, which rule clipped."""
    from tomato_host.terminal.progress import progress

    moment = None
    if at is not None:
        moment = parse_local_time(at, dataset_zone(data_dir), "E-EXPLAIN-TIME", "2026-06-01T14:00")
    with progress("reading decisions", as_json):
        report = read_report(data_dir, moment)
    typer.echo(json.dumps(as_dict(report)) if as_json else "\n".join(as_text(report)))
