"""The data classes of the world model: what it reads, what it rolls forward, what it returns. No logic of learning.

Every other file of the package builds on this one and on `arrays.py`; this one builds on nothing but `arrays.py`. So a
function that needs a forecast takes a `Forecast`, and not the model that made it.

Two clocks appear. A *table hour* is a position in an `HourlyLog` (0 is its first hour); an *absolute hour* counts from
1970-01-01 00:00 UTC. `log.start_hour + table hour` is the absolute hour. In shapes, n are origins, H horizons, B plans
rolled at once, Z soil zones, K plan columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np

from shared_schemas.devices import OUTPUTS, PLAN_COLUMNS, plan_order
from tomato_host.brain.world_model.arrays import Array, Index, Mask

HORIZON_H = 36
"""Hours ahead that a forecast covers."""

HISTORY_H = 14 * 24
"""Hours the model looks back at most: seven same hours of the day, 36 h of horizon, some slack for gaps."""

LEARNED_COLUMNS: tuple[str, ...] = tuple(row.column for row in plan_order(OUTPUTS) if row.kind != "valve")
"""Plan columns that the model learns from; CO2 moves neither air nor soil."""

OUTSIDE_COLUMNS: tuple[str, ...] = ("out_temp_c", "out_vapour_kpa", "out_vpd_kpa", "out_solar_wm2", "out_wind_mps")
"""Weather outside as the model uses it."""

SPREAD_COLUMNS = ("out_temp_c_p10", "out_temp_c_p90", "out_rh_pct_p10", "out_rh_pct_p90")
"""Percentiles of the weather ensemble, where a provider gives them."""

Kind = Literal["soil", "air_temp", "vpd", "leaf_vpd", "other"]

_LIMITS: dict[Kind, tuple[float, float]] = {
    "soil": (0.0, 100.0),
    "air_temp": (-40.0, 85.0),
    "vpd": (0.0, 12.0),
    "leaf_vpd": (0.0, 15.0),
    "other": (-1e9, 1e9),
}


@dataclass(frozen=True)
class Quantity:
    """One column that the model forecasts. `companions` are columns measured beside it that may explain it."""

    name: str
    kind: Kind
    companions: tuple[str, ...] = ()

    @property
    def limits(self) -> tuple[float, float]:
        """Physical bounds in the quantity's own unit; no forecast leaves them."""
        return _LIMITS[self.kind]


def tent_quantities(probes: tuple[str, ...] = ("P1", "P2")) -> tuple[Quantity, ...]:
    """The quantities of a tent with these soil probes."""
    soil = tuple(Quantity(f"soil.{probe}", "soil", ("soil_temp_c",)) for probe in probes)
    return (
        *soil,
        Quantity("air_temp_c", "air_temp"),
        Quantity("vpd_kpa", "vpd", ("air_temp_c",)),
        Quantity("leaf_vpd_kpa", "leaf_vpd", ("vpd_kpa",)),
    )


@dataclass(frozen=True)
class ModelShape:
    """What one tent has: quantities to forecast, plan columns that exist, and whether weather is known at all."""

    quantities: tuple[Quantity, ...] = field(default_factory=tent_quantities)
    plan: tuple[str, ...] = LEARNED_COLUMNS
    outside: bool = True
    horizons: tuple[int, ...] = tuple(range(1, HORIZON_H + 1))


@dataclass(frozen=True)
class HourlyLog:
    """Hourly means; missing or untrusted hours are NaN. Column i covers the hour that starts at `start_hour + i`."""

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
class KnownAhead:
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

    def without_weather(self) -> KnownAhead:
        """The same plans, nothing known of the weather."""
        return KnownAhead({k: v for k, v in self.values.items() if k not in OUTSIDE_COLUMNS})


@dataclass(frozen=True)
class RolloutStart:
    """Where a rollout starts. All of shape [B] or scalars; soil [Z] or [Z, B]; water_before_ml is the last hour's."""

    air_temp_c: Array | float
    vapour_kpa: Array | float
    soil_pct: Array
    water_before_ml: Array | float = 0.0


@dataclass(frozen=True)
class RolloutInputs:
    """Known inputs of H hours for B futures: plans [B, H, K] in PLAN_COLUMNS, weather arrays [H] or [B, H]."""

    plans: Array
    out_temp_c: Array
    out_vapour_kpa: Array
    out_solar_wm2: Array
    out_wind_mps: Array
    measured_vpd_kpa: Array | None = None
    """Where given, the deficit that soil and leaf see instead of the rolled one."""

    def plan(self, name: str) -> Array:
        """One plan column [B, H]."""
        return np.asarray(self.plans[:, :, _PLAN_INDEX[name]])


_PLAN_INDEX = {name: k for k, name in enumerate(PLAN_COLUMNS)}


@dataclass(frozen=True)
class Forecast:
    """Forecasts from n origins: series by name, each [3, 2, n, H]: mean, low, high; with weather, without."""

    origin_hours: Index
    """Absolute hours of the origins [n]."""
    horizons: Index
    """Hours ahead [H]."""
    series: dict[str, Array]
    experts: dict[str, Array]
    """What each expert forecast, by quantity: [E, n, H]."""
    grown: dict[str, Array] = field(default_factory=dict)
    """Of quantities with a grown block: the blend without it and its whole correction, [2, n, H]."""

    def best(self, name: str) -> Array:
        """[3, n, H]: with weather where that is known, else without."""
        with_weather, without = self.series[name][:, 0], self.series[name][:, 1]
        return np.asarray(np.where(np.isfinite(with_weather[0]), with_weather, without))


@dataclass(frozen=True)
class ModelFacts:
    """What a record of a forecast says about the model that made it, and what turns a forecast into advice."""

    version: str
    coefficients_hash: str
    days_learned: int
    zones: tuple[str, ...]
    """Soil series by name, in the order of the model."""
    gain_pct_per_100_ml: tuple[float, ...]
    """Points of water content that each zone gains from 100 ml, as learned."""


@dataclass(frozen=True)
class ForecastSummary:
    """The forecast of one moment in arrays: means and bands by name [3, H], risk and driest zone [H]."""

    bands: dict[str, Array]
    risk: Array
    driest: Array
    drop: Array
    """How fast the driest zone dries, points an hour."""
    storm: Array
    """Air change by wind beyond the ordinary, in shares of the exhaust's."""
    hours: list[datetime]
    """End of each forecast hour, local."""
    weather_known: Array | Mask
    """Whether the weather ahead was known for that hour."""
