"""A provider's result before it becomes a record: hours in UTC, plain columns, None where nothing is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

COLUMNS = (
    "temp_c",
    "rh_pct",
    "wind_mps",
    "gust_mps",
    "cloud_pct",
    "solar_wm2",
    "precip_mm",
    "temp_c_p10",
    "temp_c_p90",
    "rh_pct_p10",
    "rh_pct_p90",
)
"""Names of columns, in the units of forecast_36h_v1."""


@dataclass(frozen=True)
class WeatherSeries:
    """One result of one provider."""

    provider: str
    model: str
    run_ts: datetime
    times: tuple[datetime, ...]
    columns: Mapping[str, tuple[float | None, ...]]


class Provider(Protocol):
    """A source of weather forecasts."""

    name: str

    def fetch(self, latitude_deg: float, longitude_deg: float, start: datetime, hours: int) -> WeatherSeries:
        """Forecast from `start` (aware) for `hours`. Raises WeatherUnavailable."""
        ...


class WeatherUnavailable(Exception):
    """No usable answer. `permanent` means that asking again for this place is pointless (outside the grid)."""

    def __init__(self, why: str, permanent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.permanent = permanent
