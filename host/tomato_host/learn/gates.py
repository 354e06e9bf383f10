"""The gates of the lifecycle: each takes what was measured and says which of its conditions do not hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from shared_schemas.learn.budgets import WARM_UP_EPOCHS
from shared_schemas.learn.lifecycle import Gate

LOSS_MUST_FALL_BY = 0.005
"""Share of the first epoch's loss that must be gone before a block may blend."""
STEP_MS = {"network": 5.0, "trees": 25.0}
"""CPU time of a training step at most: a step of the optimizer (about 1 ms), or one tree of a month (about 12 ms)."""
FORWARD_MS = 2.0
"""Longest median forward pass of a block for one forecast."""
RAMP_JUMP = 0.5
"""Largest change of the candidate's error under the ramp from one epoch to the next, over its mean."""
SHIFT_TYPICAL = 3.0
"""Largest correction of a block, in typical errors of the forecast, at the 99th percentile."""
SHADOW_ORIGINS = 48
"""Origins that must be judged before a block may have a share."""
SHADOW_DAYS = 10
IMPACT_TOLERANCE = 1.01
"""Error with the block over the error without, at most, over the judged window, for every quantity."""
PROBATION_EPOCHS = 14


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """Whether a gate holds, the conditions that do not, and the figures behind them (finite ones only)."""

    gate: Gate
    failed: tuple[str, ...]
    figures: Mapping[str, float]

    @property
    def passed(self) -> bool:
        """Whether every condition holds."""
        return not self.failed


def _verdict(gate: Gate, conditions: Mapping[str, bool], figures: Mapping[str, float]) -> GateVerdict:
    known = {name: value for name, value in figures.items() if math.isfinite(value)}
    return GateVerdict(gate, tuple(text for text, holds in conditions.items() if not holds), known)


@dataclass(frozen=True, slots=True)
class SanityFacts:
    """G0: what is asked for. Ranges by parameter name; the size is in parameters of a network, or nodes of trees."""

    slot_id_valid: bool
    blueprint_known: bool
    parameters: Mapping[str, float]
    ranges: Mapping[str, tuple[float, float]]
    size: int
    size_budget: int


def sanity(facts: SanityFacts) -> GateVerdict:
    """G0: id, blueprint known, parameters finite and in range, budget."""
    finite = all(math.isfinite(value) for value in facts.parameters.values())
    inside = all(
        name in facts.ranges and facts.ranges[name][0] <= value <= facts.ranges[name][1]
        for name, value in facts.parameters.items()
    )
    conditions = {
        "slot id": facts.slot_id_valid,
        "blueprint known": facts.blueprint_known,
        "parameters finite": finite,
        "parameters in range": finite and inside,
        "size within budget": 0 < facts.size <= facts.size_budget,
    }
    return _verdict(Gate.G0, conditions, {"size": float(facts.size)})


def place_in_schedule(learning_slots: int, allowed: int) -> GateVerdict:
    """A germinated slot may train while fewer than `allowed` others do."""
    return _verdict(Gate.SCHEDULE, {"a place is free": learning_slots < allowed}, {"learning_slots": learning_slots})


@dataclass(frozen=True, slots=True)
class GradientFacts:
    """G1: the training so far."""

    attached: bool
    violations: int
    gradient_norms: tuple[float, ...]
    losses: tuple[float, ...]
    """Mean loss by epoch, oldest first."""


def gradient_health(facts: GradientFacts) -> GateVerdict:
    """G1: attached, no isolation violation, gradients finite and not zero, the loss falls."""
    norms, losses = facts.gradient_norms, facts.losses
    finite = all(math.isfinite(value) for value in (*norms, *losses))
    falls = finite and len(losses) >= 2 and losses[-1] <= losses[0] * (1.0 - LOSS_MUST_FALL_BY)
    conditions = {
        "attached": facts.attached,
        "no isolation violation": facts.violations == 0,
        "gradients finite and not zero": finite and bool(norms) and min(norms[-1:]) > 0.0,
        "loss falls": falls,
    }
    figures = {"loss_first": losses[0], "loss_last": losses[-1]} if losses and finite else {}
    return _verdict(Gate.G1, conditions, figures)


@dataclass(frozen=True, slots=True)
class StabilityFacts:
    """G2: the ramp inside the candidate."""

    ramp: float
    step_ms: float
    forward_ms: float
    ramp_errors: tuple[float, ...]
    """Error of the candidate by epoch under the ramp, oldest first."""
    expert: str = "trees"


def stability(facts: StabilityFacts) -> GateVerdict:
    """G2: latency within budget, the ramp complete, no oscillation under it."""
    errors = facts.ramp_errors
    finite = bool(errors) and all(math.isfinite(value) for value in errors)
    mean = sum(errors) / len(errors) if finite else 1.0
    jump = max((abs(b - a) for a, b in pairwise(errors)), default=0.0) / max(mean, 1e-12)
    conditions = {
        "ramp complete": facts.ramp >= 1.0 and len(errors) >= min(WARM_UP_EPOCHS, 2),
        "step within budget": facts.step_ms <= STEP_MS[facts.expert],
        "forward within budget": facts.forward_ms <= FORWARD_MS,
        "no oscillation": finite and jump <= RAMP_JUMP,
    }
    return _verdict(Gate.G2, conditions, {"step_ms": facts.step_ms, "forward_ms": facts.forward_ms, "jump": jump})


@dataclass(frozen=True, slots=True)
class InterfaceFacts:
    """G3: the exported block in the shadow of the live forecast."""

    shapes_match: bool
    outputs_finite: bool
    shift_p99: float
    """99th percentile of the correction, in typical errors of the forecast."""
    same_as_trainer: bool
    """The numpy block gives what the trainer's module gives, to 1e-5."""
    pause_resume: bool
    """A block stored, dropped and loaded again gives the same bytes."""
    judged_origins: int
    judged_days: int


def interface(facts: InterfaceFacts) -> GateVerdict:
    """G3: shapes, distribution, telemetry complete, pause and resume, and enough compared hours."""
    conditions = {
        "shapes": facts.shapes_match,
        "outputs finite": facts.outputs_finite,
        "corrections of ordinary size": math.isfinite(facts.shift_p99) and facts.shift_p99 <= SHIFT_TYPICAL,
        "numpy equals the trainer": facts.same_as_trainer,
        "pause and resume": facts.pause_resume,
        f"{SHADOW_ORIGINS} origins on {SHADOW_DAYS} days judged": facts.judged_origins >= SHADOW_ORIGINS
        and facts.judged_days >= SHADOW_DAYS,
    }
    figures = {"shift_p99": facts.shift_p99, "judged_origins": facts.judged_origins, "judged_days": facts.judged_days}
    return _verdict(Gate.G3, conditions, figures)


@dataclass(frozen=True, slots=True)
class ImpactFacts:
    """G4: the global figures of the probation."""

    epochs: int
    error_ratio_by_quantity: Mapping[str, float]
    """Error of the model with the block over the error without, on live hours."""
    boundary_ms: float
    """Median of the last epochs: one slow night is the machine's, not the block's."""
    boundary_budget_ms: float


def system_impact(facts: ImpactFacts) -> GateVerdict:
    """G4: long enough on probation, no quantity worse than the tolerance, its own better, boundary in budget."""
    ratios = facts.error_ratio_by_quantity
    worst = max(ratios.values(), default=math.inf)
    best = min(ratios.values(), default=math.inf)
    conditions = {
        "long enough": facts.epochs >= PROBATION_EPOCHS,
        "no quantity worse": math.isfinite(worst) and worst <= IMPACT_TOLERANCE,
        "its quantity better": best < 1.0,
        "boundary within budget": facts.boundary_ms <= facts.boundary_budget_ms,
    }
    return _verdict(Gate.G4, conditions, {"worst_ratio": worst, "best_ratio": best})


def embargo_over(epoch: int, until: int) -> GateVerdict:
    """An embargoed slot may be scrubbed from its epoch on."""
    return _verdict(Gate.EMBARGO, {"the embargo is over": epoch >= until}, {"epochs_left": max(until - epoch, 0)})


@dataclass(frozen=True, slots=True)
class ResetFacts:
    """G5: what is left of a block that was scrubbed."""

    buffers: int
    counters: int
    cached_files: int


def reset_complete(facts: ResetFacts) -> GateVerdict:
    """G5: buffers, counters and caches are clean."""
    conditions = {
        "buffers empty": facts.buffers == 0,
        "counters zero": facts.counters == 0,
        "caches clean": facts.cached_files == 0,
    }
    return _verdict(Gate.G5, conditions, {})
