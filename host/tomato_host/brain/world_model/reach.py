"""How far a ridge may forecast beyond persistence and yesterday: a few usual misses of the nearer of the two.

A linear law that has seen changes of a point extrapolates when a probe jumps by fifty. What it says then is bounded by
what the simple rules say; in ordinary days the bound is not reached.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import Array

USUAL_MISSES = 3.0
"""Bound of a ridge that knows no more than the log, in usual misses."""

USUAL_MISSES_WITH_WEATHER = 6.0
"""The same for one that knows the weather ahead: it may rightly forecast a day like none before."""

_MEMORY = 0.95
_LARGEST_DAY = 3.0
"""A day of a jump counts as so many usual days at most: one jump must not permit the next extrapolation."""

Bounds = tuple[Array, Array]
"""Lowest and highest forecasts [n, H]."""

Reaches = tuple[Bounds, Bounds]
"""Bounds of a ridge that does not know the weather ahead, and of one that does."""

_ENOUGH = 24.0
"""Hours of record before anything is bounded."""


class Reach:
    """Faded record of how far the truth lay from the nearer of persistence and yesterday, by horizon."""

    def __init__(self, horizon_count: int) -> None:
        self.missed: Array = np.zeros(horizon_count)
        self.hours: Array = np.zeros(horizon_count)

    def usual(self) -> Array:
        """Usual miss by horizon [H]; infinite while too few hours are known."""
        return np.asarray(np.where(self.hours >= _ENOUGH, self.missed / np.maximum(self.hours, 1.0), np.inf))

    def bounds(self, now: Array, same: Array) -> Reaches:
        """How far forecasts may reach from the last hour's value and yesterday's, both [n, H]."""
        lower, upper, usual = np.fmin(now, same), np.fmax(now, same), self.usual()
        plain, far = USUAL_MISSES * usual, USUAL_MISSES_WITH_WEATHER * usual
        return (lower - plain, upper + plain), (lower - far, upper + far)

    def score(self, truth: Array, now: Array, same: Array) -> None:
        """Add one day: truth, the last hour's value and yesterday's, all [n, H]."""
        miss = np.fmin(np.abs(truth - now), np.abs(truth - same))
        known = np.isfinite(miss)
        hours = known.sum(axis=0)
        usual = self.usual()
        most = np.where(np.isfinite(usual), _LARGEST_DAY * np.where(np.isfinite(usual), usual, 0.0) * hours, np.inf)
        self.missed = self.missed * _MEMORY + np.minimum(np.where(known, miss, 0.0).sum(axis=0), most)
        self.hours = self.hours * _MEMORY + hours
