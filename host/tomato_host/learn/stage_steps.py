"""One night's step of one slot: is its stage complete, what does its gate say, where does it go.

A gate is asked when its time has come (the ramp is up, enough days are judged), so that a young block is not culled
for being young; a shadow that is never judged is culled after SHADOW_PATIENCE epochs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared_schemas.learn.budgets import EPOCH_BOUNDARY_MS
from shared_schemas.learn.lifecycle import Gate, SlotStage
from tomato_host.learn import gates
from tomato_host.learn.gates import GateVerdict
from tomato_host.learn.slot import GrowthSlot, embargo, forward, ramp

TRAINING_EPOCHS = 3
"""Epochs that a block trains before G1 is asked."""

SHADOW_PATIENCE = 40


@dataclass(frozen=True)
class SlotFacts:
    """What was measured of one slot in the epoch that ended."""

    losses: tuple[float, ...] = ()
    gradient_norms: tuple[float, ...] = ()
    violations: int = 0
    quarantined: bool = False
    step_ms: float = 0.0
    forward_ms: float = 0.0
    ramp_errors: tuple[float, ...] = ()
    outputs_finite: bool = True
    shift_p99: float = 0.0
    same_as_trainer: bool = True
    pause_resume: bool = True
    skill: Mapping[str, float] = field(default_factory=dict)
    """What the brain has judged (`models/blocks.py`): days, origins, ratio."""
    boundary_ms: float = 0.0
    """Median of the last epoch boundaries."""
    expert: str = "trees"
    leftovers: int = 0
    """Arrays and counters that a reset has not scrubbed yet."""


@dataclass(frozen=True)
class SlotStep:
    """A slot after its step, and the verdict that moved it, if any was asked."""

    before: GrowthSlot
    after: GrowthSlot
    verdict: GateVerdict | None = None


def step(slot: GrowthSlot, facts: SlotFacts, epoch: int, learning: int, allowed: int, embargo_epochs: int) -> SlotStep:
    """Move a slot by at most one stage. `learning` slots of `allowed` train already. DORMANT waits for a command."""
    if slot.stage is SlotStage.CULLED:
        return SlotStep(slot, embargo(slot, epoch, embargo_epochs))
    verdict = _asked(slot, facts, epoch, learning, allowed)
    return SlotStep(slot, slot if verdict is None else forward(slot, epoch, verdict), verdict)


def _asked(slot: GrowthSlot, facts: SlotFacts, epoch: int, learning: int, allowed: int) -> GateVerdict | None:
    age = epoch - slot.entered
    if facts.quarantined and slot.stage in (SlotStage.TRAINING, SlotStage.BLENDING):
        return _quarantined(slot)
    if slot.stage is SlotStage.GERMINATED:
        verdict = gates.place_in_schedule(learning, allowed)
        return verdict if verdict.passed else None  # it waits
    if slot.stage is SlotStage.TRAINING and age >= TRAINING_EPOCHS:
        return gates.gradient_health(gates.GradientFacts(True, facts.violations, facts.gradient_norms, facts.losses))
    if slot.stage is SlotStage.BLENDING and ramp(slot, epoch) >= 1.0:
        return gates.stability(
            gates.StabilityFacts(1.0, facts.step_ms, facts.forward_ms, facts.ramp_errors, facts.expert)
        )
    if slot.stage is SlotStage.SHADOWING:
        return _shadow(facts, age)
    if slot.stage is SlotStage.PROBATIONARY and age >= gates.PROBATION_EPOCHS:
        return gates.system_impact(_impact(slot, facts, age))
    if slot.stage is SlotStage.EMBARGOED:
        verdict = gates.embargo_over(epoch, slot.embargo)
        return verdict if verdict.passed else None
    if slot.stage is SlotStage.RESETTING:
        return gates.reset_complete(gates.ResetFacts(facts.leftovers, 0, 0))
    return None


def _shadow(facts: SlotFacts, age: int) -> GateVerdict | None:
    verdict = gates.interface(
        gates.InterfaceFacts(
            True,
            facts.outputs_finite,
            facts.shift_p99,
            facts.same_as_trainer,
            facts.pause_resume,
            int(facts.skill.get("origins", 0)),
            int(facts.skill.get("days", 0)),
        )
    )
    young = age < SHADOW_PATIENCE and len(verdict.failed) == 1 and "judged" in verdict.failed[0]
    return None if young else verdict


def _impact(slot: GrowthSlot, facts: SlotFacts, age: int) -> gates.ImpactFacts:
    ratio = facts.skill.get("ratio")
    ratios = {} if ratio is None else {slot.quantity: ratio}
    return gates.ImpactFacts(age, ratios, facts.boundary_ms, EPOCH_BOUNDARY_MS)


def _quarantined(slot: GrowthSlot) -> GateVerdict:
    gate = Gate.G1 if slot.stage is SlotStage.TRAINING else Gate.G2
    return GateVerdict(gate, ("quarantined: isolation violations",), {})
