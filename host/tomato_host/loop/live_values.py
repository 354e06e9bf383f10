"""The present in numbers, computed once: terminal, dashboard, MQTT and metrics all show these and no others.

Temperature, humidity and soil water are shown as the newest observation has them, so what is derived from them (VPD,
leaf minus air) is derived from that same observation: the figures of one screen are of one moment and fit together. The
estimator's smoothed quantities, which lag behind by minutes where the lamp goes on, are what decisions rest on; they
are in `state_v1`. From the estimate come its confidence and the budgets.

Everything measured is unknown (None) once its observation is older than `STALE_S`: a cut line must not leave the last
value standing as if it were live. Budgets stay known, since only the host's own commands spend them.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from tomato_host.brain.psychrometrics import vpd_kpa

if TYPE_CHECKING:
    from shared_schemas.records import ObservationV1
    from tomato_host.loop.status import Status

STALE_S = 120.0
"""A reading older than this (twelve observations) says nothing about the present."""


class LiveValues(TypedDict):
    """Values of the present; None where unknown.

    `ts` and `age_s` are of the newest estimate, `reading_ts` is the moment of the newest observation, None when that is
    too old to be the present; times in ISO 8601.
    """

    ts: str | None
    age_s: float | None
    reading_ts: str | None
    vpd_kpa: float | None
    leaf_air_delta_c: float | None
    confidence: float | None
    water_ml_used_today: float | None
    water_ml_budget_today: float | None
    water_ml_left_today: float | None


UNKNOWN: LiveValues = {
    "ts": None,
    "age_s": None,
    "reading_ts": None,
    "vpd_kpa": None,
    "leaf_air_delta_c": None,
    "confidence": None,
    "water_ml_used_today": None,
    "water_ml_budget_today": None,
    "water_ml_left_today": None,
}


def is_present(moment: datetime, now: datetime) -> bool:
    """Whether what came in at `moment` still says something about `now`; both aware.

    What lies as far ahead was stamped before the clock was set back: its age is unknown.
    """
    return abs((now - moment).total_seconds()) <= STALE_S


def present_reading(status: Status) -> ObservationV1 | None:
    """The newest observation, unless it is too old to be the present."""
    seen = status.observation
    return seen if seen is not None and is_present(seen.received_ts or seen.ts, status.now) else None


def vpd_of_reading_kpa(air_temp_c: float | None, rh_pct: float | None) -> float | None:
    """Vapour pressure deficit of one reading, kPa; None where a part is missing."""
    return None if air_temp_c is None or rh_pct is None else round(vpd_kpa(air_temp_c, rh_pct), 3)


def leaf_minus_air_k(leaf_temp_c: float | None, air_temp_c: float | None) -> float | None:
    """How much warmer the leaf is than the air in one reading, K; None where a part is missing."""
    return None if leaf_temp_c is None or air_temp_c is None else round(leaf_temp_c - air_temp_c, 2)


def live_values(status: Status) -> LiveValues:
    """The values of `status.now`."""
    found: LiveValues = {**UNKNOWN}
    seen = present_reading(status)
    if seen is not None:
        found["reading_ts"] = seen.ts.isoformat()
        found["vpd_kpa"] = vpd_of_reading_kpa(seen.air_temp_c, seen.rh_pct)
        found["leaf_air_delta_c"] = leaf_minus_air_k(seen.leaf_temp_c, seen.air_temp_c)
    if status.estimate is not None:
        state, age_s = status.estimate.state, (status.now - status.estimate.ts).total_seconds()
        used, budget = state.budgets.water_ml_used_today, state.budgets.water_ml_budget_today
        found["ts"] = state.ts.isoformat()
        found["age_s"] = round(max(0.0, age_s), 1)
        # An estimate from the future was made before the clock was set back; its age is unknown, so it is not fresh.
        found["confidence"] = state.confidence if -1.0 <= age_s <= STALE_S else None
        found["water_ml_used_today"], found["water_ml_budget_today"] = used, budget
        found["water_ml_left_today"] = round(max(0.0, budget - used), 1)
    return found
