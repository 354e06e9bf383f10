"""Hourly table the world model learns from: one column a quantity, missing or untrusted hours are NaN."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tomato_host.brain.world_model.psychrometrics import Array

HORIZON_H = 36
"""Hours ahead that a forecast covers."""

HISTORY_H = 14 * 24
"""Hours the model looks back at most: seven same hours of the day, 36 h of horizon, some slack for gaps."""

PLAN_COLUMNS: tuple[str, ...] = (
    "water_ml",
    "light",
    "circulation_fan",
    "exhaust_fan",
    "humidifier",
    "heater_mat",
    "co2_seconds",
)
"""What a plan decides for each hour, in the order of the last axis of `rollout`'s plans: ml, shares 0..1, seconds."""

OUTSIDE_COLUMNS: tuple[str, ...] = ("out_temp_c", "out_vapour_kpa", "out_vpd_kpa", "out_solar_wm2", "out_wind_mps")
"""Weather outside as the model uses it."""


@dataclass(frozen=True)
class HourlyLog:
    """Hourly means. Column i covers the hour that starts `start_hour + i` hours after 1970-01-01 00:00 UTC."""

    start_hour: int
    utc_offset_h: float
    """Local time minus UTC at the end of the log: daily patterns follow the local clock."""
    values: Mapping[str, Array] = field(default_factory=dict)

    @property
    def hours(self) -> int:
        """Number of hours in the table."""
        return max((len(column) for column in self.values.values()), default=0)

    def column(self, name: str) -> Array:
        """The column, or all NaN when nothing of that name was recorded. Shape [hours]."""
        found = self.values.get(name)
        return np.full(self.hours, np.nan) if found is None else found

    def has(self, name: str) -> bool:
        """Whether any hour of that column is known."""
        found = self.values.get(name)
        return found is not None and bool(np.isfinite(found).any())

    def until(self, hours: int) -> HourlyLog:
        """The first `hours` hours only: what was known then."""
        return HourlyLog(self.start_hour, self.utc_offset_h, {k: v[:hours] for k, v in self.values.items()})

    def window(self, start: int, stop: int) -> HourlyLog:
        """Hours `start` to `stop` of the table."""
        first = max(start, 0)
        return HourlyLog(self.start_hour + first, self.utc_offset_h, {k: v[first:stop] for k, v in self.values.items()})


@dataclass(frozen=True)
class Ahead:
    """What is known of the hours after the log: plans and outside weather. Arrays of up to HORIZON_H hours."""

    values: Mapping[str, Array] = field(default_factory=dict)

    def column(self, name: str) -> Array:
        """Exactly HORIZON_H hours, NaN where nothing is known."""
        known = self.values.get(name)
        out = np.full(HORIZON_H, np.nan)
        if known is not None:
            part = np.asarray(known, dtype=np.float64)[:HORIZON_H]
            out[: len(part)] = part
        return out

    def without_weather(self) -> Ahead:
        """The same plans, nothing known of the weather."""
        return Ahead({k: v for k, v in self.values.items() if k not in OUTSIDE_COLUMNS})
