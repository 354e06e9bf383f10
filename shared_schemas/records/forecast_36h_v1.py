"""forecast_36h_v1: the weather outside for the next 36 hours, normalised from whichever provider answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from shared_schemas.records.base import AirTempC, Fraction, Identifier, Listed, Part, Percent, Record, Timestamp


class WeatherHour(Part):
    """One step of the forecast at minute precision, local time with its offset."""

    ts: Timestamp
    ext_temp_c: Annotated[FiniteFloat, Field(ge=-60.0, le=60.0)]
    ext_rh_pct: Percent
    ext_wind_mps: Annotated[FiniteFloat, Field(ge=0.0, le=120.0)]
    ext_gust_mps: Annotated[FiniteFloat, Field(ge=0.0, le=150.0)] | None = None
    ext_cloud_cover_pct: Percent | None = None
    ext_solar_wm2: Annotated[FiniteFloat, Field(ge=0.0, le=1_500.0)] | None = None
    ext_precip_mm: Annotated[FiniteFloat, Field(ge=0.0, le=500.0)] | None = None
    ext_temp_c_p10: AirTempC | None = None
    ext_temp_c_p90: AirTempC | None = None
    ext_rh_pct_p10: Percent | None = None
    ext_rh_pct_p90: Percent | None = None

    @model_validator(mode="after")
    def _sky_is_known(self) -> WeatherHour:
        if self.ext_cloud_cover_pct is None and self.ext_solar_wm2 is None:
            raise ValueError("give ext_cloud_cover_pct or ext_solar_wm2")
        return self


class Forecast36hV1(Record):
    """Outside weather.

    Example:
        {"schema_version": "forecast_36h_v1", "ts": "2026-10-02T21:00:00+02:00", "provider": "geosphere",
         "model": "nwp-v2-1h-1km", "run_ts": "2026-10-02T14:00:00+02:00",
         "fetched_ts": "2026-10-02T20:59:58+02:00", "freq_minutes": 60, "stale": false, "hours": [
         {"ts": "2026-10-02T21:00:00+02:00", "ext_temp_c": 16.5, "ext_rh_pct": 71.0, "ext_wind_mps": 0.4,
          "ext_cloud_cover_pct": 67.0}], "quality": 1.0}
    """

    schema_version: Literal["forecast_36h_v1"]
    provider: Identifier
    model: Identifier
    run_ts: Timestamp
    fetched_ts: Timestamp
    freq_minutes: Annotated[int, Field(ge=1, le=360)]
    stale: bool = False
    hours: Annotated[tuple[WeatherHour, ...], Listed, Field(min_length=1)]
    quality: Fraction = 1.0
    """1 when fresh and whole; falls with age, gaps and lower resolution."""
