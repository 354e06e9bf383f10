"""What a grower may set about safe mode."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class SafeModeSettings(BaseModel):
    """Section `[safe_mode]` of the TOML file. Every pair of limits has a gap: trust is lost sooner than it returns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    link_down_s: Annotated[float, Field(ge=5.0, le=3_600.0)] = 60.0
    """A silence of the board of this length is a cause for safe mode."""
    state_age_s: Annotated[float, Field(ge=30.0, le=7_200.0)] = 900.0
    """An estimate older than this is a cause for safe mode."""
    confidence_low: Annotated[float, Field(ge=0.0, le=0.9)] = 0.35
    """Overall confidence below this is a cause for safe mode."""
    confidence_back: Annotated[float, Field(ge=0.05, le=1.0)] = 0.6
    """Overall confidence at or above this ends that cause."""
    air_hot_c: Annotated[float, Field(ge=28.0, le=38.0)] = 36.0
    """Air temperature at or above this is a cause for safe mode."""
    air_hot_back_c: Annotated[float, Field(ge=20.0, le=36.0)] = 32.0
    """Air temperature at or below this ends that cause."""
    air_cold_c: Annotated[float, Field(ge=0.0, le=12.0)] = 7.0
    """Air temperature at or below this is a cause for safe mode."""
    air_cold_back_c: Annotated[float, Field(ge=2.0, le=18.0)] = 10.0
    """Air temperature at or above this ends that cause."""
    hold_s: Annotated[float, Field(ge=0.0, le=3_600.0)] = 30.0
    """A cause that can flicker must last this long before it counts."""
    calm_s: Annotated[float, Field(ge=60.0, le=86_400.0)] = 900.0
    """All causes must be gone this long before trust starts to return."""
    recover_s: Annotated[float, Field(ge=60.0, le=86_400.0)] = 1_800.0
    """Then this long under the stricter profile before all is as it was."""
    sampling_safe_s: Annotated[float, Field(ge=1.0, le=3_600.0)] = 300.0
    """Pace of full records in safe mode."""
    sampling_caution_s: Annotated[float, Field(ge=1.0, le=3_600.0)] = 600.0
    """Pace of full records in mode CAUTION."""
    caution_s: Annotated[float, Field(ge=60.0, le=86_400.0)] = 1_800.0
    """A HIGH anomaly makes the mode CAUTION for this long after it was last seen."""
