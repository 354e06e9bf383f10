"""growth_report_v1: what the learning loop knows after one night: errors with and without each block, and shares."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Fraction, Identifier, Listed, Part, Record, ShortText
from shared_schemas.records.growth_event_v1 import GrowthStage

Positive = Annotated[FiniteFloat, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]


class BlockSkill(Part):
    """One block beside the forecast without it, over the judged window."""

    slot: Identifier
    stage: GrowthStage
    expert: Literal["network", "trees"]
    blueprint: Identifier | None = None
    share: Fraction
    """Of the forecast: 0 or .25."""
    judged_origins: Count
    error_without: Positive | None = None
    """Mean absolute error in the quantity's unit; null while too few origins are judged."""
    error_with: Positive | None = None


class GrowthReportV1(Record):
    """One night of the learning loop.

    Example:
        {"schema_version": "growth_report_v1", "ts": "2026-05-03T00:14:00+02:00", "epoch": 42, "policy":
         "heuristic", "policy_version": 0, "conservative": false, "days_learned": 42, "boundary_ms": 3.1,
         "train_s": 4.2, "blocks": [{"slot": "vpd_kpa.0", "stage": "PROBATIONARY", "expert": "network",
         "blueprint": "BP001", "share": 0.25, "judged_origins": 240, "error_without": 0.0861,
         "error_with": 0.0843}], "text": "vpd_kpa.0 keeps its share."}
    """

    schema_version: Literal["growth_report_v1"]
    epoch: Count
    policy: Literal["heuristic", "ppo"]
    policy_version: Count = 0
    conservative: bool = False
    days_learned: Count
    boundary_ms: Positive
    train_s: Positive
    blocks: Annotated[tuple[BlockSkill, ...], Listed] = ()
    text: Annotated[ShortText, Field(min_length=1)]
