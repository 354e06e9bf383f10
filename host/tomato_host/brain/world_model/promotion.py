"""A model that learned overnight is a candidate: it speaks only after winning on hours that neither model has seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from tomato_host.brain.world_model.core import CoreState
from tomato_host.brain.world_model.features import Index
from tomato_host.brain.world_model.hourly import HORIZON_H, OUTSIDE_COLUMNS, PLAN_COLUMNS, Ahead, HourlyLog
from tomato_host.brain.world_model.model import Forecast, WorldModel
from tomato_host.brain.world_model.psychrometrics import Array
from tomato_host.brain.world_model.state import clone

JUDGED_H = (1, 6, 12, 24)
FIRST_DAYS = 7
"""Days without a contest: every one of them teaches more than any test of a day could tell."""

REGRESSION = 0.8
"""The model before speaks again when its error on a day was at most this share of the new one's."""

_DAY_H = 24
_MORE_WATER_ML = 50.0


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate may speak, and why."""

    promoted: bool
    why: str
    ratio: float | None = None
    """Candidate's error over the incumbent's on the held-out hours, mean over quantities and horizons."""
    failed: tuple[str, ...] = ()
    """Property checks that the candidate failed."""

    rolled_back: bool = False


def held_out_error(model: WorldModel, log: HourlyLog) -> dict[str, float]:
    """Mean absolute error by `quantity@h` on the last day of the log, forecast from before or within that day."""
    found: dict[str, float] = {}
    last = log.hours
    for h in JUDGED_H:
        at = np.flatnonzero(model.horizons == h)
        origins = np.arange(max(last - _DAY_H - h, 1), last - h, dtype=np.int64)
        if not at.size or not origins.size:
            continue
        forecast = model.forecast(log, Ahead(), origins)
        for name in model.forecasters:
            truth = log.column(name)[origins + h]
            error = np.abs(forecast.best(name)[0, :, at[0]] - truth)
            if np.isfinite(error).sum() >= 6:
                found[f"{name}@{h}"] = float(np.nanmean(error))
    return found


def failed_properties(model: WorldModel, log: HourlyLog) -> tuple[str, ...]:
    """Names of the promises that a model breaks: finite, bounded, monotone in watering."""
    failed = []
    forecast = model.forecast(log, Ahead())
    for name, track in model.tracks.items():
        values = forecast.series[name][:, 1]
        if not np.isfinite(values).all():
            if np.isfinite(log.column(name)[-1:]).all():
                failed.append(f"finite {name}")
            continue
        low, high = track.limits
        if (values < low).any() or (values > high).any():
            failed.append(f"bounded {name}")
        if (values[1] > values[0] + 1e-9).any() or (values[0] > values[2] + 1e-9).any():
            failed.append(f"ordered {name}")
    if model.zones and not _monotone_in_water(model):
        failed.append("monotone in watering")
    return tuple(failed)


def _monotone_in_water(model: WorldModel) -> bool:
    """More water at any one hour never leaves a pot drier at any later hour, from dry, middling and wet starts."""
    zones = len(model.zones)
    weather = {name: np.full(HORIZON_H, value) for name, value in zip(OUTSIDE_COLUMNS, _MILD, strict=True)}
    base = np.zeros((1, HORIZON_H, len(PLAN_COLUMNS)))
    base[:, :, 1] = (np.arange(HORIZON_H) % 24 < 16).astype(float)
    wetter = np.repeat(base, 6, axis=0)
    wetter[np.arange(6), np.arange(6) * 6, 0] = _MORE_WATER_ML
    for start in (12.0, 30.0, 39.9, 50.0):
        state = CoreState(22.0, 1.6, np.full(zones, start))
        dry, wet = model.rollout(state, base, weather), model.rollout(state, wetter, weather)
        if any((wet[name] < dry[name] - 1e-6).any() for name in model.zones):
            return False
    return True


_MILD = (18.0, 1.2, 0.8, 200.0, 3.0)


def compare(incumbent: WorldModel, candidate: WorldModel, log: HourlyLog) -> Verdict:
    """Judge a candidate on the last day of the log, which neither model may have learned yet."""
    failed = failed_properties(candidate, log)
    if failed:
        return Verdict(False, f"the candidate breaks: {', '.join(failed)}", failed=failed)
    mine, theirs = held_out_error(candidate, log), held_out_error(incumbent, log)
    shared = [name for name in mine if name in theirs and theirs[name] > 0.0]
    if not shared:
        return Verdict(False, "no held-out hours to judge by")
    ratio = float(np.mean([mine[name] / theirs[name] for name in shared]))
    if ratio < 1.0:
        return Verdict(True, f"error falls to {ratio:.1%} of the incumbent's on {len(shared)} held-out figures", ratio)
    return Verdict(False, f"error would be {ratio:.1%} of the incumbent's on {len(shared)} held-out figures", ratio)


@dataclass
class Nursery:
    """The model that speaks and the one that learns. Has the surface of a WorldModel that the brain calls."""

    active: WorldModel
    candidate: WorldModel = field(init=False)
    before: WorldModel | None = None
    """Who spoke until the last promotion, kept in case the new one disappoints."""
    last: Verdict | None = None

    def __post_init__(self) -> None:
        self.candidate = clone(self.active)

    def predict(
        self, now: datetime, log: HourlyLog, ahead: Ahead | None = None, weather_age_min: float | None = None
    ) -> Prediction36hV1:
        """The active model's forecast; the candidate's is remembered too, so that its intervals are earned."""
        self.candidate.remember(self.candidate.forecast(log, ahead))
        return self.active.predict(now, log, ahead, weather_age_min)

    def forecast(self, log: HourlyLog, ahead: Ahead | None = None, origins: Index | None = None) -> Forecast:
        """See WorldModel."""
        return self.active.forecast(log, ahead, origins)

    def rollout(
        self, start: CoreState, plans: Array, weather: Mapping[str, Array], offsets: Mapping[str, Array] | None = None
    ) -> dict[str, Array]:
        """See WorldModel."""
        return self.active.rollout(start, plans, weather, offsets)

    def offsets(self, log: HourlyLog, ahead: Ahead, forecast: Forecast) -> dict[str, Array]:
        """See WorldModel."""
        return self.active.offsets(log, ahead, forecast)

    def learn(self, log: HourlyLog, ahead: Ahead | None = None, hours: int = _DAY_H) -> Verdict:
        """Judge last night's candidate on the day that ended, let it speak if it won, then teach it that day.

        In the first week there is no incumbent worth the name: what a day taught speaks at once, if it is sound.
        """
        if self.active.days_learned < FIRST_DAYS:
            return self._learn_early(log, ahead, hours)
        verdict = self._regressed(log) or compare(self.active, self.candidate, log)
        if verdict.failed:
            self.candidate = clone(self.active)
        elif verdict.rolled_back and self.before is not None:
            self.active, self.before = self.before, None
        elif verdict.promoted:
            self.before, self.active = self.active, clone(self.candidate)
        self.candidate.learn(log, ahead, hours)
        self.last = verdict
        return verdict

    def _learn_early(self, log: HourlyLog, ahead: Ahead | None, hours: int) -> Verdict:
        self.candidate.learn(log, ahead, hours)
        failed = failed_properties(self.candidate, log)
        if failed:
            self.candidate = clone(self.active)
            self.last = Verdict(False, f"the candidate breaks: {', '.join(failed)}", failed=failed)
        else:
            self.active = clone(self.candidate)
            self.last = Verdict(True, f"day {self.active.days_learned} of the first {FIRST_DAYS} learned")
        return self.last

    def _regressed(self, log: HourlyLog) -> Verdict | None:
        """Whether the one who spoke before would have been clearly better on the day that ended."""
        if self.before is None:
            return None
        back = compare(self.active, self.before, log)
        if not back.promoted or back.ratio is None or back.ratio > REGRESSION:
            return None
        return Verdict(
            False,
            f"rolled back: the model before would have erred {back.ratio:.1%} as much",
            back.ratio,
            rolled_back=True,
        )
