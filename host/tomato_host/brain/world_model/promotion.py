"""Promotion: what was learned overnight is a candidate, which becomes active after winning on hours that neither saw.

    first week    every day's learning becomes active at once, if it passes the checks: a day of data improves a young
                  model by more than a test on one day could tell
    afterwards    the candidate holds the days up to yesterday; the day that ended is the test for both, and only then
                  does the candidate learn it. It becomes active when its error, mean over quantities and horizons of
                  `SCORED_H`, is below the active model's
    rolled back   the model before the last promotion becomes active again when it would have erred at most REGRESSION
                  times as much on a later day
    refused       a candidate that fails a check (finite, inside its bounds, ordered bands, more water never leaves a
                  pot drier) is dropped, and learning starts again from the active model

    grown block   its share of the forecast turns from 0 to .25 only when its own record is good enough (`grown.py`) and
                  the active model with it wins this same comparison against the active model without it; it counts
                  at a horizon as far as that record proves a gain there

One number decides, because a rule per quantity leaves mixtures of two models that nobody has tested together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np

from shared_schemas.devices import PLAN_COLUMNS
from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.data import (
    HORIZON_H,
    OUTSIDE_COLUMNS,
    Forecast,
    HourlyLog,
    KnownAhead,
    RolloutStart,
)
from tomato_host.brain.world_model.features import PaddedLog
from tomato_host.brain.world_model.grown import SHARE, GrownExpert, GrownExperts
from tomato_host.brain.world_model.grown_block import GrownBlock
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.model_arrays import clone

SCORED_H = (1, 6, 12, 24)
FIRST_DAYS = 7
"""Days without a comparison, see above."""

REGRESSION = 0.8
"""The model before becomes active again when its error on a day was at most this share of the new one's."""

_DAY_H = 24
_MORE_WATER_ML = 50.0


@dataclass(frozen=True)
class PromotionVerdict:
    """Whether the candidate becomes active, and why."""

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
    for h in SCORED_H:
        at = np.flatnonzero(model.horizons == h)
        origins = np.arange(max(last - _DAY_H - h, 1), last - h, dtype=np.int64)
        if not at.size or not origins.size:
            continue
        forecast = model.forecast(log, KnownAhead(), origins)
        for name in model.forecasters:
            truth = log.column(name)[origins + h]
            error = np.abs(forecast.best(name)[0, :, at[0]] - truth)
            if np.isfinite(error).sum() >= 6:
                found[f"{name}@{h}"] = float(np.nanmean(error))
    return found


def failed_properties(model: WorldModel, log: HourlyLog) -> tuple[str, ...]:
    """Names of the properties that a model lacks: finite, bounded, ordered, monotone in watering."""
    failed = []
    forecast = model.forecast(log, KnownAhead())
    for name, series in model.issued_series.items():
        values = forecast.series[name][:, 1]
        if not np.isfinite(values).all():
            if np.isfinite(log.column(name)[-1:]).all():
                failed.append(f"finite {name}")
            continue
        low, high = series.limits
        if (values < low).any() or (values > high).any():
            failed.append(f"bounded {name}")
        if (values[1] > values[0] + 1e-9).any() or (values[0] > values[2] + 1e-9).any():
            failed.append(f"ordered {name}")
    if model.zones and not _monotone_in_water(model):
        failed.append("monotone in watering")
    return tuple(failed)


def _monotone_in_water(model: WorldModel) -> bool:
    """More water at any one hour never leaves a pot drier at any later hour, from dry, medium and wet starts."""
    zones = len(model.zones)
    weather = {name: np.full(HORIZON_H, value) for name, value in zip(OUTSIDE_COLUMNS, _MILD, strict=True)}
    base = np.zeros((1, HORIZON_H, len(PLAN_COLUMNS)))
    base[:, :, 1] = (np.arange(HORIZON_H) % 24 < 16).astype(float)
    wetter = np.repeat(base, 6, axis=0)
    wetter[np.arange(6), np.arange(6) * 6, 0] = _MORE_WATER_ML
    for start in (12.0, 30.0, 39.9, 50.0):
        state = RolloutStart(22.0, 1.6, np.full(zones, start))
        dry, wet = model.rollout(state, base, weather), model.rollout(state, wetter, weather)
        if any((wet[name] < dry[name] - 1e-6).any() for name in model.zones):
            return False
    return True


_MILD = (18.0, 1.2, 0.8, 200.0, 3.0)


def compare(incumbent: WorldModel, candidate: WorldModel, log: HourlyLog) -> PromotionVerdict:
    """Compare a candidate on the last day of the log, which neither model may have learned yet."""
    failed = failed_properties(candidate, log)
    if failed:
        return PromotionVerdict(False, f"the candidate breaks: {', '.join(failed)}", failed=failed)
    errors, reference = held_out_error(candidate, log), held_out_error(incumbent, log)
    shared = [name for name in errors if name in reference and reference[name] > 0.0]
    if not shared:
        return PromotionVerdict(False, "no held-out hours to judge by")
    ratio = float(np.mean([errors[name] / reference[name] for name in shared]))
    if ratio < 1.0:
        return PromotionVerdict(
            True, f"error falls to {ratio:.1%} of the incumbent's on {len(shared)} held-out figures", ratio
        )
    return PromotionVerdict(
        False, f"error would be {ratio:.1%} of the incumbent's on {len(shared)} held-out figures", ratio
    )


@dataclass(frozen=True)
class ShareChange:
    """The share of a grown block after a night, and why."""

    quantity: str
    share: float
    why: str


def judge_grown(active: WorldModel, log: HourlyLog, hours: int = _DAY_H) -> list[ShareChange]:
    """Judge the active model's grown blocks on the last `hours` hours of the log; returns what changed."""
    grown = active.grown
    if grown is None:
        return []
    grown.score(PaddedLog(log), np.arange(max(log.hours - hours, 1), log.hours, dtype=np.int64))
    changes = []
    for name, one in grown.by_quantity.items():
        share, why = _earned(active, one, log)
        if share != one.share:
            one.share = share
            changes.append(ShareChange(name, share, why))
    return changes


def _earned(active: WorldModel, one: GrownExpert, log: HourlyLog) -> tuple[float, str]:
    skill = one.skill()
    if not one.live or not skill.enough:
        return 0.0, f"{skill.origins} origins on {skill.days} days are judged"
    if not skill.ratio < 1.0:
        return 0.0, f"its error is {skill.ratio:.1%} of the error without it"
    one.earning = one.proven()
    if not one.earning.any():
        return 0.0, "its gain is proven at no horizon"
    if one.share > 0.0:
        return one.share, "it goes on earning its share"
    without, with_block = clone(active), clone(active)
    for model, share in ((without, 0.0), (with_block, SHARE)):
        assert model.grown is not None
        model.grown.by_quantity[one.block.quantity].share = share
    verdict = compare(without, with_block, log)
    return (SHARE if verdict.promoted else 0.0), verdict.why


@dataclass
class ModelPair:
    """The active model and the candidate that learns. Has the methods of a WorldModel that the brain calls."""

    active: WorldModel
    candidate: WorldModel = field(init=False)
    before: WorldModel | None = None
    """What was active until the last promotion, for a rollback."""
    last: PromotionVerdict | None = None
    share_changes: list[ShareChange] = field(default_factory=list)
    """What last night changed in the shares of grown blocks."""

    alike: bool = field(init=False, default=True)
    """Whether both would forecast the same: since one was copied from the other, neither has learned."""

    def __post_init__(self) -> None:
        self.candidate = clone(self.active)

    def predict(
        self, now: datetime, log: HourlyLog, ahead: KnownAhead | None = None, weather_age_min: float | None = None
    ) -> Prediction36hV1:
        """The active model's forecast; the candidate's is recorded too, so that its intervals are calibrated."""
        forecast = self.candidate.forecast(log, ahead)
        self.candidate.record_issued(forecast)
        return self.active.predict(
            now, log, ahead, weather_age_min, forecast if self.alike and self.active.grown is None else None
        )

    def forecast(self, log: HourlyLog, ahead: KnownAhead | None = None, origins: Index | None = None) -> Forecast:
        """See WorldModel."""
        return self.active.forecast(log, ahead, origins)

    def rollout(
        self,
        start: RolloutStart,
        plans: Array,
        weather: Mapping[str, Array],
        offsets: Mapping[str, Array] | None = None,
    ) -> dict[str, Array]:
        """See WorldModel."""
        return self.active.rollout(start, plans, weather, offsets)

    def offsets(self, log: HourlyLog, ahead: KnownAhead, forecast: Forecast) -> dict[str, Array]:
        """See WorldModel."""
        return self.active.offsets(log, ahead, forecast)

    def offer(self, block: GrownBlock, live: bool) -> None:
        """Use a grown block beside the active model; `live`: its stage allows a share (`grown.py`)."""
        if self.active.grown is None:
            self.active.grown = GrownExperts(self.active.horizons)
        self.active.grown.offer(block, live)

    def withdraw(self, quantity: str) -> None:
        """Forget the grown block of a quantity."""
        if self.active.grown is not None:
            self.active.grown.withdraw(quantity)
            if not self.active.grown.by_quantity:
                self.active.grown = None

    def learn(self, log: HourlyLog, ahead: KnownAhead | None = None, hours: int = _DAY_H) -> PromotionVerdict:
        """Compare last night's candidate on the day that ended, activate it if it won, then let it learn that day.

        Grown blocks are judged on that day, too; the models themselves are compared without them.
        """
        self.share_changes = judge_grown(self.active, log, hours)
        grown, self.active.grown = self.active.grown, None
        verdict = self._learn(log, ahead, hours)
        self.active.grown = grown
        return verdict

    def _learn(self, log: HourlyLog, ahead: KnownAhead | None, hours: int) -> PromotionVerdict:
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
        self.alike = False
        self.last = verdict
        return verdict

    def _learn_early(self, log: HourlyLog, ahead: KnownAhead | None, hours: int) -> PromotionVerdict:
        self.candidate.learn(log, ahead, hours)
        failed = failed_properties(self.candidate, log)
        if failed:
            self.candidate = clone(self.active)
            self.last = PromotionVerdict(False, f"the candidate breaks: {', '.join(failed)}", failed=failed)
        else:
            self.active = clone(self.candidate)
            self.last = PromotionVerdict(True, f"day {self.active.days_learned} of the first {FIRST_DAYS} learned")
        self.alike = True
        return self.last

    def _regressed(self, log: HourlyLog) -> PromotionVerdict | None:
        """Whether the model before would have been clearly better on the day that ended; None when not."""
        if self.before is None:
            return None
        back = compare(self.active, self.before, log)
        if not back.promoted or back.ratio is None or back.ratio > REGRESSION:
            return None
        return PromotionVerdict(
            False,
            f"rolled back: the model before would have erred {back.ratio:.1%} as much",
            back.ratio,
            rolled_back=True,
        )
