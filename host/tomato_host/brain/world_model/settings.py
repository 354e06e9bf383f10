"""The settings of the world model, `[world_model]` in the configuration file."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class WorldModelSettings(BaseModel):
    """Thresholds of risk, and the confidence that a reading needs to be learned from."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    min_confidence: Annotated[FiniteFloat, Field(ge=0.0, le=1.0)] = 0.5
    """Readings of less confidence than this are not learned from."""
    soil_dry_pct: Annotated[FiniteFloat, Field(ge=0.0, le=100.0)] = 22.0
    """Water content below which the plant is short of water."""
    soil_target_pct: Annotated[FiniteFloat, Field(ge=0.0, le=100.0)] = 32.0
    """Water content that the recommended water restores."""
    soil_wet_pct: Annotated[FiniteFloat, Field(ge=0.0, le=100.0)] = 52.0
    """Water content above which roots begin to lack air."""
    vpd_high_kpa: Annotated[FiniteFloat, Field(ge=0.0, le=10.0)] = 1.6
    """Vapour pressure deficit above which the forecast warns."""
    vpd_low_kpa: Annotated[FiniteFloat, Field(ge=0.0, le=10.0)] = 0.2
    """Vapour pressure deficit below which the forecast warns."""
    heat_c: Annotated[FiniteFloat, Field(ge=0.0, le=60.0)] = 32.0
    """Air temperature above which the forecast warns."""
    cold_c: Annotated[FiniteFloat, Field(ge=-20.0, le=40.0)] = 12.0
    """Air temperature below which the forecast warns."""
