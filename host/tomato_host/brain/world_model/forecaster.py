"""The experts of one quantity and their blend: learns a day at a time, forecasts from any origins at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tomato_host.brain.world_model.anomalies import anomaly_count, anomaly_regressors
from tomato_host.brain.world_model.arrays import Array, Index, own
from tomato_host.brain.world_model.blend import NEAR_H, OF_SOIL, WITH_WEATHER, WITHOUT_WEATHER, SkillBlend
from tomato_host.brain.world_model.conformal import RING_H
from tomato_host.brain.world_model.daily_ridge import DailyRidge
from tomato_host.brain.world_model.data import Quantity
from tomato_host.brain.world_model.features import PaddedLog, season_lag
from tomato_host.brain.world_model.learners import (
    ANOMALIES,
    CORE_LEARNER_SIZE,
    EXPERTS,
    EXPERTS_OF_0_1,
    EXPERTS_OF_0_2,
    NEEDS_WEATHER,
    PHYSICS,
    PRIOR,
    RECENT_DAYS,
    SOIL_WEEK_FADE,
    WEEKLY,
    Learner,
    Regressors,
    WeekRegressors,
    allowed_of,
    anomaly_learners_of,
    core_learner_of,
    learners_of,
    recent_days,
    regressor_count,
    week_learners_of,
    week_regressor_count,
)
from tomato_host.brain.world_model.reach import Bounds, Reach, Reaches

_CORE_ROW = EXPERTS.index("core")
_FIRST_WEEKLY_ROW = EXPERTS.index(WEEKLY[0])
_FIRST_ANOMALY_ROW = EXPERTS.index(ANOMALIES[0])


class Forecaster:
    """All experts of one quantity, in the order of `learners.EXPERTS`."""

    def __init__(
        self,
        quantity: Quantity,
        plan: tuple[str, ...],
        horizons: Index,
        outside: bool,
        beside: tuple[str, ...] = (),
    ) -> None:
        self.quantity, self.plan, self.horizons, self.outside = quantity, plan, horizons, outside
        self.beside = beside
        """The other pots, of a pot."""
        self.allowed = allowed_of(quantity)
        self.learners = learners_of(quantity)
        self.ridges = tuple(
            DailyRidge(len(horizons), regressor_count(one, quantity, plan), one.forget, one.robust, one.ridges)
            for one in self.learners
        )
        core = core_learner_of(quantity)
        self.core_ridges = tuple(
            DailyRidge(len(horizons), CORE_LEARNER_SIZE, core.forget, core.robust, core.ridges) for _ in PHYSICS
        )
        self.week_learners = week_learners_of(quantity)
        self.week_ridges = tuple(
            DailyRidge(len(horizons), week_regressor_count(one, quantity), one.forget, one.robust, one.ridges)
            for one in self.week_learners
        )
        self.anomaly_learners = anomaly_learners_of(quantity)
        self.anomaly_ridges = tuple(
            DailyRidge(len(horizons), anomaly_count(quantity, beside), one.forget, one.robust, one.ridges)
            for one in self.anomaly_learners
        )
        soil = quantity.kind == "soil"
        near = horizons <= NEAR_H
        self.blend = SkillBlend(len(horizons), PRIOR, OF_SOIL if soil else WITH_WEATHER, near)
        self.blend_without = SkillBlend(len(horizons), PRIOR, OF_SOIL if soil else WITHOUT_WEATHER, near)
        """Weights where the weather ahead is not known."""
        self.reach = Reach(len(horizons))
        # Zeros cost no memory until they are written to; `origin` says which rows are valid.
        self.issued: Array = np.zeros((len(EXPERTS), RING_H, len(horizons)))
        self.origin: Index = np.full(RING_H, -1, dtype=np.int64)

    def experts(self, frame: PaddedLog, origins: Index, physics: Array, misses: Array) -> Array:
        """Forecasts [E, n, H] from origins [n]; `physics` [2, n, H] are the two rollouts of the physics.

        `misses` [2, n]: by how much the physics, rolled from LOOK_BACK_H before, missed the origin hour.
        """
        o, s, lag = self._indices(origins)
        name = self.quantity.name
        same = frame.at(name, s - lag)
        x = Regressors.build(frame, self.quantity, self.plan, o, s, lag, self.outside)
        out = np.empty((len(EXPERTS), *s.shape))
        out[0], out[1], out[2] = frame.at(name, o), same, recent_days(frame, self.quantity, o, s, lag)
        within = self.reach.bounds(out[0], same)
        k = 3
        for learner, ridge in zip(self.learners, self.ridges, strict=True):
            count = len(learner.ridges)
            out[k : k + count] = self._corrected(learner, ridge, same, x, within)
            k += count
        week = WeekRegressors.build(frame, self.quantity, o, s, lag, x, self.outside)
        w = _FIRST_WEEKLY_ROW
        for learner, ridge in zip(self.week_learners, self.week_ridges, strict=True):
            count = len(learner.ridges)
            out[w : w + count] = self._corrected(learner, ridge, week.mean, week, within)
            w += count
        out[_FIRST_ANOMALY_ROW:] = self._by_anomalies(frame, o, s, lag, week.mean, within[False])
        out[k : k + 2] = physics
        x_core = self._core_regressors(frame, s, np.broadcast_to(misses[:, :, None], (len(misses), *s.shape)))
        for row, ridge_of_core in enumerate(self.core_ridges):
            out[k + 2 + row] = physics[row] + ridge_of_core.predict(x_core)[0]
        return np.clip(out, *self.quantity.limits)

    def _corrected(
        self, learner: Learner, ridge: DailyRidge, base: Array, x: Regressors | WeekRegressors, within: Reaches
    ) -> Array:
        """Forecasts [ridges, n, H] of one learner on top of `base`, no farther than it may reach."""
        if learner.outside and not self.outside:
            return np.full((len(learner.ridges), *base.shape), np.nan)
        low, high = within[learner.outside]
        return np.asarray(np.minimum(np.maximum(base + ridge.predict(x.of(learner)), low), high))

    def _by_anomalies(self, frame: PaddedLog, o: Index, s: Index, lag: Index, mean: Array, within: Bounds) -> Array:
        """Forecasts [A, n, H] by departures from the usual days, around the mean [n, H] of those; NaN but for pots."""
        if not self.anomaly_ridges:
            return np.full((len(ANOMALIES), *s.shape), np.nan)
        x = self._anomalies(frame, o, s, lag)
        corrections = np.concatenate([ridge.predict(x) for ridge in self.anomaly_ridges])
        return np.asarray(np.minimum(np.maximum(mean + corrections, within[0]), within[1]))

    def _anomalies(self, frame: PaddedLog, o: Index, s: Index, lag: Index) -> Array:
        return anomaly_regressors(frame, self.quantity, self.beside, o, s, lag, RECENT_DAYS - 1, SOIL_WEEK_FADE)

    def blended(self, experts: Array) -> Array:
        """Blends [2, n, H] of experts [E, n, H]: with the weather ahead (NaN where it is not known), and without."""
        without = self.blend_without.combine(experts, self.allowed[1])
        known = np.isfinite(experts[NEEDS_WEATHER]).any(axis=0)
        if not known.any():
            return np.stack((np.full_like(without, np.nan), without))
        return np.stack((np.where(known, self.blend.combine(experts, self.allowed[0]), np.nan), without))

    def record_issued(self, experts: Array, origin_hours: Index) -> None:
        """Store what each expert forecast at these absolute hours, until it can be scored."""
        slot = origin_hours % RING_H
        new = self.origin[slot] != origin_hours
        self.issued, self.origin = own(self.issued), own(self.origin)
        self.issued[:, slot[new]] = experts[:, new]
        self.origin[slot[new]] = origin_hours[new]

    def learn(self, frame: PaddedLog, targets: Index, misses: Array) -> None:
        """Score the experts on target hours [n] of the log, then update the ridges with the same hours.

        `misses` [2, n, H] belong to the origin of each target and horizon.
        """
        s = np.broadcast_to(targets[:, None], (len(targets), len(self.horizons)))
        o = s - self.horizons
        truth = frame.at(self.quantity.name, s)
        slot = (o + frame.log.start_hour) % RING_H
        column = np.broadcast_to(np.arange(s.shape[1]), s.shape)
        issued = np.where(self.origin[slot] == o + frame.log.start_hour, self.issued[:, slot, column], np.nan)
        self.blend.score(issued, truth)
        self.blend_without.score(issued, truth)
        self._update_core(frame, s, misses, issued, truth)
        lag = np.broadcast_to(season_lag(self.horizons), s.shape)
        x = Regressors.build(frame, self.quantity, self.plan, o, s, lag, self.outside)
        same = frame.at(self.quantity.name, s - lag)
        self.reach.score(truth, frame.at(self.quantity.name, o), same)
        target = truth - same
        for learner, ridge in zip(self.learners, self.ridges, strict=True):
            if self.outside or not learner.outside:
                ridge.update(x.of(learner), target)
        week = WeekRegressors.build(frame, self.quantity, o, s, lag, x, self.outside)
        for learner, ridge in zip(self.week_learners, self.week_ridges, strict=True):
            if self.outside or not learner.outside:
                ridge.update(week.of(learner), truth - week.mean)
        if self.anomaly_ridges:
            departed = self._anomalies(frame, o, s, lag)
            for ridge in self.anomaly_ridges:
                ridge.update(departed, truth - week.mean)

    def hashed(self) -> Iterator[bytes]:
        """What a model's hash is made of. What models of 0.1 do not have counts once it makes a difference."""
        for ridge in (*self.ridges, *self.core_ridges):
            yield ridge.beta.tobytes()
        with_weather, without = (
            one.hashed_weights(len(EXPERTS_OF_0_1)).tobytes() for one in (self.blend, self.blend_without)
        )
        yield with_weather
        if without != with_weather:
            yield without
        if self.reach.hours.any():
            yield self.reach.usual().tobytes()
        if any(ridge.rows.any() for ridge in self.week_ridges):
            yield from (ridge.beta.tobytes() for ridge in self.week_ridges)
            both = (self.blend, self.blend_without)
            yield from (one.hashed_weights(len(EXPERTS_OF_0_2)).tobytes() for one in both)
        if any(ridge.rows.any() for ridge in self.anomaly_ridges):
            yield from (ridge.beta.tobytes() for ridge in self.anomaly_ridges)
            yield from (one.hashed_weights().tobytes() for one in (self.blend, self.blend_without))

    def _core_regressors(self, frame: PaddedLog, s: Index, misses: Array) -> Array:
        """Time of day, and the errors `misses` of the physics at the origin hour: [n, H, 7]."""
        columns = (np.ones(s.shape), *frame.day_waves(s), *misses)
        out = np.empty((*s.shape, len(columns)))
        for k, column in enumerate(columns):
            out[:, :, k] = column
        return out

    def _update_core(self, frame: PaddedLog, s: Index, misses: Array, issued: Array, truth: Array) -> None:
        x = self._core_regressors(frame, s, misses)
        for row, ridge in enumerate(self.core_ridges):
            ridge.update(x, truth - issued[_CORE_ROW + row])

    def _indices(self, origins: Index) -> tuple[Index, Index, Index]:
        shape = (len(origins), len(self.horizons))
        o = np.broadcast_to(origins[:, None], shape)
        return o, o + self.horizons, np.broadcast_to(season_lag(self.horizons), shape)
