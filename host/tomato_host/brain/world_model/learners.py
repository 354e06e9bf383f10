"""The table of experts that are blended for each quantity, and the regressors that each ridge may use."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index, Mask
from tomato_host.brain.world_model.data import Quantity
from tomato_host.brain.world_model.features import (
    BASE_SIZE,
    COMPANION_SIZE,
    OUTSIDE_SIZE,
    PAD_H,
    PaddedLog,
    base_group,
    companion_group,
    median_of_known,
    outside_group,
    plan_group,
    plan_size,
)


@dataclass(frozen=True)
class Learner:
    """One ridge: its regressors, how fast it forgets, how little an outlier counts, and its penalties."""

    name: str
    companions: bool
    outside: bool
    forget: float
    robust: float
    ridges: tuple[float, ...]

    def remembering(self, forget: float, ridges: tuple[float, ...]) -> Learner:
        """The same regressors with another memory and other penalties."""
        return replace(self, forget=forget, ridges=ridges)


LEARNERS: tuple[Learner, ...] = (
    Learner("pattern", False, False, 0.99, 1.0, (5.0,)),
    Learner("companion", True, False, 0.98, 1.0, (50.0, 200.0)),
    Learner("outside_fast", False, True, 0.90, 4.0, (0.5,)),
    Learner("outside_slow", True, True, 0.95, 1.0, (50.0,)),
)
"""Weak penalties and a short memory follow closely and win where weather rules; where it is not known, strong penalties
stay near the same hour of the day before, and a memory of months learns the pattern of the days."""

SOIL_LEARNERS: tuple[Learner, ...] = (
    LEARNERS[0].remembering(0.95, (5.0,)),
    LEARNERS[1].remembering(0.95, (5.0, 50.0)),
    *LEARNERS[2:],
)
"""The same for pots: leaves grow, slabs are replaced and irrigation is set anew, so a memory of months misleads."""


def learners_of(quantity: Quantity) -> tuple[Learner, ...]:
    """The ridges of one quantity; as many, with as many penalties, for every kind."""
    return SOIL_LEARNERS if quantity.kind == "soil" else LEARNERS


WEEK_LEARNERS: tuple[Learner, ...] = (
    Learner("week", False, False, 0.98, 1.0, (5.0,)),
    Learner("outside_week", False, True, 0.90, 4.0, (0.5,)),
)
"""Ridges on the difference to the last days' mean, not to yesterday: the noise of one day does not enter, and the
weather is compared with the weather that made that mean."""

SOIL_WEEK_LEARNERS: tuple[Learner, ...] = (
    replace(WEEK_LEARNERS[0], companions=True, ridges=(50.0,)),
    WEEK_LEARNERS[1],
)
"""The same for pots: the salt and the warmth of a substrate say how wet it really is."""


ANOMALY_LEARNERS: tuple[Learner, ...] = (
    Learner("anomaly", True, False, 0.92, 1.0, (1.0, 10.0, 100.0)),
    Learner("anomaly_fast", True, False, 0.85, 1.0, (100.0,)),
)
"""Of pots only: ridges on the departures from the usual days, with a memory of two weeks and of one (`anomalies.py`).
For air they gained nothing that the naive rules did not lose in the tunnel."""


def anomaly_learners_of(quantity: Quantity) -> tuple[Learner, ...]:
    """The ridges on departures from the usual days: those of a pot, none for others."""
    return ANOMALY_LEARNERS if quantity.kind == "soil" else ()


def week_learners_of(quantity: Quantity) -> tuple[Learner, ...]:
    """The ridges on the difference to the last days' mean; as many, with as many penalties, for every kind."""
    return SOIL_WEEK_LEARNERS if quantity.kind == "soil" else WEEK_LEARNERS


CORE_LEARNER = Learner("core_ridge", False, False, 0.85, 2.0, (5.0,))
"""The small correction on top of the physics: its recent errors, by time of day."""


def core_learner_of(quantity: Quantity) -> Learner:
    """The correction of one quantity's physics; that of a pot remembers a little longer."""
    return CORE_LEARNER.remembering(0.90, (5.0,)) if quantity.kind == "soil" else CORE_LEARNER


CORE_LEARNER_SIZE = 7
LOOK_BACK_H = (6, 24)
"""Horizons whose last known errors of the physics are regressors of its correction."""

NAIVE = ("persistence", "seasonal", "recent_days")
PHYSICS = ("core", "core_as_yesterday")
RIDGED, WEEKLY, ANOMALIES = (
    tuple(f"{one.name}_{k}" if k else one.name for one in table for k in range(len(one.ridges)))
    for table in (LEARNERS, WEEK_LEARNERS, ANOMALY_LEARNERS)
)
EXPERTS_OF_0_1: tuple[str, ...] = (*NAIVE, *RIDGED, *PHYSICS, "core_ridge", "core_as_yesterday_ridge")
EXPERTS_OF_0_2: tuple[str, ...] = (*EXPERTS_OF_0_1, *WEEKLY)
EXPERTS: tuple[str, ...] = (*EXPERTS_OF_0_2, *ANOMALIES)
"""All forecasters, in the order of the first axis of every forecast array; new ones last: stored models load."""

NEEDS_WEATHER = np.array([name.startswith("outside") or name in ("core", "core_ridge") for name in EXPERTS])
"""Experts that know the weather ahead."""

KNOWS_STORM = np.array([name.startswith("core") and "yesterday" not in name for name in EXPERTS])
"""Experts that respond to wind beyond the learned range by themselves."""

_PRIOR = {"core": 1.0, "core_as_yesterday": 0.6, "seasonal": 0.02, "recent_days": 0.01, "persistence": 0.005}
PRIOR: Array = np.array([_PRIOR.get(name, 1e-3) for name in EXPERTS])
"""Weights before any hour was scored: physics; yesterday only where physics cannot start."""

REGIMES = ("weather", "no_weather")
ALLOWED = (np.array([not name.startswith("core_as_yesterday") for name in EXPERTS]), ~NEEDS_WEATHER)
"""Which experts are blended with the weather known, and without."""

_NOT_BLENDED = {"soil": np.array([name == "pattern" for name in EXPERTS])}
"""The anomalies say all that the pattern of a pot does; it is learned on for grown blocks, which see it."""


def allowed_of(quantity: Quantity) -> tuple[Mask, Mask]:
    """Which experts [E] of this quantity are blended with the weather known, and without."""
    left_out = _NOT_BLENDED.get(quantity.kind)
    return ALLOWED if left_out is None else (ALLOWED[0] & ~left_out, ALLOWED[1] & ~left_out)


RECENT_DAYS = 7
_SOIL_FADE = 0.8
"""How much less a day of a pot counts than the next: it shows how far the pot has dried."""
_RECENT_AGES_H: Index = 24 * np.arange(RECENT_DAYS, dtype=np.int64)[:, None, None]


SOIL_WEEK_FADE = 0.5
_WEEK_FADE = 0.8
"""The same for the mean that the week's ridges correct: nearer to yesterday, because they correct the rest."""


def recent_days(frame: PaddedLog, quantity: Quantity, o: Index, s: Index, lag: Index) -> Array:
    """What the last seven days had at the hour forecast [n, H]; unknown days are left out.

    A pot: the mean, the newest counting most. Air: the median, which one odd day does not move, of hours smoothed with
    their neighbours; the hour after the origin is not known and does not enter.
    """
    at = (s - lag) - _RECENT_AGES_H
    if quantity.kind == "soil":
        return _faded_mean(frame.at(quantity.name, at), _SOIL_FADE)
    parts = frame.at(quantity.name, at + _BESIDE)
    known = np.isfinite(parts) & (at + _BESIDE <= o)
    weight = (known * _BESIDE_WEIGHTS).sum(axis=0)
    smooth = (np.where(known, parts, 0.0) * _BESIDE_WEIGHTS).sum(axis=0) / np.maximum(weight, 1e-9)
    return median_of_known(np.where(weight >= 0.5, smooth, np.nan))


_BESIDE: Index = np.array([-1, 0, 1], dtype=np.int64)[:, None, None, None]
_BESIDE_WEIGHTS: Array = np.array([0.25, 0.5, 0.25])[:, None, None, None]
"""The hour before, the hour itself and the hour after, and how much each counts."""


def _faded_mean(value: Array, fade: float) -> Array:
    """Mean over the first axis of what is known, each day counting `fade` times the one after it."""
    weights = (fade ** np.arange(RECENT_DAYS)).reshape(-1, *(1,) * (value.ndim - 1))
    known = np.isfinite(value)
    total = (np.where(known, value, 0.0) * weights).sum(axis=0)
    weight = (known * weights).sum(axis=0)
    return np.asarray(np.where(weight > 0.0, total / np.maximum(weight, 1e-9), np.nan))


@dataclass(frozen=True)
class Regressors:
    """The groups for origins and horizons [n, H], stacked on demand: [n, H, p]."""

    base: Array
    companion: Array
    outside: Array

    @classmethod
    def build(
        cls, frame: PaddedLog, quantity: Quantity, plan: tuple[str, ...], o: Index, s: Index, lag: Index, outside: bool
    ) -> Regressors:
        """Compute every group once; `o`, `s`, `lag` are broadcast to [n, H]."""
        own, companion = base_group(frame, quantity, o, s, lag), companion_group(frame, quantity, o)
        key = (plan, outside, o.tobytes(), s.tobytes())
        if key not in frame.shared:  # plan and weather are the same for every quantity of a moment
            weather = outside_group(frame, s, lag) if outside else []
            frame.shared[key] = (_stack(plan_group(frame, plan, o, s, lag), s), _stack(weather, s))
        planned, seen = frame.shared[key]
        return cls(np.concatenate((_stack(own, s), planned), axis=2), _stack(companion, s), seen)

    def of(self, learner: Learner) -> Array:
        """What one learner sees [n, H, p]."""
        parts = [self.base]
        if learner.companions:
            parts.append(self.companion)
        if learner.outside:
            parts.append(self.outside)
        return np.concatenate(parts, axis=2) if len(parts) > 1 else self.base


def _stack(columns: list[Array], like: Index) -> Array:
    out = np.empty((*like.shape, len(columns)))
    for k, column in enumerate(columns):
        out[:, :, k] = column
    return out


def regressor_count(learner: Learner, quantity: Quantity, plan: tuple[str, ...]) -> int:
    """Size of the learner's last axis."""
    size = BASE_SIZE + plan_size(plan)
    size += COMPANION_SIZE * len(quantity.companions) if learner.companions else 0
    return size + (OUTSIDE_SIZE if learner.outside else 0)


@dataclass(frozen=True)
class WeekRegressors:
    """What the week's ridges see of origins and horizons [n, H]: [n, H, p], and the mean [n, H] they correct."""

    mean: Array
    own: Array
    companion: Array
    outside: Array

    @classmethod
    def build(
        cls, frame: PaddedLog, quantity: Quantity, o: Index, s: Index, lag: Index, x: Regressors, outside: bool
    ) -> WeekRegressors:
        """Compute every group once; `o`, `s`, `lag` are broadcast to [n, H]; `x`: other regressors of these hours."""
        fade, name = SOIL_WEEK_FADE if quantity.kind == "soil" else _WEEK_FADE, quantity.name

        def usual(at: Index) -> Array:
            return _faded_mean(frame.at(name, at - _RECENT_AGES_H), fade)

        mean = usual(s - lag)
        own = [np.ones(s.shape), frame.at(name, o) - usual(o - 24), frame.at(name, s - lag) - mean]
        seen = np.empty((*s.shape, 0))
        if outside:
            before = frame.at(name, o - 1) - usual(o - 25)
            seen = np.concatenate((_weather_change(frame, s, lag), _stack([before, mean], s)), axis=2)
        return cls(mean, _stack(own, s), x.companion, seen)

    def of(self, learner: Learner) -> Array:
        """What one learner sees [n, H, p]."""
        parts = [self.own]
        if learner.companions:
            parts.append(self.companion)
        if learner.outside:
            parts.append(self.outside)
        return np.concatenate(parts, axis=2)


def _weather_change(frame: PaddedLog, s: Index, lag: Index) -> Array:
    """Time of day, and each driver at the target hour less its mean at the same hours of the days before: [n, H, 11].

    All quantities of a moment share them.
    """
    key = ("week", s.tobytes())
    if key not in frame.shared:
        at = s + PAD_H
        drivers = np.stack(frame.outside())
        usual = _faded_mean(drivers[:, np.maximum(at - lag - _RECENT_AGES_H, 0)].swapaxes(0, 1), _WEEK_FADE)
        columns = [*frame.day_waves(s), *(drivers[:, at] - usual)]
        frame.shared[key] = (_stack(columns, s), np.empty(0))
    return frame.shared[key][0]


WEEK_SIZE = 3
OUTSIDE_WEEK_SIZE = 13


def week_regressor_count(learner: Learner, quantity: Quantity) -> int:
    """Size of the last axis of what one of the week's ridges sees."""
    size = WEEK_SIZE + (COMPANION_SIZE * len(quantity.companions) if learner.companions else 0)
    return size + (OUTSIDE_WEEK_SIZE if learner.outside else 0)
