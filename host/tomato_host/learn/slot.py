"""A growth slot as a pure state machine over the table of `shared_schemas/learn/lifecycle.py`.

    DORMANT -> GERMINATED -> TRAINING -> BLENDING -> SHADOWING -> PROBATIONARY -> FOSSILIZED -> TERMINATED
                    '------------'----------'------------'-------------'-> CULLED -> EMBARGOED -> RESETTING -> DORMANT

A slot goes forward only with a verdict of the gate that stands before the next stage; a failed one culls it, or, where
there is nothing to cull, leaves it where it is. Nothing skips a stage. All functions return a new slot.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared_schemas.learn.budgets import WARM_UP_EPOCHS
from shared_schemas.learn.lifecycle import CULLABLE, ROW_OF, SlotStage
from tomato_host.learn.gates import GateVerdict


class IllegalStep(Exception):
    """A step that the lifecycle does not know, or a gate that was not asked."""


@dataclass(frozen=True, slots=True)
class GrowthSlot:
    """One place where a block may grow. Epochs are nights."""

    name: str
    """Quantity and number: `vpd_kpa.0`."""
    stage: SlotStage = SlotStage.DORMANT
    blueprint: int = 0
    """1 is BP001; 0 while there is none."""
    entered: int = 0
    """Epoch in which it entered this stage."""
    embargo: int = 0
    """First epoch in which it may leave EMBARGOED."""
    culled_times: int = 0
    parameters: tuple[tuple[str, float], ...] = ()
    """Of its blueprint, where they are not the defaults."""

    @property
    def quantity(self) -> str:
        """The forecast quantity that it corrects."""
        return self.name.rpartition(".")[0]


def forward(
    slot: GrowthSlot,
    epoch: int,
    verdict: GateVerdict | None = None,
    blueprint: int = 0,
    parameters: tuple[tuple[str, float], ...] = (),
) -> GrowthSlot:
    """The slot after its gate was asked: in the next stage, culled, or where it is when there is nothing to cull.

    A stage without a gate takes no verdict. `blueprint` and `parameters` are set on the step to GERMINATED. Raises
    IllegalStep when there is no next stage, or the verdict is of another gate.
    """
    row = ROW_OF[slot.stage]
    if row.forward is None:
        raise IllegalStep(f"{slot.name}: nothing follows {slot.stage.name}")
    if (verdict.gate if verdict else None) is not row.gate:
        asked = verdict.gate.name if verdict else "no gate"
        raise IllegalStep(f"{slot.name}: {slot.stage.name} needs {row.gate}, not {asked}")
    if verdict is not None and not verdict.passed:
        return cull(slot, epoch) if slot.stage in CULLABLE else slot
    moved = _entered(slot, row.forward, epoch)
    if row.forward is SlotStage.GERMINATED:
        return replace(moved, blueprint=blueprint, parameters=parameters)
    return replace(moved, blueprint=0, embargo=0, parameters=()) if row.forward is SlotStage.DORMANT else moved


def cull(slot: GrowthSlot, epoch: int) -> GrowthSlot:
    """Freeze the block and close the slot. Raises IllegalStep outside GERMINATED..PROBATIONARY."""
    _legal(slot, SlotStage.CULLED)
    return replace(_entered(slot, SlotStage.CULLED, epoch), culled_times=slot.culled_times + 1)


def embargo(slot: GrowthSlot, epoch: int, epochs: int) -> GrowthSlot:
    """Close a culled slot for `epochs`, doubled with every earlier cull up to eightfold, so that it cannot thrash."""
    _legal(slot, SlotStage.EMBARGOED)
    until = epoch + epochs * 2 ** min(max(slot.culled_times - 1, 0), 3)
    return replace(_entered(slot, SlotStage.EMBARGOED, epoch), embargo=until)


def terminate(slot: GrowthSlot, epoch: int) -> GrowthSlot:
    """End a slot for good. Raises IllegalStep outside DORMANT and FOSSILIZED."""
    _legal(slot, SlotStage.TERMINATED)
    return _entered(slot, SlotStage.TERMINATED, epoch)


def ramp(slot: GrowthSlot, epoch: int) -> float:
    """How much of the block counts inside the candidate, 0 to 1: rises over WARM_UP_EPOCHS from BLENDING on."""
    if slot.stage < SlotStage.BLENDING or slot.stage > SlotStage.FOSSILIZED:
        return 0.0
    if slot.stage > SlotStage.BLENDING:
        return 1.0
    return min(1.0, (epoch - slot.entered + 1) / WARM_UP_EPOCHS)


def _legal(slot: GrowthSlot, to: SlotStage) -> None:
    if to not in ROW_OF[slot.stage].successors:
        raise IllegalStep(f"{slot.name}: {to.name} may not follow {slot.stage.name}")


def _entered(slot: GrowthSlot, stage: SlotStage, epoch: int) -> GrowthSlot:
    return replace(slot, stage=stage, entered=epoch)
