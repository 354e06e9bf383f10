"""From records to hourly columns: states, delivered amounts and weather become what the model learns from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from shared_schemas.devices import GAS, PLAN_COLUMNS, PUMP, names_of
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1, WeatherHour
from shared_schemas.records.plan_v1 import PlanStep
from shared_schemas.records.state_v1 import StateV1
from tomato_host.brain.psychrometric_arrays import saturation_array_kpa, vpd_array_kpa
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.data import (
    HISTORY_H,
    HORIZON_H,
    OUTSIDE_COLUMNS,
    SPREAD_COLUMNS,
    HourlyLog,
    KnownAhead,
    RolloutStart,
)
from tomato_host.brain.world_model.settings import WorldModelSettings

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
SWITCHED = names_of(kind="relay")
"""Outputs whose share of the hour is a regressor."""

_ON_TIME = "on_time."
_CLEAR_WM2 = 600.0
"""Sun of a clear day hour, where a provider gives clouds only."""


def hour_index(when: datetime) -> int:
    """Whole hours since 1970-01-01 00:00 UTC."""
    return int((when - _EPOCH) // _HOUR)


def hour_start(index: int) -> datetime:
    """The inverse of `hour_index`, in UTC."""
    return _EPOCH + index * _HOUR


class HourlyHistory:
    """Running hourly means of the last two weeks. Add every record; `log` gives the complete hours at any time."""

    def __init__(self, settings: WorldModelSettings | None = None, keep_hours: int = HISTORY_H) -> None:
        self.settings = settings or WorldModelSettings()
        self.keep_hours = keep_hours
        self._sums: dict[int, dict[str, tuple[float, float]]] = {}
        self._outside: dict[int, dict[str, float]] = {}
        self._offset_h = 0.0
        self._timed: set[str] = set()

    def add_state(self, state: StateV1) -> None:
        """Add the values of a state that have enough confidence, no others. Its `ts` must carry the local offset."""
        self._offset_h = _offset_h(state.ts)
        row = _trusted(state, self.settings.min_confidence)
        row |= {name: float(getattr(state.devices, name) == "ON") for name in SWITCHED}
        self._add_mean(hour_index(state.ts), row)

    def add_water(self, when: datetime, ml: float) -> None:
        """Water really delivered, in ml."""
        self._add_total(hour_index(when), PUMP.column, ml)

    def add_on_time(self, output: str, when: datetime, seconds: float) -> None:
        """On-time really delivered, in s. For an output given here the snapshots in states no longer count."""
        if output == GAS.name:
            self._add_total(hour_index(when), GAS.column, seconds)
        elif output in SWITCHED:
            self._timed.add(output)
            self._add_total(hour_index(when), _ON_TIME + output, seconds)

    def add_weather(self, forecast: Forecast36hV1) -> None:
        """Store the newest forecast of each hour; once the hour is over it counts as what the weather was."""
        for hour in forecast.hours:
            self._outside[hour_index(hour.ts)] = outside_row(hour)

    def log(self, now: datetime) -> HourlyLog:
        """All complete hours up to `now`, at most `keep_hours`; older ones are dropped."""
        end = hour_index(now)
        start = end - self.keep_hours
        self._drop(start)
        known = [hour for hour in self._sums if hour < end]
        start = min(known, default=end - 1)
        names = sorted({name for hour in known for name in self._sums[hour]})
        values = {name: np.full(end - start, np.nan) for name in (*names, *OUTSIDE_COLUMNS)}
        for hour in known:
            for name, (total, weight) in self._sums[hour].items():
                values[name][hour - start] = total / weight
        for hour, row in self._outside.items():
            if start <= hour < end:
                for name, value in row.items():
                    values[name][hour - start] = value
        for output in self._timed:
            seconds = values.pop(_ON_TIME + output, np.zeros(end - start))
            values[output] = np.minimum(np.nan_to_num(seconds) / 3_600.0, 1.0)
        return HourlyLog(start, self._offset_h, values)

    def shift(self, hours: int) -> None:
        """The clock was set by this many hours, and what was seen moves with it; the weather's hours are the wall's."""
        self._sums = {hour + hours: row for hour, row in self._sums.items()}

    def _add_mean(self, hour: int, row: Mapping[str, float]) -> None:
        kept = self._sums.setdefault(hour, {})
        for name, value in row.items():
            total, weight = kept.get(name, (0.0, 0.0))
            kept[name] = (total + value, weight + 1.0)

    def _add_total(self, hour: int, name: str, amount: float) -> None:
        kept = self._sums.setdefault(hour, {})
        kept[name] = (kept.get(name, (0.0, 1.0))[0] + amount, 1.0)

    def _drop(self, before: int) -> None:
        for table in (self._sums, self._outside):
            for hour in [hour for hour in table if hour < before]:
                del table[hour]


def _offset_h(when: datetime) -> float:
    offset = when.utcoffset()
    return 0.0 if offset is None else offset / _HOUR


def _trusted(state: StateV1, least: float) -> dict[str, float]:
    trust = state.quantity_confidence
    found: dict[str, float | None] = {}
    if trust.get("air_temp_c", 1.0) >= least:
        found["air_temp_c"] = state.env.air_temp_c
        if trust.get("rh_pct", 1.0) >= least:
            found["vpd_kpa"] = state.env.vpd_kpa
            if trust.get("leaf_temp_c", 1.0) >= least:
                found["leaf_vpd_kpa"] = state.plant.leaf_vpd_kpa
    if trust.get("soil_temp_c", 1.0) >= least:
        found["soil_temp_c"] = state.soil.temp_c
    for probe in state.soil.probes:
        if probe.confidence >= least:
            found[f"soil.{probe.id}"] = probe.moisture_pct
    return {name: value for name, value in found.items() if value is not None}


def outside_row(hour: WeatherHour) -> dict[str, float]:
    """OUTSIDE_COLUMNS of one forecast hour; the larger of wind and half the gust counts as wind."""
    vpd = float(vpd_array_kpa(hour.ext_temp_c, hour.ext_rh_pct))
    solar = hour.ext_solar_wm2
    if solar is None:
        cloud = (hour.ext_cloud_cover_pct or 0.0) / 100.0
        day = max(0.0, float(np.sin(np.pi * ((hour.ts.hour - 6.0) / 12.0)))) if 6 <= hour.ts.hour <= 18 else 0.0
        solar = _CLEAR_WM2 * day * (1.0 - 0.72 * cloud**2)
    gust = hour.ext_gust_mps or 0.0
    return {
        "out_temp_c": hour.ext_temp_c,
        "out_vapour_kpa": float(saturation_array_kpa(hour.ext_temp_c)) - vpd,
        "out_vpd_kpa": vpd,
        "out_solar_wm2": solar,
        "out_wind_mps": max(hour.ext_wind_mps, 0.5 * gust),
    }


def weather_ahead(forecast: Forecast36hV1 | None, now: datetime) -> dict[str, Array]:
    """OUTSIDE_COLUMNS for the HORIZON_H hours from the running one on; NaN where the forecast has none."""
    first = hour_index(now)
    out = {name: np.full(HORIZON_H, np.nan) for name in OUTSIDE_COLUMNS}
    for hour in forecast.hours if forecast else ():
        slot = hour_index(hour.ts) - first
        if 0 <= slot < HORIZON_H:
            for name, value in outside_row(hour).items():
                out[name][slot] = value
    return out


def ensemble_ahead(forecast: Forecast36hV1 | None, now: datetime) -> dict[str, Array]:
    """The ensemble's percentiles for the same hours; empty when the provider gave none."""
    if forecast is None or all(hour.ext_temp_c_p10 is None for hour in forecast.hours):
        return {}
    first = hour_index(now)
    out = {name: np.full(HORIZON_H, np.nan) for name in SPREAD_COLUMNS}
    for hour in forecast.hours:
        slot = hour_index(hour.ts) - first
        if 0 <= slot < HORIZON_H:
            for name in SPREAD_COLUMNS:
                value = getattr(hour, name.replace("out_", "ext_"))
                out[name][slot] = np.nan if value is None else value
    return out


def plan_ahead(steps: Iterable[PlanStep], now: datetime) -> dict[str, Array]:
    """PLAN_COLUMNS for the HORIZON_H hours from the running one on; NaN where the plan has no step."""
    first = hour_index(now)
    out = {name: np.full(HORIZON_H, np.nan) for name in PLAN_COLUMNS}
    for step in steps:
        slot = hour_index(step.start) - first
        if 0 <= slot < HORIZON_H:
            for name in PLAN_COLUMNS:
                out[name][slot] = getattr(step, name)
    return out


def known_ahead(forecast: Forecast36hV1 | None, steps: Iterable[PlanStep], now: datetime) -> KnownAhead:
    """Weather and plan of the hours to come, as the model reads them."""
    return KnownAhead({**weather_ahead(forecast, now), **ensemble_ahead(forecast, now), **plan_ahead(steps, now)})


def rollout_start(state: StateV1, zones: tuple[str, ...], fallback: HourlyLog | None = None) -> RolloutStart:
    """Where the planner's rollouts start: the state now; what is missing is the last known hour's, else a default."""

    def last(name: str, default: float) -> float:
        column = fallback.column(name) if fallback is not None else np.array([])
        known = column[np.isfinite(column)]
        return float(known[-1]) if known.size else default

    temp = state.env.air_temp_c if state.env.air_temp_c is not None else last("air_temp_c", 22.0)
    deficit = state.env.vpd_kpa if state.env.vpd_kpa is not None else last("vpd_kpa", 1.0)
    probes = {f"soil.{p.id}": p.moisture_pct for p in state.soil.probes}
    average = state.soil.avg_moisture_pct if state.soil.avg_moisture_pct is not None else 32.0
    soil = [value if (value := probes.get(zone)) is not None else last(zone, average) for zone in zones]
    return RolloutStart(temp, float(saturation_array_kpa(temp)) - deficit, np.array(soil), last(PUMP.column, 0.0))
