"""The weather scenarios as a table: how each shows in a forecast, and what it changes in targets and sampling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shared_schemas.records.forecast_36h_v1 import WeatherHour
from shared_schemas.records.targets_v1 import Scenario
from tomato_host.brain.psychrometric_arrays import vapour_array_kpa

DRY_VAPOUR_KPA = 0.75
"""Outside air below this dries a room at 21 degC to under 30 % RH when it enters."""

DRY_DROP = 0.30
"""A fall of the vapour outside by this share within the horizon is an inflow of dry air ..."""

DRY_DROP_BELOW_KPA = 1.1
"""... unless it stays moist even so."""

HEAT_C = 30.0
GUST_MPS = 17.0
"""Bft 8, where the weather service warns."""

WIND_MPS = 12.0
COLD_C = -2.0
COLD_DROP_K = 12.0
_FEW_HOURS = 3
"""An hour or two do not make a scenario, except for wind."""


@dataclass(frozen=True)
class ScenarioWindow:
    """A scenario found: its hours (indices into the forecast) and the signal that shows it."""

    first: int
    last: int
    because: str


@dataclass(frozen=True)
class TargetChange:
    """One change: add to, or multiply, a field of the targets."""

    field: str
    how: Literal["add", "times"]
    amount: float


@dataclass(frozen=True)
class ScenarioRule:
    """One scenario: detector, changes, and how often to sample while it lasts."""

    scenario: Scenario
    detect: Callable[[tuple[WeatherHour, ...]], ScenarioWindow | None]
    changes: tuple[TargetChange, ...]
    sampling_period_s: float


def vapour_kpa(hour: WeatherHour) -> float:
    """Vapour pressure of the outside air."""
    return float(vapour_array_kpa(hour.ext_temp_c, hour.ext_rh_pct))


def _stretch(flags: list[bool], least: int) -> tuple[int, int] | None:
    """First and last index of the hours flagged, if at least `least` are."""
    hits = [i for i, flag in enumerate(flags) if flag]
    return (hits[0], hits[-1]) if len(hits) >= least else None


def _dry_inflow(hours: tuple[WeatherHour, ...]) -> ScenarioWindow | None:
    vapour = np.array([vapour_kpa(hour) for hour in hours])
    start = float(np.mean(vapour[:3]))
    limit = max(DRY_VAPOUR_KPA, min(start * (1.0 - DRY_DROP), DRY_DROP_BELOW_KPA))
    warm = np.array([hour.ext_temp_c > 5.0 for hour in hours])
    falls = vapour < start * (1.0 - DRY_DROP)
    found = _stretch(list((vapour < limit) & (warm | falls)), _FEW_HOURS)
    if found is None:
        return None
    i = int(np.argmin(vapour))
    return ScenarioWindow(
        *found,
        f"outside air holds {vapour[i]:.2f} kPa of vapour ({hours[i].ext_rh_pct:.0f} % RH) at {hours[i].ts:%H:%M}",
    )


def _heatwave(hours: tuple[WeatherHour, ...]) -> ScenarioWindow | None:
    found = _stretch([hour.ext_temp_c >= HEAT_C for hour in hours], _FEW_HOURS)
    if found is None:
        return None
    hottest = max(hours, key=lambda hour: hour.ext_temp_c)
    return ScenarioWindow(*found, f"outside maximum {hottest.ext_temp_c:.1f} degC at {hottest.ts:%H:%M}")


def _wind_spike(hours: tuple[WeatherHour, ...]) -> ScenarioWindow | None:
    found = _stretch([(hour.ext_gust_mps or 0.0) >= GUST_MPS or hour.ext_wind_mps >= WIND_MPS for hour in hours], 1)
    if found is None:
        return None
    worst = max(hours, key=lambda hour: max(hour.ext_gust_mps or 0.0, hour.ext_wind_mps))
    return ScenarioWindow(
        *found, f"gusts of {max(worst.ext_gust_mps or 0.0, worst.ext_wind_mps):.0f} m/s at {worst.ts:%H:%M}"
    )


def _cold_spell(hours: tuple[WeatherHour, ...]) -> ScenarioWindow | None:
    start = float(np.mean([hour.ext_temp_c for hour in hours[:3]]))
    limit = max(COLD_C, start - COLD_DROP_K) if start < 12.0 else COLD_C
    found = _stretch([hour.ext_temp_c <= limit for hour in hours], _FEW_HOURS)
    if found is None:
        return None
    coldest = min(hours, key=lambda hour: hour.ext_temp_c)
    return ScenarioWindow(*found, f"outside minimum {coldest.ext_temp_c:.1f} degC at {coldest.ts:%H:%M}")


RULES: tuple[ScenarioRule, ...] = (
    ScenarioRule(
        "dry_inflow",
        _dry_inflow,
        (
            TargetChange("vpd_day_kpa.high", "add", -0.1),
            TargetChange("vpd_night_kpa.high", "add", -0.1),
            TargetChange("soil_moisture_pct.low", "add", 2.0),
            TargetChange("water_ml_budget", "times", 1.10),
        ),
        900.0,
    ),
    ScenarioRule(
        "heatwave",
        _heatwave,
        (
            TargetChange("vpd_day_kpa.high", "add", -0.1),
            TargetChange("soil_moisture_pct.low", "add", 2.0),
            TargetChange("water_ml_budget", "times", 1.20),
            TargetChange("lights_on_hour", "add", -2.0),
            TargetChange("co2_seconds_budget", "times", 0.5),
        ),
        600.0,
    ),
    ScenarioRule(
        "wind_spike",
        _wind_spike,
        (
            TargetChange("vpd_day_kpa.high", "add", -0.1),
            TargetChange("soil_moisture_pct.low", "add", 2.0),
            TargetChange("water_ml_budget", "times", 1.05),
            TargetChange("co2_seconds_budget", "times", 0.5),
        ),
        300.0,
    ),
    ScenarioRule(
        "cold_spell",
        _cold_spell,
        (
            TargetChange("air_temp_night_c.low", "add", 1.0),
            TargetChange("water_ml_budget", "times", 0.90),
            TargetChange("vpd_night_kpa.low", "add", 0.05),
        ),
        900.0,
    ),
)
"""All scenarios in the order in which they are applied. Tighter bands, earlier light, water before it is needed."""
