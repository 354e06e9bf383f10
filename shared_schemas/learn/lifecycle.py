"""The lifecycle of a growth slot as a table: eleven stages, what may follow each, and the gate on the way forward."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class SlotStage(IntEnum):
    """The stages; the numbers are those of `lifecycle.proto` (0 is reserved there for "not given")."""

    DORMANT = 1
    GERMINATED = 2
    TRAINING = 3
    BLENDING = 4
    SHADOWING = 5
    PROBATIONARY = 6
    FOSSILIZED = 7
    CULLED = 8
    EMBARGOED = 9
    RESETTING = 10
    TERMINATED = 11


class Gate(Enum):
    """A check that must hold before a slot goes forward; `tomato_host/learn/gates.py` computes each."""

    G0 = "sanity"
    G1 = "gradient health"
    G2 = "stability"
    G3 = "interface"
    G4 = "system impact"
    G5 = "reset"
    SCHEDULE = "a place in the schedule"
    EMBARGO = "the embargo is over"


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage: the next one when its gate holds, the other legal successors, and what the stage means."""

    stage: SlotStage
    forward: SlotStage | None
    gate: Gate | None
    aside: tuple[SlotStage, ...]
    meaning: str

    @property
    def successors(self) -> tuple[SlotStage, ...]:
        """Every stage that may follow."""
        return (*((self.forward,) if self.forward is not None else ()), *self.aside)


_S = SlotStage
_CULL = (SlotStage.CULLED,)

LIFECYCLE: tuple[StageRow, ...] = (
    StageRow(_S.DORMANT, _S.GERMINATED, Gate.G0, (_S.TERMINATED,), "empty slot, its output is the identity"),
    StageRow(_S.GERMINATED, _S.TRAINING, Gate.SCHEDULE, _CULL, "placeholder registered, waits for its place"),
    StageRow(_S.TRAINING, _S.BLENDING, Gate.G1, _CULL, "learns in isolation, the host's output is unchanged"),
    StageRow(_S.BLENDING, _S.SHADOWING, Gate.G2, _CULL, "its ramp rises from 0 to 1 inside the candidate"),
    StageRow(_S.SHADOWING, _S.PROBATIONARY, Gate.G3, _CULL, "compared on live hours, inert"),
    StageRow(_S.PROBATIONARY, _S.FOSSILIZED, Gate.G4, _CULL, "live with an earned share, watched"),
    StageRow(_S.FOSSILIZED, _S.TERMINATED, None, (), "accepted; its structure is fixed"),
    StageRow(_S.CULLED, _S.EMBARGOED, None, (), "frozen, the slot is closed"),
    StageRow(_S.EMBARGOED, _S.RESETTING, Gate.EMBARGO, (), "waits, so that a slot does not thrash"),
    StageRow(_S.RESETTING, _S.DORMANT, Gate.G5, (), "buffers, counters and caches are being scrubbed"),
    StageRow(_S.TERMINATED, None, None, (), "end"),
)

ROW_OF: dict[SlotStage, StageRow] = {row.stage: row for row in LIFECYCLE}

CULLABLE = frozenset(row.stage for row in LIFECYCLE if SlotStage.CULLED in row.aside)
"""Stages in which a failed gate ends in CULLED; elsewhere the slot stays where it is."""

LIVE = frozenset({SlotStage.PROBATIONARY, SlotStage.FOSSILIZED})
"""Stages in which a block may earn a share of the forecast."""
