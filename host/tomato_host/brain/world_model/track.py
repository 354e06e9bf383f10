"""What was promised: issued forecasts with their intervals, kept until the truth is known and then scored."""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import own
from tomato_host.brain.world_model.conformal import Interval
from tomato_host.brain.world_model.features import Index
from tomato_host.brain.world_model.learners import REGIMES
from tomato_host.brain.world_model.psychrometrics import Array

RING_H = 96
"""Origins kept: 36 h of horizon, a day of targets, a day to look back from each origin."""


class Track:
    """One reported series: forecasts by regime, their intervals, and how they are calibrated."""

    def __init__(self, horizons: Index, first_guess: float, limits: tuple[float, float]) -> None:
        self.horizons = horizons
        self.limits = limits
        self.intervals = tuple(Interval(len(horizons), first_guess) for _ in REGIMES)
        self.issued: Array = np.zeros((3, len(REGIMES), RING_H, len(horizons)))
        """Mean, low and high by regime, origin hour modulo RING_H, horizon; of rows that `origin` names."""
        self.origin: Index = np.full(RING_H, -1, dtype=np.int64)

    def promise(self, mixed: Array, hour_of_day: Index) -> Array:
        """Intervals around forecasts [2, n, H] for targets at those local hours [n, H]: [3, 2, n, H].

        Without weather an interval is never narrower than with it: knowing less cannot be knowing better.
        """
        columns = np.broadcast_to(np.arange(mixed.shape[2]), mixed.shape[1:])
        out = np.empty((3, *mixed.shape))
        out[0] = mixed
        for r, interval in enumerate(self.intervals):
            out[1, r], out[2, r] = interval.around(mixed[r], hour_of_day, columns)
        return np.clip(out, *self.limits)

    def remember(self, promised: Array, origin_hours: Index) -> None:
        """Keep what was issued at these absolute hours; what was issued first stands."""
        slot = origin_hours % RING_H
        new = self.origin[slot] != origin_hours
        self.issued, self.origin = own(self.issued), own(self.origin)
        self.issued[:, :, slot[new]] = promised[:, :, new]
        self.origin[slot[new]] = origin_hours[new]

    def recall(self, origin_hours: Index) -> Array:
        """Issued forecasts for origins [n, H] at each own horizon: [3, 2, n, H]; NaN where none was issued."""
        slot = origin_hours % RING_H
        column = np.broadcast_to(np.arange(slot.shape[1]), slot.shape)
        kept = self.issued[:, :, slot, column]
        return np.asarray(np.where(self.origin[slot] == origin_hours, kept, np.nan))

    def learn(self, truth: Array, origin_hours: Index, hour_of_day: Index) -> None:
        """Score what was issued for targets [n, H] that are now known."""
        kept = self.recall(origin_hours)
        for r, interval in enumerate(self.intervals):
            interval.learn(kept[0, r], kept[1, r], kept[2, r], truth, hour_of_day)
