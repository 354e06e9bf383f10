"""Costs of a plan that bands do not show: dew on fruit and leaves, mould, flowers, calcium, heat that tells later.

Each term is a row of `CROP_TERMS`: a name, a weight, its source, and a pure function from the predicted course to what
each hour costs, in the unit of the objective's stress (1: an hour well outside a band). The planner adds their weighted
sum to its stress; a plan's record lists every term that its stage has, with weight and cost, and its explanation names
the terms that decided: those by which the plan that would be best without them lost (`deciding`).

A term costs nothing in a stage that has no such limit, and a course that keeps all limits costs nothing at all, so the
terms only ever choose among plans whose hours are alike by the bands. Costs are bounded: one bad hour of one term must
not hide the others.

Rejected: limits as hard bounds of the search (a plan that cannot keep them all must still be the least bad), and one
formula for "risk of disease" (Botrytis models such as those of Broome et al. 1995, Phytopathology 85, need hours of
wetness that are not measured here; the dew point is).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.crop_limits import CropLimits, fruit_lag_s
from tomato_host.brain.control.evaluation import DAMP_PCT
from tomato_host.brain.psychrometric_arrays import dew_point_array_c, rh_array_pct

Array = NDArray[np.float64]
MOST = 2.0
"""No hour of one term costs more."""
DEW_MARGIN_K = 1.0
"""A surface this far above the dew point is safe: sensors, and places that a sensor does not see, differ by as much."""
LEAF_BELOW_AIR_K = 0.5
"""A dark leaf that gives off water stands below the air (Monteith and Unsworth 2013, ch. 14); in a tent no cold sky
adds to it."""
RAMP_K_PER_H, RAMP_NEAR_K = 1.5, 3.0
"""Air may warm so fast while the dew point is near the fruit: a fruit of 60 mm lags by 1.2 h, so it then stands 1.8 K
below the air. Growers' guides say 1 K an hour for houses with more fruit than air moves (Prenger and Ling,
"Greenhouse Condensation Control", Ohio State AEX-800)."""
MOULD_RAMP_PCT = 3.0
"""Grey mould infects tomatoes in air near saturation and hardly in drier air (Eden et al. 1996, Plant Pathology 45).
The cost begins this far below what counts as damp, and is 1 there: about what a hygrometer errs."""
SHED_FROM_H, SHED_TO_H = 3.0, 9.0
"""Hours after light begins in which flowers shed pollen: from mid-morning to mid-afternoon (Picken 1984)."""
KELVIN, HUMIDITY_PCT = 4.0, 20.0
"""Outside its window by so much, an hour's pollination counts as lost."""


@dataclass(frozen=True, slots=True)
class CropAim:
    """What a horizon's crop terms need beside the predicted course; arrays [H]."""

    limits: CropLimits
    light_share: Array
    light_age_h: Array
    """Hours since the light began, negative in the dark."""
    fruit_c: float | None
    """The fruit's temperature now; None takes the air's."""
    air_before_c: float | None = None
    """The air before the first hour, for its ramp; None: no ramp in the first hour."""
    soil_high_before_pct: float | None = None
    """The highest the driest zone has been in the last day."""


@dataclass(frozen=True)
class CropCourse:
    """A predicted course, arrays [B, H]; what several terms ask for is computed once."""

    aim: CropAim
    air_c: Array
    vpd_kpa: Array
    driest_pct: Array

    @cached_property
    def rh_pct(self) -> Array:
        """Relative humidity [B, H] in %."""
        return rh_array_pct(self.air_c, np.maximum(self.vpd_kpa, 0.0))

    @cached_property
    def dew_c(self) -> Array:
        """Dew point of the air [B, H] in degC."""
        return dew_point_array_c(self.air_c, self.rh_pct)

    @cached_property
    def fruit_mean_c(self) -> Array:
        """Mean temperature of the fruit in each hour [B, H], as the air's and the dew point's are means."""
        aim, air = self.aim, self.air_c
        assert aim.limits.fruit_mm is not None
        lag_s = fruit_lag_s(aim.limits.fruit_mm)
        start = air[:, 0] if aim.fruit_c is None else np.full(len(air), aim.fruit_c)
        begins = np.concatenate([start[:, None], fruit_course_c(air, lag_s, start)[:, :-1]], axis=1)
        share = lag_s / 3_600.0 * (1.0 - np.exp(-3_600.0 / lag_s))
        return np.asarray(air + (begins - air) * share)


@dataclass(frozen=True, slots=True)
class CropTerm:
    """One cost: `weight` is relative to the objective's stress, `cost` gives [B, H], 0 where all is well."""

    name: str
    weight: float
    source: str
    applies: Callable[[CropLimits], bool]
    cost: Callable[[CropCourse], Array]


def fruit_course_c(air_c: Array, lag_s: float, start_c: Array | float) -> Array:
    """Temperature [B, H] of a body that follows the air [B, H] with a time constant in s, at the end of each hour.

    The air of an hour is taken as steady, so each step is exact: the distance shrinks by exp(-3600/lag).
    """
    keep = float(np.exp(-3_600.0 / lag_s))
    out, now = np.empty_like(air_c), np.broadcast_to(np.asarray(start_c, dtype=float), air_c[:, 0].shape)
    for hour in range(air_c.shape[1]):
        now = air_c[:, hour] + (now - air_c[:, hour]) * keep
        out[:, hour] = now
    return out


def _near_dew(surface_c: Array, dew_c: Array) -> Array:
    """0 at the margin above the dew point, 1 where dew forms, at most MOST."""
    return np.asarray(np.clip((DEW_MARGIN_K - (surface_c - dew_c)) / DEW_MARGIN_K, 0.0, MOST))


def dew_on_fruit(course: CropCourse) -> Array:
    """Dew on the lagging fruit's skin."""
    return _near_dew(course.fruit_mean_c, course.dew_c)


def dew_on_leaves(course: CropCourse) -> Array:
    """Dew on leaves in dark hours."""
    dark = 1.0 - course.aim.light_share
    return dark * _near_dew(course.air_c - LEAF_BELOW_AIR_K, course.dew_c)


def grey_mould(course: CropCourse) -> Array:
    """Damp air, whatever its deficit: the colder it is, the damper is air of the same deficit."""
    return np.asarray(np.clip((course.rh_pct - DAMP_PCT) / MOULD_RAMP_PCT + 1.0, 0.0, MOST))


def morning_ramp(course: CropCourse) -> Array:
    """Air that warms faster than fruit follows while the dew point is near its skin; dry air may warm at any rate."""
    air, before = course.air_c, course.aim.air_before_c
    first = air[:, :1] if before is None else np.full_like(air[:, :1], before)
    rise = np.diff(np.concatenate([first, air], axis=1), axis=1)
    near = np.clip((RAMP_NEAR_K - (course.fruit_mean_c - course.dew_c)) / RAMP_NEAR_K, 0.0, 1.0)
    return np.asarray(np.minimum(near * np.maximum(rise - RAMP_K_PER_H, 0.0) / RAMP_K_PER_H, MOST))


def day_night(course: CropCourse) -> Array:
    """Difference of day and night outside its band, spread evenly over the hours; nothing without both in sight."""
    light = course.aim.light_share
    day, night = float(light.sum()), float((1.0 - light).sum())
    if day < 2.0 or night < 2.0:
        return np.zeros_like(course.air_c)
    warm = (course.air_c * light).sum(axis=1) / day - (course.air_c * (1.0 - light)).sum(axis=1) / night
    low, high = course.aim.limits.day_night_k
    off = (np.maximum(low - warm, 0.0) + np.maximum(warm - high, 0.0)) / KELVIN
    return np.broadcast_to(np.minimum(off, MOST)[:, None], course.air_c.shape).copy()


def pollination(course: CropCourse) -> Array:
    """Warmth and humidity outside their windows in the hours of pollen."""
    limits = course.aim.limits
    assert limits.pollination_c is not None and limits.pollination_rh_pct is not None
    age = course.aim.light_age_h
    shedding = ((age >= SHED_FROM_H) & (age < SHED_TO_H)).astype(float)
    lost = _outside(course.air_c, limits.pollination_c) / KELVIN
    lost = lost + _outside(course.rh_pct, limits.pollination_rh_pct) / HUMIDITY_PCT
    return np.asarray(shedding * np.minimum(lost, MOST))


def _outside(value: Array, band: tuple[float, float]) -> Array:
    return np.asarray(np.maximum(band[0] - value, 0.0) + np.maximum(value - band[1], 0.0))


def blossom_end_rot(course: CropCourse) -> Array:
    """Calcium that fruit goes without: leaves that pull in dry light hours, and a root zone that has swung too far."""
    limits = course.aim.limits
    assert limits.leaf_pull_kpa is not None and limits.moisture_swing_pct is not None
    pull = course.aim.light_share * np.clip((course.vpd_kpa - limits.leaf_pull_kpa) / limits.leaf_pull_kpa, 0.0, 1.0)
    before = course.aim.soil_high_before_pct
    highest = np.maximum.accumulate(course.driest_pct, axis=1)
    if before is not None:
        highest = np.maximum(highest, before)
    swing = np.clip((highest - course.driest_pct) / limits.moisture_swing_pct - 1.0, 0.0, 1.0)
    return np.asarray(pull + swing)


def heat_delay(course: CropCourse) -> Array:
    """Heat that tells days later: hot hours (pollen of the coming flowers), and a day's mean too warm (set, ripening).

    The mean is that of whole days ahead; a shorter horizon is judged by its hours only.
    """
    limits = course.aim.limits
    assert limits.heat_mean_c is not None and limits.heat_hour_c is not None
    hot = np.maximum(course.air_c - limits.heat_hour_c, 0.0) / KELVIN
    if course.air_c.shape[1] >= 24:
        mean = course.air_c[:, :24].mean(axis=1, keepdims=True)
        hot = hot + np.maximum(mean - limits.heat_mean_c, 0.0) / KELVIN
    return np.asarray(np.minimum(hot, MOST))


def _has_fruit(limits: CropLimits) -> bool:
    return limits.fruit_mm is not None


CROP_TERMS: tuple[CropTerm, ...] = (
    CropTerm("dew on fruit", 0.6, "Prenger and Ling, AEX-800; fruit lag: Incropera ch. 5", _has_fruit, dew_on_fruit),
    CropTerm("dew on leaves", 0.3, "Prenger and Ling, AEX-800", lambda limits: True, dew_on_leaves),
    CropTerm("grey mould", 0.9, "Eden et al. 1996", lambda limits: True, grey_mould),
    CropTerm("morning ramp", 0.3, "Prenger and Ling, AEX-800; fruit lag: Incropera ch. 5", _has_fruit, morning_ramp),
    CropTerm("day and night", 0.1, "Heuvelink 1989; Khanal et al. 2013", lambda limits: True, day_night),
    CropTerm(
        "pollination",
        0.3,
        "Picken 1984; Harel et al. 2014",
        lambda limits: limits.pollination_c is not None and limits.pollination_rh_pct is not None,
        pollination,
    ),
    CropTerm(
        "blossom-end rot",
        0.3,
        "Ho and White 2005",
        lambda limits: limits.leaf_pull_kpa is not None and limits.moisture_swing_pct is not None,
        blossom_end_rot,
    ),
    CropTerm(
        "heat delay",
        0.3,
        "Adams et al. 2001; Mulholland et al. 2003; Harel et al. 2014",
        lambda limits: limits.heat_mean_c is not None and limits.heat_hour_c is not None,
        heat_delay,
    ),
)
"""In the order in which a plan lists them."""


def crop_costs(course: CropCourse) -> dict[str, Array]:
    """Unweighted cost of each hour [B, H] by term, for the terms that this stage has."""
    return {term.name: term.cost(course) for term in CROP_TERMS if term.applies(course.aim.limits)}


def crop_stress(costs: Mapping[str, Array], shape: tuple[int, ...]) -> Array:
    """Weighted sum of costs by term, in the unit of stress; zeros of `shape` where there are none."""
    total = np.zeros(shape)
    for term in CROP_TERMS:
        if term.name in costs:
            total += term.weight * costs[term.name]
    return total


def deciding(j: Array, costs: Mapping[str, Array], stress_weight: float) -> tuple[str, ...]:
    """Terms that decided among plans; `j` [B] with all terms, `costs` [B] by term, unweighted.

    The chosen plan is the best by `j`. If another one would be the best without the crop's terms, those terms decided
    by which that one loses: the one that costs it most, and every one that costs it at least half as much.
    """
    best = int(np.argmax(j))
    bare = j + stress_weight * crop_stress(costs, j.shape)
    rival = int(np.argmax(bare))
    if float(bare[rival]) <= float(bare[best]) + 1e-9:
        return ()
    lost = {term.name: term.weight * float(costs[term.name][rival] - costs[term.name][best])
            for term in CROP_TERMS if term.name in costs}  # fmt: skip
    most = max(lost.values())
    return tuple(name for name, loss in lost.items() if loss >= 0.5 * most)
