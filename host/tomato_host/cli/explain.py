"""`tomato-host explain`: one screen about one decision: what, what not and why, what was expected, what was clipped."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from shared_schemas.records import ActionV1, PlanV1, Prediction36hV1, StateV1

ZONE = ZoneInfo("Europe/Vienna")
STREAMS = {"plans", "actions", "predictions", "states"}


def parse_moment(text: str) -> datetime:
    """An ISO 8601 moment; without an offset it is local time in Vienna. Raises TomatoError E-EXPLAIN-TIME."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise TomatoError(
            "E-EXPLAIN-TIME",
            f"{text!r} is no moment.",
            "write it like 2026-06-01T14:00, with an offset if it is not local time",
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=ZONE)


class Story:
    """The records that belong to one decision."""

    def __init__(self, plan: PlanV1) -> None:
        self.plan = plan
        self.actions: dict[str, ActionV1] = {}
        """By id; a later line (with the outcome) replaces the earlier one (with the verdict)."""
        self.state: StateV1 | None = None
        self.prediction: Prediction36hV1 | None = None


def read_story(root: Path, at: datetime | None) -> Story:
    """The newest decision, or the newest not after `at`. Raises TomatoError E-EXPLAIN-NONE, E-STORAGE-NO-DATASET."""
    from shared_schemas.records import ActionV1, PlanV1, Prediction36hV1, StateV1
    from tomato_host.storage.reader import read_records

    story: Story | None = None
    state: StateV1 | None = None
    prediction: Prediction36hV1 | None = None
    for record in read_records(root, STREAMS):
        if isinstance(record, PlanV1) and not record.shadow and (at is None or record.ts <= at):
            story = Story(record)
            story.state, story.prediction = state, prediction
        elif isinstance(record, ActionV1) and story is not None and record.decision_id == story.plan.id:
            story.actions[record.id or str(len(story.actions))] = record
        elif isinstance(record, StateV1):
            state = record
        elif isinstance(record, Prediction36hV1):
            prediction = record
    if story is None:
        when = "" if at is None else f" not later than {at.astimezone(ZONE):%Y-%m-%d %H:%M}"
        raise TomatoError(
            "E-EXPLAIN-NONE", f"{root} holds no decision{when}.", "wait for the first decision, or give a later --at"
        )
    return story


def amount(action: ActionV1) -> str:
    """What an action asks for, in words."""
    params = action.params
    if params.ml is not None:
        return f"{params.ml:g} ml in {params.pulses or 1} pulse(s)"
    if params.state == "OFF":
        return "off"
    if params.seconds is None:
        return ""
    if params.period_s and params.period_s > params.seconds:
        return f"{params.seconds / 60:.0f} min, spread over {params.period_s / 60:.0f} min"
    return f"{params.seconds / 60:.0f} min" if params.seconds >= 60 else f"{params.seconds:g} s"


def verdict(action: ActionV1) -> str:
    """The guardrails' word: passed, clipped or refused, with rule, value and limit."""
    safety = action.safety
    words = []
    for check in safety.checks:
        numbers = f" ({check.value:g}, limit {check.limit:g})" if None not in (check.value, check.limit) else ""
        kind = "clipped" if check.ok else "refused"
        words.append(f"{kind} by {check.rule}: {check.text}{numbers}")
    return "; ".join(words) or ("passed" if safety.validated else "refused")


def outcome(action: ActionV1) -> str:
    """What the board says became of it."""
    done = action.outcome
    if done is None:
        return "no result yet" if action.safety.validated else "not sent"
    amounts = [
        f"{done.delivered_ml:g} ml" if done.delivered_ml is not None else "",
        f"{done.delivered_s / 60:.1f} min" if done.delivered_s is not None else "",
    ]
    return " ".join(part for part in (done.status, *amounts, f"({done.reason})" if done.reason else "") if part)


def as_dict(story: Story) -> dict[str, Any]:
    """The story as JSON-able data."""
    plan, prediction = story.plan, story.prediction
    actions = [a for a in story.actions.values() if a.type.value != "NO_ACTION"]
    return {
        "decision": plan.id,
        "ts": plan.ts.isoformat(),
        "controller": plan.controller,
        "state_ts": plan.state_ts.isoformat(),
        "explanation": plan.explanation,
        "score": plan.score.model_dump() if plan.score else None,
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
            if a.safety.validated
        ],
        "refused": [
            {"action": a.type.value, "amount": amount(a), "why": a.why.text, "verdict": verdict(a)}
            for a in actions
            if not a.safety.validated
        ],
        "not_done": list(plan.not_done),
        "forecast": prediction.explanation if prediction else None,
        "risks": [
            f"{w.kind} {w.start.astimezone(ZONE):%H:%M}-{w.end.astimezone(ZONE):%H:%M} ({w.risk:.0%}): {w.text}"
            for w in prediction.risk_windows
        ]
        if prediction
        else [],
        "rejected": [{"plan": r.summary, "why": r.why} for r in plan.rejected],
    }


def _seen(state: StateV1 | None) -> str:
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


def as_text(story: Story) -> list[str]:
    """The story as lines for one screen."""
    told, plan = as_dict(story), story.plan
    lines = [
        f"{plan.ts.astimezone(ZONE):%a %d %b %Y %H:%M} by {plan.controller}: {plan.explanation}",
        f"  seen: {_seen(story.state)}",
    ]
    if plan.score is not None:
        score = plan.score
        lines.append(
            f"  score: J {score.j:.3f} = yield {score.yield_proxy:.3f}, stress {score.stress:.3f}, "
            f"use {score.resource_use:.3f}, switching {score.action_churn:.2f}"
        )
    sections: list[tuple[str, list[str]]] = [
        ("Done", [f"{d['action']} {d['amount']}: {d['why']} [{d['verdict']}; {d['outcome']}]" for d in told["done"]]),
        ("Refused", [f"{d['action']} {d['amount']}: {d['verdict']}" for d in told["refused"]]),
        ("Not done", told["not_done"]),
        ("Expected", [*([told["forecast"]] if told["forecast"] else ["no forecast recorded"]), *told["risks"][:4]]),
        ("Plans that lost", [f"{r['plan']}: {r['why']}" for r in told["rejected"]]),
    ]
    for title, rows in sections:
        if rows:
            lines += ["", title, *(f"  - {row}" for row in rows)]
    return lines


def explain(
    at: Annotated[str | None, typer.Option("--at", help="A moment like 2026-06-01T14:00; default: the newest.")] = None,
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The dataset to read.")] = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for scripts.")] = False,
) -> None:
    """Show one decision: what was decided, what was not and why, what the forecast said, which rule clipped."""
    story = read_story(data_dir, parse_moment(at) if at is not None else None)
    typer.echo(json.dumps(as_dict(story)) if as_json else "\n".join(as_text(story)))
