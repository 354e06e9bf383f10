"""Section `[learn]` of the settings: the learning loop."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class LearnSettings(BaseModel):
    """Section `[learn]`: small blocks grown into the forecast (docs/learning.md)."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    expert: Literal["trees", "network"] = "trees"
    """What a block is: 40 shallow trees (no torch needed), or a network trained with torch (extra [learn])."""
    quantities: Annotated[str, Field(max_length=200)] = "vpd_kpa"
    """Forecast quantities with a growth slot, by comma: vpd_kpa, air_temp_c, soil.P1 ..."""
    learning_slots: Annotated[int, Field(ge=1, le=8)] = 2
    """Slots that may train at once; the others wait."""
    embargo_epochs: Annotated[int, Field(ge=1, le=60)] = 5
    """Nights that a slot stays closed after its block was culled; doubled with every further cull, up to eightfold."""
    fossil_readout: Literal["learning", "frozen"] = "learning"
    """Whether an accepted block goes on learning. `frozen` is the backlog's literal wording, and errs more."""
    window_days: Annotated[int, Field(ge=10, le=120)] = 30
    """Days of residuals that a block learns from."""
    steps: Annotated[int, Field(ge=1, le=1_000)] = 75
    """Training steps of a network each night."""
    learning_rate: Annotated[FiniteFloat, Field(gt=0.0, le=0.1)] = 0.01
    """Base rate of a network; new parameters start at a tenth of it for 10 nights."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of everything random in the loop."""
