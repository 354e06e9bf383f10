"""What a grower may set of the weather."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat


class WeatherSettings(BaseModel):
    """Where forecasts come from, how long they serve, how patient the client is."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    provider: Literal["geosphere", "open_meteo", "none"] = "geosphere"
    fallback: Literal["open_meteo", "none"] = "open_meteo"
    geosphere_url: str = "https://dataset.api.hub.geosphere.at/v1"
    open_meteo_url: str = "https://api.open-meteo.com/v1"
    ensemble: bool = True
    """Ask for the ensemble's percentiles too: the forecast's own doubt."""
    ttl_minutes: Annotated[FiniteFloat, Field(ge=10.0, le=1_440.0)] = 120.0
    keep_hours: Annotated[FiniteFloat, Field(ge=1.0, le=48.0)] = 24.0
    """How long an old forecast still serves, marked stale, while no provider answers."""
    timeout_s: Annotated[FiniteFloat, Field(ge=1.0, le=60.0)] = 10.0
    attempts: Annotated[int, Field(ge=1, le=6)] = 3
