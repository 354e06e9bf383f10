"""One quantity's forecasters and their blend: learns a day at a time, forecasts any origins at once."""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import own
from tomato_host.brain.world_model.blend import SkillBlend
from tomato_host.brain.world_model.daily_ridge import DailyRidge
from tomato_host.brain.world_model.features import Frame, Index, season_lag
from tomato_host.brain.world_model.learners import (
    ALLOWED,
    CORE_LEARNER,
    CORE_LEARNER_SIZE,
    EXPERTS,
    LEARNERS,
    NEEDS_WEATHER,
    PHYSICS,
    PRIOR,
    Regressors,
    recent_days,
    regressor_count,
)
from tomato_host.brain.world_model.psychrometrics import Array
from tomato_host.brain.world_model.quantities import Quantity
from tomato_host.brain.world_model.track import RING_H

_CORE_ROW = EXPERTS.index("core")


class Forecaster:
    """All experts of one quantity."""

    def __init__(self, quantity: Quantity, plan: tuple[str, ...], horizons: Index, outside: bool) -> None:
        self.quantity, self.plan, self.horizons, self.outside = quantity, plan, horizons, outside
        self.ridges = tuple(
            DailyRidge(len(horizons), regressor_count(one, quantity, plan), one.forget, one.robust, one.ridges)
            for one in LEARNERS
        )
        self.core_ridges = tuple(
            DailyRidge(len(horizons), CORE_LEARNER_SIZE, CORE_LEARNER.forget, CORE_LEARNER.robust, CORE_LEARNER.ridges)
            for _ in PHYSICS
        )
        self.blend = SkillBlend(len(EXPERTS), len(horizons), PRIOR)
        # Zeros are memory that nobody has touched yet; `origin` says which rows mean something.
        self.issued: Array = np.zeros((len(EXPERTS), RING_H, len(horizons)))
        self.origin: Index = np.full(RING_H, -1, dtype=np.int64)

    def experts(self, frame: Frame, origins: Index, physics: Array, misses: Array) -> Array:
        """Forecasts [E, n, H] from origins [n]; `physics` [2, n, H] are the core's two rollouts.

        `misses` [2, n]: by how much the core would have missed the origin hour from LOOK_BACK_H before.
        """
        o, s, lag = self._indices(origins)
        name = self.quantity.name
        same = frame.at(name, s - lag)
        x = Regressors.build(frame, self.quantity, self.plan, o, s, lag, self.outside)
        out = np.empty((len(EXPERTS), *s.shape))
        out[0], out[1], out[2] = frame.at(name, o), same, recent_days(frame, name, s, lag)
        k = 3
        for learner, ridge in zip(LEARNERS, self.ridges, strict=True):
            count = len(learner.ridges)
            usable = self.outside or not learner.outside
            out[k : k + count] = same + ridge.predict(x.of(learner)) if usable else np.nan
            k += count
        out[k : k + 2] = physics
        told = self._core_regressors(frame, s, np.broadcast_to(misses[:, :, None], (len(misses), *s.shape)))
        for row, ridge_of_core in enumerate(self.core_ridges):
            out[k + 2 + row] = physics[row] + ridge_of_core.predict(told)[0]
        return np.clip(out, *self.quantity.limits)

    def mix(self, experts: Array) -> Array:
        """Blends [2, n, H]: with the weather ahead known (NaN where it is not), and without."""
        blind = self.blend.combine(experts, ALLOWED[1])
        seen = np.isfinite(experts[NEEDS_WEATHER]).any(axis=0)
        if not seen.any():
            return np.stack((np.full_like(blind, np.nan), blind))
        return np.stack((np.where(seen, self.blend.combine(experts, ALLOWED[0]), np.nan), blind))

    def remember(self, experts: Array, origin_hours: Index) -> None:
        """Keep what each expert said at these absolute hours, until it can be scored."""
        slot = origin_hours % RING_H
        new = self.origin[slot] != origin_hours
        self.issued, self.origin = own(self.issued), own(self.origin)
        self.issued[:, slot[new]] = experts[:, new]
        self.origin[slot[new]] = origin_hours[new]

    def learn(self, frame: Frame, targets: Index, misses: Array) -> None:
        """Score the experts on target hours [n] of the log, then teach the ridges the same hours.

        `misses` [2, n, H] belong to the origin of each target and horizon.
        """
        s = np.broadcast_to(targets[:, None], (len(targets), len(self.horizons)))
        o = s - self.horizons
        truth = frame.at(self.quantity.name, s)
        slot = (o + frame.log.start_hour) % RING_H
        column = np.broadcast_to(np.arange(s.shape[1]), s.shape)
        issued = np.where(self.origin[slot] == o + frame.log.start_hour, self.issued[:, slot, column], np.nan)
        self.blend.learn(issued, truth)
        self._teach_core(frame, s, misses, issued, truth)
        lag = np.broadcast_to(season_lag(self.horizons), s.shape)
        x = Regressors.build(frame, self.quantity, self.plan, o, s, lag, self.outside)
        target = truth - frame.at(self.quantity.name, s - lag)
        for learner, ridge in zip(LEARNERS, self.ridges, strict=True):
            if self.outside or not learner.outside:
                ridge.teach(x.of(learner), target)

    def _core_regressors(self, frame: Frame, s: Index, misses: Array) -> Array:
        """Time of day, and by how much the core missed the origin hour from some hours before: [n, H, 7]."""
        angle = 2.0 * np.pi * frame.hour_of_day(s) / 24.0
        columns = [np.ones(s.shape), np.sin(angle), np.cos(angle), np.sin(2.0 * angle), np.cos(2.0 * angle), *misses]
        return np.stack(columns, axis=2)

    def _teach_core(self, frame: Frame, s: Index, misses: Array, issued: Array, truth: Array) -> None:
        x = self._core_regressors(frame, s, misses)
        for row, ridge in enumerate(self.core_ridges):
            ridge.teach(x, truth - issued[_CORE_ROW + row])

    def _indices(self, origins: Index) -> tuple[Index, Index, Index]:
        shape = (len(origins), len(self.horizons))
        o = np.broadcast_to(origins[:, None], shape)
        return o, o + self.horizons, np.broadcast_to(season_lag(self.horizons), shape)
