"""Modelled seasons: what a policy is pre-trained on, and judged on with seasons that were kept back.

A season is 150 nights of two slots. A block walks through the stages as the trainer's does and saves some share of the
forecast's error, drawn once for its slot and size, that fades as the plant changes. How much blocks of a greenhouse
save was measured on an earlier forecast, which left them more (AGC3 with weather 4 to 6 %; now 1 to 3 %, see "What it
is worth" in docs/learning.md). The model is no forecast of a tent; it is the smallest one in which never, always and
too often are all wrong somewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from shared_schemas.learn.lifecycle import SlotStage
from shared_schemas.learn.state_pb2 import SlotState, StateMetric
from tomato_host.learn.policy.field_reports import Choice
from tomato_host.learn.policy.heuristic import Core
from tomato_host.learn.policy.view import (
    GERMINATES,
    EpochView,
    PolicyAction,
    allowed_actions,
    features_of,
    reward_of,
)

NIGHTS = 150
_S, _M = SlotStage, StateMetric


@dataclass(frozen=True)
class Greenhouse:
    """How much of the error blocks save there: mean and spread by size, and the share of it that fades in a month."""

    name: str
    saved: tuple[float, float, float]
    """Small, medium, large."""
    spread: float
    fade: float


GREENHOUSES = {
    one.name: one
    for one in (
        Greenhouse("twin", (0.02, 0.035, 0.03), 0.02, 0.2),
        Greenhouse("agc2-1-4", (0.004, 0.008, 0.002), 0.012, 0.3),
        Greenhouse("agc2-5-6", (0.004, 0.009, 0.001), 0.012, 0.3),
        Greenhouse("agc3", (0.03, 0.05, 0.055), 0.015, 0.1),
        Greenhouse("tunnel", (-0.001, 0.0, -0.004), 0.008, 0.3),
    )
}
TRAINED_ON, KEPT_BACK = ("twin", "agc2-1-4"), ("agc2-5-6", "agc3", "tunnel")
_WAY = ((_S.GERMINATED, 1), (_S.TRAINING, 3), (_S.BLENDING, 10), (_S.SHADOWING, 10), (_S.PROBATIONARY, 14))


@dataclass
class _Slot:
    """One slot of a season."""

    name: str
    stage: SlotStage = _S.DORMANT
    age: int = 0
    saves: float = 0.0
    judged: float = 0.0
    closed_until: int = 0


@dataclass
class GrowthSeason:
    """One season of one greenhouse; everything drawn comes from the seed."""

    greenhouse: Greenhouse
    seed: int
    night: int = 0
    slots: list[_Slot] = field(default_factory=lambda: [_Slot("vpd_kpa.0"), _Slot("air_temp_c.0")])

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng([self.seed, sum(self.greenhouse.name.encode())])
        of_size = np.array(self.greenhouse.saved)
        self._saves = of_size + self._rng.normal(0.0, self.greenhouse.spread, (len(self.slots), 3))
        self.paused = 0

    def view(self) -> EpochView:
        """What the trainer would publish tonight."""
        ratios = [1.0 - slot.judged if self._shares(slot) else 1.0 for slot in self.slots]
        growing = sum(slot.stage is _S.TRAINING for slot in self.slots)
        metrics = {
            int(_M.STATE_METRIC_LOSS): 0.9,
            int(_M.STATE_METRIC_HELD_OUT_ERROR): float(np.mean(ratios)),
            int(_M.STATE_METRIC_BOUNDARY_MS): 4.0,
            int(_M.STATE_METRIC_DAYS_LEARNED): float(self.night),
            int(_M.STATE_METRIC_SCHEDULE_FREE): float(2 - growing),
        }
        return EpochView(self.seed, self.night, self.night, metrics, tuple(self._state(slot) for slot in self.slots))

    def step(self, action: int) -> None:
        """Act, and let a night pass."""
        self._act(action)
        self.night += 1
        self.paused = max(self.paused - 1, 0)
        for slot in self.slots:
            self._pass_night(slot)

    def _act(self, action: int) -> None:
        if action in GERMINATES:
            number = next((n for n, slot in enumerate(self.slots) if slot.stage is _S.DORMANT), None)
            if number is not None:
                size = GERMINATES.index(PolicyAction(action))
                fresh = self._rng.normal(0.0, self.greenhouse.spread / 3.0)
                saves = float(self._saves[number, size] + fresh)
                self.slots[number] = _Slot(self.slots[number].name, _S.GERMINATED, 0, saves)
        elif action == PolicyAction.CULL_WORST:
            found = [slot for slot in self.slots if _S.GERMINATED <= slot.stage <= _S.PROBATIONARY]
            if found:
                self._close(min(found, key=lambda slot: (slot.judged, -slot.age)))
        elif action == PolicyAction.PAUSE:
            self.paused = 2

    def _pass_night(self, slot: _Slot) -> None:
        slot.age += 1
        if slot.stage is _S.CULLED:
            if self.night >= slot.closed_until:
                slot.stage, slot.age, slot.judged = _S.DORMANT, 0, 0.0
            return
        if slot.stage is _S.DORMANT or self.paused:
            return
        slot.saves *= 1.0 - self.greenhouse.fade / 30.0
        if slot.stage >= _S.SHADOWING:
            seen = slot.saves + self._rng.normal(0.0, 0.01)
            slot.judged += (seen - slot.judged) / min(slot.age + 1, 14)
        self._go_forward(slot)

    def _go_forward(self, slot: _Slot) -> None:
        for n, (stage, nights) in enumerate(_WAY):
            if slot.stage is stage and slot.age >= nights:
                if stage is _S.PROBATIONARY and slot.judged <= 0.0:
                    self._close(slot)
                    return
                slot.stage = _WAY[n + 1][0] if n + 1 < len(_WAY) else _S.FOSSILIZED
                slot.age = 0
                return

    def _close(self, slot: _Slot) -> None:
        slot.stage, slot.age, slot.closed_until = _S.CULLED, 0, self.night + 7

    def _shares(self, slot: _Slot) -> bool:
        return slot.stage in (_S.PROBATIONARY, _S.FOSSILIZED) and slot.judged > 0.0

    def _state(self, slot: _Slot) -> SlotState:
        judged = slot.stage in (_S.SHADOWING, _S.PROBATIONARY, _S.FOSSILIZED)
        return SlotState(
            slot=slot.name, stage=f"SLOT_STAGE_{slot.stage.name}", age_epochs=slot.age, loss=0.9,
            held_out_error=1.0 - slot.judged if judged else 0.0, share=0.25 if self._shares(slot) else 0.0,
        )  # fmt: skip


@dataclass
class SeasonRun:
    """What was seen, chosen and earned in one season, night by night."""

    features: list[tuple[float, ...]] = field(default_factory=list)
    allowed: list[tuple[int, ...]] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        """Sum of rewards."""
        return float(sum(self.rewards))


def play(core: Core, greenhouse: Greenhouse, seed: int, nights: int = NIGHTS) -> SeasonRun:
    """One season with one policy."""
    season, run = GrowthSeason(greenhouse, seed), SeasonRun()
    view = season.view()
    for _ in range(nights):
        features, allowed = features_of(view), allowed_actions(view)
        choice = core(features, allowed)
        season.step(choice.action)
        after = season.view()
        run.features.append(features)
        run.allowed.append(allowed)
        run.choices.append(choice)
        run.rewards.append(reward_of(view, after, choice.action))
        view = after
    return run


def score(core: Core, names: Sequence[str], seeds: Sequence[int], nights: int = NIGHTS) -> dict[str, float]:
    """Mean reward of a season by greenhouse."""
    return {
        name: float(np.mean([play(core, GREENHOUSES[name], seed, nights).total for seed in seeds])) for name in names
    }


Score = Callable[[Core], dict[str, float]]
