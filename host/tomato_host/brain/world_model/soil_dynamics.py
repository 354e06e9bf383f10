"""One pot's water: how it dries, drinks and drains, taught by what rollouts of up to a day would have missed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.world_model.bounded_rls import BoundedRls
from tomato_host.brain.world_model.priors import (
    CAPACITIES_PCT,
    NOISE,
    ROOMY_PCT,
    SOIL_LAW,
    SOIL_REFERENCE_PCT,
    THIRSTY_BELOW_PCT,
)
from tomato_host.brain.world_model.psychrometrics import Array

_Hours = NDArray[np.int64]
DAY_H = 24
TAUGHT_H = (3, 6, 12, 18, 24)
"""Horizons whose misses teach a pot whose watering is known: a small error of one hour is heard after a day."""

TAUGHT_UNWATERED_H = (6,)
"""The same where no watering is told: long enough to hear the drying through the probe's noise."""

FORGET_PER_DAY = 0.75
"""Some four days count: leaves grow, pots dry unevenly, probes age."""

WATER_UNIT_ML = 100.0
_CAPACITY = [c.name for c in SOIL_LAW].index("capacity")
_CAPACITY_STEP_PCT = 0.3
"""How far the capacity may wander in a day, in the points of an ageing probe."""

_CAPACITY_SPREAD_PCT = 1.0
_DOSE_H = 3
"""Hours after a dose in which drainage shows, and a controller's habits do not yet."""

_ERROR_MEMORY = 0.85
_BITES_PCT = 0.05
"""A capacity is judged by the hours in which it makes at least this difference, in points."""

_MARGIN = 0.7
"""Where it makes a difference, a capacity has to err this much less than none before it is believed ..."""

_LEAST_GAIN_PCT_H = 1.0
"""... and have spared this much error in all, in points times hours."""

_MUCH_BETTER = 1.5
"""A capacity that has spared this many times more than the believed one takes its place."""

_SLOPE_STEPS = np.where(np.arange(len(SOIL_LAW)) == _CAPACITY, 0.05, 0.001)


@dataclass(frozen=True)
class SoilHours:
    """What a pot lives through, by hour [..., H]: kPa, shares of light and fan, water in WATER_UNIT_ML."""

    vpd: Array
    light: Array
    fan: Array
    water: Array

    def at(self, index: _Hours) -> SoilHours:
        """Those hours of a course [n]."""
        return SoilHours(self.vpd[index], self.light[index], self.fan[index], self.water[index])


class SoilLaw:
    """The law of one zone, and how well each container capacity explains what stayed of the doses lately."""

    def __init__(self) -> None:
        self.law = BoundedRls(SOIL_LAW, NOISE["soil"], FORGET_PER_DAY)
        self.errors: Array = np.zeros((2, len(CAPACITIES_PCT)))
        """Faded error with each capacity and with none, in the hours after doses in which the two differ."""
        self.drains = False
        """Whether a capacity is believed."""

    @property
    def theta(self) -> Array:
        """Coefficients in the order of SOIL_LAW; the capacity is ROOMY_PCT until one is believed."""
        return self.law.theta if self.drains else _with_capacity(self.law.theta, ROOMY_PCT)

    def teach(self, moisture: Array, hours: SoilHours, new: int) -> None:
        """Learn the last `new` hours of a course [n], of which up to a day more tells where rollouts began."""
        watered = bool(hours.water[-new:].any())
        if watered:
            self._weigh_capacities(moisture, hours, new)
        if self.drains:
            self.law.loosen(_CAPACITY, _CAPACITY_STEP_PCT)
        told = TAUGHT_H if hours.water.any() else TAUGHT_UNWATERED_H
        self.law.teach(*_rows(self.theta, moisture, hours, new, told))

    def _weigh_capacities(self, moisture: Array, hours: SoilHours, new: int) -> None:
        """Roll from before each dose under every capacity; believe the best if it beats having none."""
        begin = np.arange(max(len(moisture) - new - _DOSE_H, 0), len(moisture) - 1, dtype=np.int64)
        begin = begin[hours.water[begin + 1] > 0.0]
        theta = np.repeat(self.theta[None], len(CAPACITIES_PCT) + 1, axis=0)
        theta[:, _CAPACITY] = (*CAPACITIES_PCT, ROOMY_PCT)
        levels, truth = _rolled(theta, moisture, hours, begin, _DOSE_H, new)
        error = np.abs(levels - truth)
        bites = (np.abs(levels[:-1] - levels[-1]) > _BITES_PCT) & np.isfinite(error[:-1])
        missed = [np.where(bites, one, 0.0).sum(axis=(1, 2)) for one in (error[:-1], error[-1])]
        self.errors = _ERROR_MEMORY * self.errors + np.stack(missed)
        self._believe_the_best()

    def _believe_the_best(self) -> None:
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


def roll_levels(theta: Array, start: Array, water_before: Array, ahead: SoilHours) -> Array:
    """Water content in % [R, B, H] of R pots (or guesses at one) with coefficients [R, 11] through B courses [B, H].

    `start` [R, B] or [R, 1] in %, `water_before` [B] of the hour before. Only fresh water drains, this hour's or what
    the hour before left: a capacity believed too low then costs the last dose and not the pot.
    """
    k = theta.T[:, :, None, None]
    before = np.concatenate((water_before[:, None], ahead.water[:, :-1]), axis=1)
    dry = k[0] * ahead.vpd + k[1] * ahead.light + k[2] * (ahead.light * ahead.vpd) + k[3] * ahead.fan + k[4]
    pull, thirst, shed, capacity = k[5, ..., 0] / 10.0, k[8, ..., 0] / 10.0, -k[9, ..., 0], k[10, ..., 0]
    dry = np.minimum(dry, 0.0) - pull[..., None] * SOIL_REFERENCE_PCT
    gained = k[6] * ahead.water + k[7] * before
    drinks_at_0 = 1.0 - thirst * THIRSTY_BELOW_PCT
    left = np.maximum(1.0 + pull, 0.0)  # what dried cannot drain as well: more water must never leave a pot drier
    level = np.broadcast_to(start, dry.shape[:2])
    fresh = np.broadcast_to(k[6, ..., 0] * water_before, dry.shape[:2])
    drains = bool((capacity < ROOMY_PCT).any())
    levels = np.empty((dry.shape[2], *dry.shape[:2]))
    for h, (asked, gain) in enumerate(zip(dry.transpose(2, 0, 1), gained.transpose(2, 0, 1), strict=True)):
        drinks = np.maximum(np.minimum(drinks_at_0 + thirst * level, 1.0), 0.0)
        level = level + np.minimum(asked + pull * level, 0.0) * drinks + gain
        if drains:
            drained = shed * np.minimum(np.maximum(level - capacity, 0.0), fresh + gain)
            fresh = np.maximum(gain - drained, 0.0) * left
            level = level - drained
        level = np.minimum(np.maximum(level, 0.0), 100.0)
        levels[h] = level
    return levels.transpose(1, 2, 0)


def _rows(theta: Array, moisture: Array, hours: SoilHours, new: int, told: tuple[int, ...]) -> tuple[Array, Array]:
    """Regressors [n, 11] and targets [n] of the law around `theta`: slopes of the rolled level, and what it missed."""
    begin = np.arange(len(moisture) - 1, dtype=np.int64)
    turned = theta + np.vstack((np.zeros(len(theta)), np.diag(_SLOPE_STEPS)))
    levels, truth = _rolled(turned, moisture, hours, begin, max(told), new)
    at = np.array(told) - 1
    base = levels[0][:, at]
    slopes = (levels[1:, :, at] - base) / _SLOPE_STEPS[:, None, None]
    x = slopes.reshape(len(theta), -1).T
    return x, (truth[:, at] - base).ravel() + x @ theta


def _rolled(
    theta: Array, moisture: Array, hours: SoilHours, begin: _Hours, ahead: int, new: int
) -> tuple[Array, Array]:
    """Levels [R, B, ahead] rolled from the hours `begin` [B], and the truth [B, ahead] where it is one of the new."""
    s = begin[:, None] + np.arange(1, ahead + 1)
    inside = np.minimum(s, len(moisture) - 1)
    levels = roll_levels(theta, moisture[begin][None], hours.water[begin], hours.at(inside))
    is_new = (s < len(moisture)) & (s >= len(moisture) - new)
    return levels, np.where(is_new, moisture[inside], np.nan)


def _with_capacity(theta: Array, capacity_pct: float) -> Array:
    return np.where(np.arange(len(theta)) == _CAPACITY, capacity_pct, theta)
