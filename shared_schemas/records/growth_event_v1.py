"""growth_event_v1: one step of a growth slot: a stage entered, a gate that failed, a block refused or rolled back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Identifier, Listed, Record, ShortText

GrowthStage = Literal[
    "DORMANT",
    "GERMINATED",
    "TRAINING",
    "BLENDING",
    "SHADOWING",
    "PROBATIONARY",
    "FOSSILIZED",
    "CULLED",
    "EMBARGOED",
    "RESETTING",
    "TERMINATED",
]
"""`shared_schemas.learn.lifecycle.SlotStage` by name."""

GrowthGate = Literal["G0", "G1", "G2", "G3", "G4", "G5", "SCHEDULE", "EMBARGO"]


class GrowthEventV1(Record):
    """What happened to one slot, and why.

    Example:
        {"schema_version": "growth_event_v1", "ts": "2026-05-03T00:14:00+02:00", "slot": "vpd_kpa.0",
         "kind": "stage_entered", "stage": "SHADOWING", "stage_before": "BLENDING", "gate": "G2", "failed": [],
         "blueprint": "BP001", "block_sha256": "9f86d081884c7d65", "policy_version": 0, "reason": "stage_complete",
         "text": "G2 stability holds: step 0.4 ms, ramp smooth.", "figures": {"step_ms": 0.4}}
    """

    schema_version: Literal["growth_event_v1"]
    slot: Identifier
    kind: Literal["stage_entered", "gate_failed", "share_changed", "block_refused", "quarantined", "rolled_back"]
    stage: GrowthStage
    stage_before: GrowthStage | None = None
    gate: GrowthGate | None = None
    failed: Annotated[tuple[ShortText, ...], Listed] = ()
    """The conditions of the gate that did not hold."""
    blueprint: Identifier | None = None
    block_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{16,64}$")] | None = None
    policy_version: Annotated[int, Field(ge=0)] = 0
    """0: the heuristic."""
    reason: Identifier
    text: Annotated[ShortText, Field(min_length=1)]
    figures: dict[str, FiniteFloat] = Field(default_factory=dict)
    """Measured values behind the decision; the unit is in the name."""
