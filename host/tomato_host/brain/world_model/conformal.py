"""Intervals that cover what they claim to, per horizon, adapted by their misses (adaptive conformal inference).

Residuals are divided by their typical size at that hour of the day; two thresholds per horizon, one a side, move
up after a miss and down after a hit (Gibbs and Candes 2021; quantile tracking of Angelopoulos et al. 2023). Whatever
the data do, the long-run share of misses goes to the nominal one.

An `IssuedSeries` holds what was issued until the truth is known: only a forecast that was really issued is scored.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index, Mask, own
from tomato_host.brain.world_model.learners import REGIMES

MISS_PER_SIDE = 0.098
"""80 % intervals: a tenth of the hours may fall below, a tenth above; a fifth of a point less is aimed at on each side,
because misses are known only a horizon later and seasons move on meanwhile."""

STEP = 2.5
"""Threshold change per day and unit of excess misses, in typical residuals; a log of three weeks must get there."""

DELAY_H = 36.0
"""Horizon at which the step is halved: what is issued until a miss is known is missed for the same reason, and a step
that answers each of them overshoots by as much as the horizon is long."""

START = 1.6
"""80 % half-width over mean absolute residual of a normal (1.60) or double exponential (1.61) distribution."""

START_ONE_SIDED = 1.0
"""The same for an interval that is open at one side: 1.05 and 0.92."""

DEBT = -0.5
"""Lowest threshold. One below 0 is issued as 0: while a stuck probe is forecast exactly nothing can be missed, and what
was not missed then is owed afterwards, but for a few hours at most."""

_MEMORY = 0.9
_NEAR = {0: 1.0, 1: 0.7, 23: 0.7, 2: 0.35, 22: 0.35}
_SMOOTH: Array = np.array([[_NEAR.get((i - j) % 24, 0.0) for j in range(24)] for i in range(24)])
"""Weights of the hours around each hour of the day."""

_UNSCORED = 2.0
"""Widening while an hour of the day has not been scored yet."""


class ConformalInterval:
    """Widths for horizons [H] in hours; `first_guess` is the typical residual before anything was scored."""

    def __init__(self, horizons: Index, first_guess: float, limits: tuple[float, float] = (-np.inf, np.inf)) -> None:
        horizon_count = len(horizons)
        self._step = STEP / (1.0 + horizons / DELAY_H)
        self.first_guess = first_guess
        self.limits = limits
        """Values that the quantity cannot leave."""
        self.size_sum: Array = np.zeros((24, horizon_count))
        self.size_count: Array = np.zeros((24, horizon_count))
        self.below: Array = np.full(horizon_count, START)
        self.above: Array = np.full(horizon_count, START)
        self.only_below: Array = np.full(horizon_count, START_ONE_SIDED)
        """Threshold of intervals that end at the upper limit."""
        self.only_above: Array = np.full(horizon_count, START_ONE_SIDED)
        """Threshold of intervals that begin at the lower limit."""
        self._typical: Array | None = None

    def clear_caches(self) -> None:
        """Drop the cached typical residuals."""
        self._typical = None

    def typical(self) -> Array:
        """Typical absolute residual [24, H] by hour of day, smoothed over two hours either side."""
        if self._typical is None:
            guess = self.first_guess * _UNSCORED
            self._typical = (_SMOOTH @ self.size_sum + 0.5 * guess) / (_SMOOTH @ self.size_count + 0.5)
        return self._typical

    def around(self, mean: Array, hour_of_day: Index, columns: Index) -> tuple[Array, Array]:
        """Lower and upper bound of forecasts [n, H']; `columns` names their horizons' columns."""
        size = self.typical()[hour_of_day, columns]

        def bound(side: int, threshold: Array) -> Array:
            return np.asarray(mean + side * np.maximum(threshold, 0.0)[columns] * size)

        low, high, (floor, ceiling) = bound(-1, self.below), bound(1, self.above), self.limits
        at_floor, at_ceiling = low <= floor, high >= ceiling
        if at_floor.any() or at_ceiling.any():
            one_sided = bound(-1, self.only_below), bound(1, self.only_above)
            low = np.where(at_floor, floor, np.where(at_ceiling, one_sided[0], low))
            high = np.where(at_floor, one_sided[1], np.where(at_ceiling, ceiling, high))
        return np.maximum(low, floor), np.minimum(high, ceiling)

    def update(self, mean: Array, low: Array, high: Array, truth: Array, hour_of_day: Index) -> None:
        """Score one day of issued forecasts, all [n, H]."""
        known = np.isfinite(truth) & np.isfinite(mean)
        at_floor = known & (low <= self.limits[0])
        at_ceiling = known & (high >= self.limits[1]) & ~at_floor
        inside = known & ~at_floor & ~at_ceiling
        under, over = truth < low, truth > high
        self.below = self._moved(self.below, inside, under, MISS_PER_SIDE)
        self.above = self._moved(self.above, inside, over, MISS_PER_SIDE)
        self.only_below = self._moved(self.only_below, at_ceiling, under, 2.0 * MISS_PER_SIDE)
        self.only_above = self._moved(self.only_above, at_floor, over, 2.0 * MISS_PER_SIDE)
        self._update_size(np.abs(truth - mean), known, hour_of_day)

    def _update_size(self, residual: Array, known: Mask, hour_of_day: Index) -> None:
        self._typical = None
        self.size_sum, self.size_count = own(self.size_sum), own(self.size_count)
        self.size_sum *= _MEMORY
        self.size_count *= _MEMORY
        column = np.broadcast_to(np.arange(residual.shape[1]), residual.shape)
        np.add.at(self.size_sum, (hour_of_day[known], column[known]), residual[known])
        np.add.at(self.size_count, (hour_of_day[known], column[known]), 1.0)

    def _moved(self, threshold: Array, hours: Mask, missed: Mask, nominal: float) -> Array:
        """The threshold [H] after a day: wider by the misses beyond the nominal share among those hours [n, H]."""
        count = hours.sum(axis=0)
        share = (hours & missed).sum(axis=0) / np.maximum(count, 1)
        pace = self._step * np.minimum(count / 24.0, 1.0)
        return np.asarray(np.maximum(threshold + pace * (share - nominal), DEBT))


RING_H = 96
"""Origins kept: 36 h of horizon, a day of targets, a day to look back from each origin."""


class IssuedSeries:
    """One reported series: forecasts by regime, their intervals, and how they are calibrated."""

    def __init__(self, horizons: Index, first_guess: float, limits: tuple[float, float]) -> None:
        self.horizons = horizons
        self.limits = limits
        self.intervals = tuple(ConformalInterval(horizons, first_guess, limits) for _ in REGIMES)
        self.issued: Array = np.zeros((3, len(REGIMES), RING_H, len(horizons)))
        """Mean, low and high by regime, origin hour modulo RING_H, horizon; of rows that `origin` names."""
        self.origin: Index = np.full(RING_H, -1, dtype=np.int64)

    def with_intervals(self, blended: Array, hour_of_day: Index) -> Array:
        """Intervals around blended forecasts [2, n, H] for targets at those local hours [n, H]: [3, 2, n, H]."""
        columns = np.broadcast_to(np.arange(blended.shape[2]), blended.shape[1:])
        out = np.empty((3, *blended.shape))
        out[0] = blended
        for r, interval in enumerate(self.intervals):
            out[1, r], out[2, r] = interval.around(blended[r], hour_of_day, columns)
        return np.clip(out, *self.limits)

    def record_issued(self, issued: Array, origin_hours: Index) -> None:
        """Store what was issued at these absolute hours; the first forecast of an hour stands."""
        slot = origin_hours % RING_H
        new = self.origin[slot] != origin_hours
        self.issued, self.origin = own(self.issued), own(self.origin)
        self.issued[:, :, slot[new]] = issued[:, :, new]
        self.origin[slot[new]] = origin_hours[new]

    def issued_for(self, origin_hours: Index) -> Array:
        """Issued forecasts for origins [n, H] at each own horizon: [3, 2, n, H]; NaN where none was issued."""
        slot = origin_hours % RING_H
        column = np.broadcast_to(np.arange(slot.shape[1]), slot.shape)
        stored = self.issued[:, :, slot, column]
        return np.asarray(np.where(self.origin[slot] == origin_hours, stored, np.nan))

    def score(self, truth: Array, origin_hours: Index, hour_of_day: Index) -> None:
        """Score what was issued for targets [n, H] that are now known."""
        issued = self.issued_for(origin_hours)
        for r, interval in enumerate(self.intervals):
            interval.update(issued[0, r], issued[1, r], issued[2, r], truth, hour_of_day)
