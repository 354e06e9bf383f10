"""What a grower may set of the weather."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from tomato_host.addresses import WebAddress


class WeatherSettings(BaseModel):
    """Where forecasts come from, how long they serve, how patient the client is."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    provider: Literal["geosphere", "open_meteo", "none"] = "geosphere"
    """Service that is asked first; `none` works without forecasts."""
    fallback: Literal["open_meteo", "none"] = "open_meteo"
    """Service that is asked while the first one does not answer."""
    geosphere_url: WebAddress = "https://dataset.api.hub.geosphere.at/v1"
    """Base address of the GeoSphere Austria API."""
    open_meteo_url: WebAddress = "https://api.open-meteo.com/v1"
    """Base address of the Open-Meteo API."""
    ensemble: bool = True
    """Ask for the ensemble's percentiles too: the forecast's own doubt."""
    ttl_minutes: Annotated[FiniteFloat, Field(ge=10.0, le=1_440.0)] = 120.0
    """Age at which a forecast is fetched anew."""
    keep_hours: Annotated[FiniteFloat, Field(ge=1.0, le=48.0)] = 24.0
    """How long an old forecast still serves, marked stale, while no provider answers."""
    timeout_s: Annotated[FiniteFloat, Field(ge=1.0, le=60.0)] = 10.0
    """Longest wait for one answer of a provider."""
    attempts: Annotated[int, Field(ge=1, le=6)] = 3
    """Attempts at one fetch before the next provider is asked."""
