"""The water balance of one pot: drying, uptake, watering and drainage, learned from the errors of rollouts.

Learning from one hour to the next does not work: a pot loses a few tenths of a point an hour, and a probe's noise is as
large. So the law is rolled forward from every hour for up to a day with what was really done, and the difference at the
end is the residual. How each coefficient moves that end is found by finite differences; with residual and slopes the
nightly update is one step of Gauss and Newton inside the recursive least squares of `bounded_rls.py`.

A container capacity, above which fresh water drains, is not linear: it either differs or does not. It is searched on a
grid (`CAPACITIES_PCT`) by rolling the three hours after each dose under every candidate, and accepted only once it has
explained these hours clearly better than no capacity at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tomato_host.brain.world_model.arrays import FEW, OF_ARRAYS, OF_FLOATS, Arithmetic, Array, Index
from tomato_host.brain.world_model.bounded_rls import BoundedRls
from tomato_host.brain.world_model.priors import (
    CAPACITIES_PCT,
    NO_CAPACITY_PCT,
    NOISE,
    SOIL_LAW,
    SOIL_REFERENCE_PCT,
    UPTAKE_FALLS_BELOW_PCT,
)

DAY_H = 24
FIT_H = (3, 6, 12, 18, 24)
"""Horizons whose errors are learned from where the watering is known: errors of an hour grow over a day."""

FIT_UNWATERED_H = (6,)
"""The same where the watering is unknown: long enough for the drying to exceed the probe's noise."""

FORGET_PER_DAY = 0.75
"""Some four days count: leaves grow, pots dry unevenly, probes age."""

WATER_UNIT_ML = 100.0
_WATER = [k for k, c in enumerate(SOIL_LAW) if c.name in ("water_now", "water_before")]
_CAPACITY = [c.name for c in SOIL_LAW].index("capacity")
_CAPACITY_STEP_PCT = 0.3
"""How far the capacity may drift in a day, in points, because probes age."""

_CAPACITY_SPREAD_PCT = 1.0
_DOSE_H = 3
"""Hours after a dose in which drainage shows, and the controller's next action does not yet."""

_ERROR_MEMORY = 0.85
_LEAST_EFFECT_PCT = 0.05
"""A capacity is judged by the hours in which it makes at least this difference, in points."""

_MARGIN = 0.7
"""Where it makes a difference, a capacity must err this much less than none before it is accepted ..."""

_LEAST_GAIN_PCT_H = 1.0
"""... and have spared this much error in all, in points times hours."""

_MUCH_BETTER = 1.5
"""A capacity that has spared this many times more error than the accepted one replaces it."""

_SLOPE_STEPS = np.where(np.arange(len(SOIL_LAW)) == _CAPACITY, 0.05, 0.001)


@dataclass(frozen=True)
class PotInputs:
    """What acts on a pot, by hour [..., H]: kPa, shares of light and fan, water in WATER_UNIT_ML."""

    vpd: Array
    lamp: Array
    fan: Array
    water: Array

    def at(self, index: Index) -> PotInputs:
        """Those hours of a series [n]."""
        return PotInputs(self.vpd[index], self.lamp[index], self.fan[index], self.water[index])


class PotDynamics:
    """The law of one zone, and how well each container capacity explains what recently remained of the doses."""

    def __init__(self) -> None:
        self.law = BoundedRls(SOIL_LAW, NOISE["soil"], FORGET_PER_DAY)
        self.errors: Array = np.zeros((2, len(CAPACITIES_PCT)))
        """Faded error with each capacity and with none, in the hours after doses in which the two differ."""
        self.drains = False
        """Whether a capacity is accepted."""

    @property
    def theta(self) -> Array:
        """Coefficients in the order of SOIL_LAW; the capacity is NO_CAPACITY_PCT until one is accepted."""
        return self.law.theta if self.drains else _with_capacity(self.law.theta, NO_CAPACITY_PCT)

    @property
    def gain(self) -> tuple[float, float]:
        """What WATER_UNIT_ML of pumped water raise the pot by, in points, and one standard deviation of it."""
        both = np.isin(np.arange(len(SOIL_LAW)), _WATER).astype(np.float64)
        return float(both @ self.theta), self.law.spread_of(both)

    def update(self, moisture: Array, hours: PotInputs, new: int) -> None:
        """Learn the last `new` hours of a series [n]; up to a day before them serves as starts of rollouts."""
        watered = bool(hours.water[-new:].any())
        if watered:
            self._score_capacities(moisture, hours, new)
        if self.drains:
            self.law.loosen(_CAPACITY, _CAPACITY_STEP_PCT)
        horizons = FIT_H if hours.water.any() else FIT_UNWATERED_H
        self.law.update(*_rows(self.theta, moisture, hours, new, horizons))

    def _score_capacities(self, moisture: Array, hours: PotInputs, new: int) -> None:
        """Roll from before each dose under every capacity; accept the best if it beats having none."""
        begin = np.arange(max(len(moisture) - new - _DOSE_H, 0), len(moisture) - 1, dtype=np.int64)
        begin = begin[hours.water[begin + 1] > 0.0]
        theta = np.repeat(self.theta[None], len(CAPACITIES_PCT) + 1, axis=0)
        theta[:, _CAPACITY] = (*CAPACITIES_PCT, NO_CAPACITY_PCT)
        levels, truth = _rolled(theta, moisture, hours, begin, _DOSE_H, new)
        error = np.abs(levels - truth)
        differs = (np.abs(levels[:-1] - levels[-1]) > _LEAST_EFFECT_PCT) & np.isfinite(error[:-1])
        missed = [np.where(differs, one, 0.0).sum(axis=(1, 2)) for one in (error[:-1], error[-1])]
        self.errors = _ERROR_MEMORY * self.errors + np.stack(missed)
        self._accept_best_capacity()

    def _accept_best_capacity(self) -> None:
        gain = self.errors[1] - self.errors[0]
        sound = (self.errors[0] < _MARGIN * self.errors[1]) & (gain > _LEAST_GAIN_PCT_H)
        best = int(np.argmax(np.where(sound, gain, -np.inf)))
        now = int(np.argmin(np.abs(np.array(CAPACITIES_PCT) - self.law.theta[_CAPACITY])))
        if self.drains and gain[now] < 0.0:
            self.drains = False
        if sound[best] and (not self.drains or gain[best] > _MUCH_BETTER * gain[now]):
            self.drains = True
            self.law.restart(_CAPACITY, CAPACITIES_PCT[best], _CAPACITY_SPREAD_PCT)

    def named(self) -> dict[str, float]:
        """Coefficients by name."""
        return {c.name: round(float(v), 6) for c, v in zip(SOIL_LAW, self.theta, strict=True)}


def roll_levels(theta: Array, start: Array, water_before: Array, ahead: PotInputs) -> Array:
    """Water content in % [R, B, H] of R pots (or candidates for one), coefficients [R, 11], through B futures [B, H].

    `start` [R, B] or [R, 1] in %, `water_before` [B] of the hour before. Only fresh water drains, this hour's or what
    the hour before left: a capacity estimated too low then loses the last dose only, not the water of the whole pot.
    """
    k = theta.T[:, :, None, None]
    before = np.concatenate((water_before[:, None], ahead.water[:, :-1]), axis=1)
    dry = k[0] * ahead.vpd + k[1] * ahead.lamp + k[2] * (ahead.lamp * ahead.vpd) + k[3] * ahead.fan + k[4]
    pull, uptake_fall, shed, capacity = k[5, ..., 0] / 10.0, k[8, ..., 0] / 10.0, -k[9, ..., 0], k[10, ..., 0]
    dry = np.minimum(dry, 0.0) - pull[..., None] * SOIL_REFERENCE_PCT
    gained = k[6] * ahead.water + k[7] * before
    uptake_at_0 = 1.0 - uptake_fall * UPTAKE_FALLS_BELOW_PCT
    left = np.maximum(1.0 + pull, 0.0)  # what dried cannot drain as well: more water must never leave a pot drier
    drains = bool((capacity < NO_CAPACITY_PCT).any())
    level = np.broadcast_to(start, dry.shape[:2])
    fresh = np.broadcast_to(k[6, ..., 0] * water_before, dry.shape[:2])
    pots = (pull, uptake_fall, uptake_at_0, shed, capacity, left)
    if level.size > FEW:
        laws = _PotHour(OF_ARRAYS, drains, *pots)
        return _through(laws, level, fresh, dry.transpose(2, 0, 1), gained.transpose(2, 0, 1)).transpose(1, 2, 0)
    levels = np.empty(dry.shape)
    named = zip(*(pot[:, 0].tolist() for pot in pots), strict=True)
    starts = zip(level.tolist(), fresh.tolist(), dry.tolist(), gained.tolist(), strict=True)
    for r, (coefficients, futures) in enumerate(zip(named, starts, strict=True)):
        laws = _PotHour(OF_FLOATS, drains, *coefficients)
        for b, (one, moist, losses, gains) in enumerate(zip(*futures, strict=True)):
            levels[r, b] = _through(laws, one, moist, losses, gains)
    return levels


class _PotHour(NamedTuple):
    """One hour of a pot, or of arrays of pots: coefficients as `roll_levels` derives them, all floats or arrays."""

    of: Arithmetic
    drains: bool
    pull: Any
    uptake_fall: Any
    uptake_at_0: Any
    shed: Any
    capacity: Any
    left: Any

    def after(self, level: Any, fresh: Any, loss: Any, gain: Any) -> tuple[Any, Any]:
        """Water content in % and fresh water after an hour."""
        minimum, maximum = self.of
        uptake = maximum(minimum(self.uptake_at_0 + self.uptake_fall * level, 1.0), 0.0)
        level = level + minimum(loss + self.pull * level, 0.0) * uptake + gain
        if self.drains:
            drained = self.shed * minimum(maximum(level - self.capacity, 0.0), fresh + gain)
            fresh = maximum(gain - drained, 0.0) * self.left
            level = level - drained
        return minimum(maximum(level, 0.0), 100.0), fresh


def _through(laws: _PotHour, level: Any, fresh: Any, losses: Any, gains: Any) -> Array:
    """Levels after each hour [H, ...]."""
    levels = []
    for loss, gain in zip(losses, gains, strict=True):
        level, fresh = laws.after(level, fresh, loss, gain)
        levels.append(level)
    return np.array(levels)


def _rows(theta: Array, moisture: Array, hours: PotInputs, new: int, fit_h: tuple[int, ...]) -> tuple[Array, Array]:
    """Regressors [n, 11] and targets [n] of the law around `theta`: slopes of the rolled level, and its errors."""
    begin = np.arange(len(moisture) - 1, dtype=np.int64)
    varied = theta + np.vstack((np.zeros(len(theta)), np.diag(_SLOPE_STEPS)))
    levels, truth = _rolled(varied, moisture, hours, begin, max(fit_h), new)
    at = np.array(fit_h) - 1
    base = levels[0][:, at]
    slopes = (levels[1:, :, at] - base) / _SLOPE_STEPS[:, None, None]
    x = slopes.reshape(len(theta), -1).T
    return x, (truth[:, at] - base).ravel() + x @ theta


def _rolled(theta: Array, moisture: Array, hours: PotInputs, begin: Index, ahead: int, new: int) -> tuple[Array, Array]:
    """Levels [R, B, ahead] rolled from the hours `begin` [B], and the truth [B, ahead] where it is one of the new."""
    s = begin[:, None] + np.arange(1, ahead + 1)
    inside = np.minimum(s, len(moisture) - 1)
    levels = roll_levels(theta, moisture[begin][None], hours.water[begin], hours.at(inside))
    is_new = (s < len(moisture)) & (s >= len(moisture) - new)
    return levels, np.where(is_new, moisture[inside], np.nan)


def _with_capacity(theta: Array, capacity_pct: float) -> Array:
    return np.where(np.arange(len(theta)) == _CAPACITY, capacity_pct, theta)
