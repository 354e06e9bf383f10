"""What the plants have been drinking lately: the one thing known of their water when no probe can be trusted."""

from __future__ import annotations

from tomato_host.brain.control.context import DecisionContext

HABIT_H = 48.0
"""Time constant with which a day's habitual water is learned; it begins at none, which errs on the careful side."""


def habit_ml(context: DecisionContext) -> float:
    """A day's habitual water by now, in ml: learned from the door's books while every probe is trusted."""
    memory, least = context.memory, context.settings.min_probe_confidence
    probes = context.state.soil.probes
    if context.water_used_ml is None or memory.decided_at is None or not probes:
        return memory.habit_ml
    if any(p.moisture_pct is None or p.confidence < least for p in probes):
        return memory.habit_ml
    hours = max(0.0, (context.now - memory.decided_at).total_seconds() / 3_600.0)
    return memory.habit_ml + (context.water_used_ml - memory.habit_ml) * hours / (HABIT_H + hours)
