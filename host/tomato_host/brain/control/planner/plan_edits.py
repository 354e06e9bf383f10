"""What the planner may change in a plan of the tent, and what makes a plan allowed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.control.plan_columns import COLUMN_OF, COLUMNS, DOSE_K, GAS_K, LAMP_K, MAT_K, MIST_K, VENT_K
from tomato_host.brain.control.strokes import ON

Array = NDArray[np.float64]
MIN_DOSE_ML = 40.0
MAX_DOSE_ML = 400.0
MIN_GAS_S = 4.0
ROUNDING = 1e-6
"""A sum may pass its limit by this much: plans are sums of many edits."""
SIZES: tuple[dict[int, tuple[float, ...]], ...] = (
    {VENT_K: (0.4, 0.15), MIST_K: (0.25,), MAT_K: (0.5,), DOSE_K: (200.0,), GAS_K: (40.0,)},
    {VENT_K: (0.1, 0.05), MIST_K: (0.1,), MAT_K: (0.2,), DOSE_K: (80.0,), GAS_K: (15.0,)},
    {VENT_K: (0.02,), MIST_K: (0.04,), DOSE_K: (30.0,)},
)
"""Edit sizes by level, coarse to fine: shares of the hour, ml, s."""
HELD = tuple(k for k in COLUMN_OF.values() if k not in (LAMP_K, VENT_K, MIST_K, MAT_K))
"""Relays that no edit changes: they go on as the plan that the search began from has them."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What is allowed in each hour, arrays [H] or single numbers."""

    light_share: Array
    """Share of light in each hour, given by the photoperiod: a plan has no say in it."""
    water_ml: Array
    """Most in each hour; 0 where watering is not wanted (night, pause)."""
    day_of: NDArray[np.int64]
    """Which local day each hour belongs to: 0 today, 1 tomorrow ..."""
    water_left_ml: Array
    """Water that may be given up to each hour: the day's budget less what the 24 h before it have used."""
    mist_most: float
    mist_left_h: Array
    """Hours of mist that may be used up to the end of each hour: the board's day budget less what the last day used."""
    heater: Array
    co2_s: Array
    co2_left_s: Array
    """Gas left for each day."""
    exhaust_most: Array
    first_h: int
    """Hours until the next decision: they get one duty."""


def blocks(horizon: int, first: int) -> list[tuple[int, int]]:
    """Stretches of hours that are edited together: fine near, coarse far, and some long ones."""
    edges = sorted({0, first, *(h for h in (4, 6, 9, 12, 16, 20, 24, 30, horizon) if first < h <= horizon)})
    single = list(pairwise(edges))
    longer = [(a, min(a + n, horizon)) for n in (8, 16) for a in range(0, horizon, n)]
    return list(dict.fromkeys([*single, *((a, b) for a, b in longer if b - a > 2), (0, horizon)]))


class TentPlanEdits:
    """Edits of plans [W, H, K] of the tent inside its bounds."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        horizon = len(bounds.light_share)
        useful = {VENT_K, MIST_K, DOSE_K}
        useful |= {MAT_K} if np.any(bounds.heater > 0.0) else set()
        useful |= {GAS_K} if np.any(bounds.co2_s > 0.0) else set()
        self._changes = [
            _changes({k: v for k, v in level.items() if k in useful}, horizon, bounds.first_h) for level in SIZES
        ]

    def variants(self, plans: Array, level: int) -> Array:
        """Every stretch of every output a little up or down."""
        edited = plans[:, None] + self._changes[level][None]
        w, m, h, k = edited.shape
        return self.project(edited.reshape(w * m, h, k)).reshape(w, m, h, k)

    def project(self, plans: Array) -> Array:
        """Inside bounds and budgets; duties too small for a relay become off, nearly full ones full."""
        b, out = self.bounds, plans.copy()
        first = b.first_h
        for k in (VENT_K, MIST_K, MAT_K, GAS_K):
            out[:, :first, k] = out[:, :first, k].mean(axis=1, keepdims=True)
        out[:, :, LAMP_K] = b.light_share
        for k in HELD:
            out[:, :, k] = np.clip(out[:, :, k], 0.0, 1.0)
        out[:, :, VENT_K] = _snap(np.clip(out[:, :, VENT_K], 0.0, b.exhaust_most))
        mist = _up_to(np.clip(out[:, :, MIST_K], 0.0, b.mist_most), b.mist_left_h)
        mist[:, :first] = mist[:, :first].min(axis=1, keepdims=True)
        out[:, :, MIST_K] = _snap(mist)
        out[:, :, MAT_K] = _snap(np.clip(out[:, :, MAT_K], 0.0, b.heater))
        gas = np.clip(out[:, :, GAS_K], 0.0, b.co2_s)
        gas[(out[:, :, VENT_K] > 0.0) | (out[:, :, LAMP_K] <= 0.0)] = 0.0
        gas = _within_days(gas, b.day_of, b.co2_left_s)
        gas[gas < MIN_GAS_S] = 0.0
        out[:, :, GAS_K] = gas
        water = np.clip(out[:, :, DOSE_K], 0.0, b.water_ml)
        water[water < MIN_DOSE_ML] = 0.0
        water = _up_to(water, b.water_left_ml)
        water[water < 0.5 * MIN_DOSE_ML] = 0.0
        out[:, :, DOSE_K] = water
        return out


def _snap(share: Array) -> Array:
    """Off below 4 %, full from ON on: what lies between is worth its relay strokes."""
    return np.where(share < 0.04, 0.0, np.where(share >= ON - ROUNDING, 1.0, share))


def _up_to(amount: Array, left: Array) -> Array:
    """Cut hours down so that the sum up to each hour stays within `left` [H], which never falls: first come first."""
    total = np.cumsum(amount, axis=1)
    cut = np.minimum.accumulate(np.minimum(left - total + ROUNDING, 0.0), axis=1)
    return np.asarray(amount + np.diff(cut, axis=1, prepend=0.0))


def _within_days(amount: Array, day_of: NDArray[np.int64], left: Array) -> Array:
    """Scale each day's hours down to what is left for that day."""
    out = amount.copy()
    for day, most in enumerate(left):
        hours = day_of == day
        if not hours.any():
            continue
        total = out[:, hours].sum(axis=1, keepdims=True)
        out[:, hours] *= np.where(total > most, most / np.maximum(total, 1e-9), 1.0)
    return out


def _changes(sizes: dict[int, tuple[float, ...]], horizon: int, first: int) -> Array:
    """All single edits of one level [M, H, K]."""
    rows = []
    for column, steps in sizes.items():
        spans = blocks(horizon, first)
        if column == DOSE_K:  # a dose belongs to one hour; the other variants find where it lies
            spans = [(h, h + 1) for h in range(0, horizon, 1 if horizon <= 12 else 2)]
        for start, stop in spans:
            for size in steps:
                for sign in (1.0, -1.0):
                    change = np.zeros((horizon, COLUMNS))
                    change[start:stop, column] = sign * size
                    rows.append(change)
    return np.stack(rows)
