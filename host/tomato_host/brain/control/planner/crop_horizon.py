"""What the crop's own terms need to know of the hours ahead, and of the day behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.control_inputs import air_readings
from tomato_host.brain.control.crop_limits import CROP_LIMITS, fruit_lag_s
from tomato_host.brain.control.photoperiod import light_seconds
from tomato_host.brain.control.planner.crop_terms import CropAim, fruit_course_c
from tomato_host.brain.control.targets import setpoints_at

Array = NDArray[np.float64]
HOUR = timedelta(hours=1)
MIN_HOURS = 3
"""A fruit's temperature is known from so many hours of air: what it was before has faded to a tenth by then."""


@dataclass(frozen=True, slots=True)
class RecentHours:
    """Means of the last whole hours, the newest last; empty where no log is kept, NaN where an hour is missing."""

    air_c: Array = field(default_factory=lambda: np.zeros(0))
    driest_pct: Array = field(default_factory=lambda: np.zeros(0))


def crop_aim(context: DecisionContext, past: RecentHours) -> CropAim:
    """The stage's limits over the horizon, with the light of each hour and what fruit and soil remember."""
    stage = context.targets.growth_stage if context.targets is not None else context.settings.stage
    limits = CROP_LIMITS[stage]
    now_c = air_readings(context)[0]
    fruit_c = None
    if limits.fruit_mm is not None:
        fruit_c = fruit_now_c(past.air_c, now_c, fruit_lag_s(limits.fruit_mm))
    share, age = _light(context)
    known = past.driest_pct[np.isfinite(past.driest_pct)]
    return CropAim(limits, share, age, fruit_c, now_c, float(known.max()) if len(known) else None)


def fruit_now_c(air_c: Array, now_c: float | None, lag_s: float) -> float | None:
    """A fruit's temperature from the air of the last hours; the air's own where too few are known, None without any.

    A missing hour is taken to be like the one before it.
    """
    known = np.isfinite(air_c)
    if known.sum() < MIN_HOURS:
        return now_c
    filled = air_c[known][np.maximum(np.cumsum(known) - 1, 0)]
    return float(fruit_course_c(filled[None], lag_s, float(filled[0]))[0, -1])


def _light(context: DecisionContext) -> tuple[Array, Array]:
    """Share of light in each hour, and hours since the light began at its middle (negative in the dark)."""
    zone, settings = context.site.zone, context.settings
    share, age = np.zeros(settings.horizon_h), np.full(settings.horizon_h, -1.0)
    for hour in range(settings.horizon_h):
        begin = context.now + HOUR * hour
        wanted = setpoints_at(begin + HOUR / 2, context)
        start_h, length_h = wanted.light_start_h, wanted.photoperiod_h
        share[hour] = light_seconds(begin, 3_600.0, zone, start_h, length_h)[1] / 3_600.0
        if share[hour] >= 0.5:
            local = (begin + HOUR / 2).astimezone(zone)
            age[hour] = (local.hour + local.minute / 60.0 - start_h) % 24.0
    return share, age
