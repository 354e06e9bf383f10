"""Intervals that keep their promise: per horizon, adapted by what was missed (adaptive conformal inference).

Residuals are divided by their typical size at that hour of the day; two thresholds per horizon, one a side, move
up after a miss and down after a hit (Gibbs and Candes 2021; quantile tracking of Angelopoulos et al. 2023). Whatever
the data do, the long-run share of misses goes to the asked one.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import own
from tomato_host.brain.world_model.features import Index
from tomato_host.brain.world_model.psychrometrics import Array, Mask

MISS_PER_SIDE = 0.095
"""80 % intervals: a tenth of the hours may fall below, a tenth above; half a point less is aimed at on each side,
because misses are known only a horizon later and seasons move on meanwhile."""

STEP = 1.0
"""Threshold change per day and unit of excess misses, in typical residuals."""

START = 1.6
"""80 % half-width over mean absolute residual of a normal (1.60) or double exponential (1.61) distribution."""

_MEMORY = 0.9
_NEAR = {0: 1.0, 1: 0.7, 23: 0.7, 2: 0.35, 22: 0.35}
_SMOOTH: Array = np.array([[_NEAR.get((i - j) % 24, 0.0) for j in range(24)] for i in range(24)])
"""Weights of the hours around each hour of the day."""

_UNTAUGHT = 2.0
"""Widening while an hour of the day has not been scored yet."""


class Interval:
    """Widths for H horizons; `first_guess` is the typical residual before anything was scored."""

    def __init__(self, horizon_count: int, first_guess: float) -> None:
        self.first_guess = first_guess
        self.size_sum: Array = np.zeros((24, horizon_count))
        self.size_count: Array = np.zeros((24, horizon_count))
        self.below: Array = np.full(horizon_count, START)
        self.above: Array = np.full(horizon_count, START)
        self._typical: Array | None = None

    def forget_computed(self) -> None:
        """Drop the cached typical residuals."""
        self._typical = None

    def typical(self) -> Array:
        """Typical absolute residual [24, H] by hour of day, smoothed over two hours either side."""
        if self._typical is None:
            guess = self.first_guess * _UNTAUGHT
            self._typical = (_SMOOTH @ self.size_sum + 0.5 * guess) / (_SMOOTH @ self.size_count + 0.5)
        return self._typical

    def around(self, mean: Array, hour_of_day: Index, columns: Index) -> tuple[Array, Array]:
        """Lower and upper bound of forecasts [n, H']; `columns` names their horizons' columns."""
        size = self.typical()[hour_of_day, columns]
        return mean - self.below[columns] * size, mean + self.above[columns] * size

    def learn(self, mean: Array, low: Array, high: Array, truth: Array, hour_of_day: Index) -> None:
        """Score one day of issued forecasts, all [n, H]."""
        known = np.isfinite(truth) & np.isfinite(mean)
        count = known.sum(axis=0)
        share = np.maximum(count, 1)
        pace = STEP * np.minimum(count / 24.0, 1.0)
        missed_low = (known & (truth < low)).sum(axis=0) / share
        missed_high = (known & (truth > high)).sum(axis=0) / share
        self.below = np.maximum(self.below + pace * (missed_low - MISS_PER_SIDE), 0.05)
        self.above = np.maximum(self.above + pace * (missed_high - MISS_PER_SIDE), 0.05)
        self._learn_size(np.abs(truth - mean), known, hour_of_day)

    def _learn_size(self, residual: Array, known: Mask, hour_of_day: Index) -> None:
        self._typical = None
        self.size_sum, self.size_count = own(self.size_sum), own(self.size_count)
        self.size_sum *= _MEMORY
        self.size_count *= _MEMORY
        column = np.broadcast_to(np.arange(residual.shape[1]), residual.shape)
        np.add.at(self.size_sum, (hour_of_day[known], column[known]), residual[known])
        np.add.at(self.size_count, (hour_of_day[known], column[known]), 1.0)
