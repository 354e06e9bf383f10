"""What the plants have used lately: all that is known of their water when no probe can be trusted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from shared_schemas.devices import PUMP, actions_of
from shared_schemas.records.action_v1 import ActionV1
from tomato_host.brain.control.context import DecisionContext

DOSES = actions_of(kind="pump")
USAGE_TIME_CONSTANT_H = 48.0
"""Time constant with which a day's usual water is learned; it begins at zero, which errs on the careful side."""


RECORDED_DAYS = 2
"""Days of recorded doses that give the usual amount after a restart."""


def recorded_usual_water_ml(actions: Iterable[ActionV1]) -> float:
    """A day's usual water by the actions of an earlier process, in ml: the mean of its last two days.

    A shorter record gives less than the plants used, which errs on the careful side.
    """
    doses = [(a.ts, a.outcome.delivered_ml or 0.0) for a in actions if a.type in DOSES and a.outcome]
    if not doses:
        return 0.0
    since = max(ts for ts, _ in doses) - timedelta(days=RECORDED_DAYS)
    return sum(ml for ts, ml in doses if ts > since) / RECORDED_DAYS


def usual_water_ml(context: DecisionContext) -> float:
    """A day's usual water by now, in ml: learned from the guardrails' ledger while every probe is trusted."""
    memory, least = context.memory, context.settings.min_probe_confidence
    probes, used_ml = context.state.soil.probes, context.used.get(PUMP.name)
    if used_ml is None or memory.decided_at is None or not probes:
        return memory.usual_water_ml
    if any(p.moisture_pct is None or p.confidence < least for p in probes):
        return memory.usual_water_ml
    hours = max(0.0, (context.now - memory.decided_at).total_seconds() / 3_600.0)
    return memory.usual_water_ml + (used_ml - memory.usual_water_ml) * hours / (USAGE_TIME_CONSTANT_H + hours)
