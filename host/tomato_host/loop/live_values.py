"""The present in numbers, computed once: terminal, dashboard, MQTT and metrics all show these and no others.

A recorded state is up to half an hour old. The estimator, though, takes a step with every observation, and its newest
estimate is what "now" means. Quantities of the air are unknown (None) once that estimate is older than `STALE_S`: a cut
line must not leave the last value standing as if it were live. Budgets stay known, since only the host's own commands
spend them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from tomato_host.loop.status import Status

STALE_S = 120.0
"""An estimate older than this (twelve observations) says nothing about the present."""


class LiveValues(TypedDict):
    """Values of the present; None where unknown. `ts` is the moment of the newest estimate, ISO 8601."""

    ts: str | None
    age_s: float | None
    vpd_kpa: float | None
    leaf_air_delta_c: float | None
    confidence: float | None
    water_ml_used_today: float | None
    water_ml_budget_today: float | None
    water_ml_left_today: float | None


UNKNOWN: LiveValues = {
    "ts": None,
    "age_s": None,
    "vpd_kpa": None,
    "leaf_air_delta_c": None,
    "confidence": None,
    "water_ml_used_today": None,
    "water_ml_budget_today": None,
    "water_ml_left_today": None,
}


def live_values(status: Status) -> LiveValues:
    """The values of `status.now`, from the newest estimate."""
    if status.estimate is None:
        return UNKNOWN
    state, age_s = status.estimate.state, (status.now - status.estimate.ts).total_seconds()
    # An estimate from the future was made before the clock was set back; its age is unknown, so it is not fresh.
    fresh = -1.0 <= age_s <= STALE_S
    used, budget = state.budgets.water_ml_used_today, state.budgets.water_ml_budget_today
    return {
        "ts": state.ts.isoformat(),
        "age_s": round(max(0.0, age_s), 1),
        "vpd_kpa": state.env.vpd_kpa if fresh else None,
        "leaf_air_delta_c": state.plant.leaf_air_delta_c if fresh else None,
        "confidence": state.confidence if fresh else None,
        "water_ml_used_today": used,
        "water_ml_budget_today": budget,
        "water_ml_left_today": round(max(0.0, budget - used), 1),
    }
