"""Proposals and contexts for the guardrails' tests."""

from __future__ import annotations

from dataclasses import astuple
from datetime import datetime, timedelta
from typing import Any

from tomato_host.brain.guardrails import GuardContext, Guardrails
from tomato_host.brain.guardrails.profiles import PERMITTED

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionV1, StateV1
from shared_schemas.records.action_v1 import ActionType, Params
from tests.control.states import NOON, state

ON: dict[str, Any] = {"state": "ON", "seconds": 600.0}


def at(seconds: float) -> Any:
    return NOON + timedelta(seconds=seconds)


def unchecked(kind: str, **params: Any) -> ActionV1:
    """A proposal that went round the contract's own validation."""
    full = {"ml": None, "pulses": None, "seconds": None, "state": None, "period_s": None, **params}
    return ActionV1.model_construct(
        schema_version="action_v1",
        ts=NOON,
        type=ActionType(kind),
        id="x",
        origin="person",
        params=Params.model_construct(**full),
    )


def proposal(
    kind: str,
    key: str | None = "a-1",
    *,
    ts: datetime = NOON,
    origin: str = "controller",
    seen: datetime | None = None,
    not_after: datetime | None = None,
    **params: Any,
) -> ActionV1:
    """An action_v1 as somebody would submit it."""
    return ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": ts,
            "type": kind,
            "params": params,
            "id": key,
            "origin": origin,
            "why": {"state_ts": seen},
            "not_after": not_after,
        }
    )


def facts(now: datetime = NOON, seen: StateV1 | None = None, **more: Any) -> GuardContext:
    """A healthy moment, with what a test changes."""
    return GuardContext(now=now, state=seen if seen is not None else state(now), **more)


def ledger_view(guardrails: Guardrails, now: datetime = NOON + timedelta(seconds=100)) -> dict[str, object]:
    """Everything that a ledger tells of itself at `now`: equal views judge the next proposal alike."""
    ledger, now_s = guardrails.ledger, now.timestamp()
    view: dict[str, object] = {f"accepted {name}": ledger.accepted_within_hour(name, now_s) for name in PERMITTED}
    for name in OUTPUT_BY_NAME:
        hold = ledger.newest_hold(name)
        held = None if hold is None else astuple(hold)
        view[name] = (ledger.hour_used(name, now_s), ledger.day_used(name, now_s), ledger.last_s(name, now_s), held)
    return view
