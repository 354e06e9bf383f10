"""Uncertainty of the weather itself: old forecasts and wide ensembles widen the intervals that past skill has earned.

The conformal intervals (`conformal.py`) know how the model erred with the weather forecasts of the past. What they
cannot know is that today's forecast is twenty hours old, or that its ensemble is unusually wide. Both only ever widen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shared_schemas.devices import PLAN_COLUMNS
from tomato_host.brain.psychrometric_arrays import rh_array_pct, saturation_array_kpa
from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.data import (
    OUTSIDE_COLUMNS,
    SPREAD_COLUMNS,
    Forecast,
    HourlyLog,
    KnownAhead,
    RolloutInputs,
)
from tomato_host.brain.world_model.dynamics import TentDynamics, weather_inputs
from tomato_host.brain.world_model.features import PaddedLog

FRESH_MIN = 120.0
"""A forecast this old counts as fresh ..."""

SPENT_MIN = 1_440.0
"""... and one this old is worth no more than none."""

_SIGMA_10_90 = 2.563
_HALF_80 = 1.2816


def widened_by_age(forecast: Forecast, age_min: float | None) -> Forecast:
    """The same means; half-widths with weather grow with its age towards those without (all of it after a day)."""
    share = 0.0 if age_min is None else min(max((age_min - FRESH_MIN) / (SPENT_MIN - FRESH_MIN), 0.0), 1.0)
    if share <= 0.0:
        return forecast
    return replace(forecast, series={name: _aged(value, share) for name, value in forecast.series.items()})


def _aged(value: Array, share: float) -> Array:
    out = value.copy()
    below = np.maximum(out[0, 1] - out[1, 1], out[0, 0] - out[1, 0])
    above = np.maximum(out[2, 1] - out[0, 1], out[2, 0] - out[0, 0])
    out[1, 0] = out[0, 0] - (1.0 - share) * (out[0, 0] - out[1, 0]) - share * below
    out[2, 0] = out[0, 0] + (1.0 - share) * (out[2, 0] - out[0, 0]) + share * above
    return out


def widened_by_ensemble(
    forecast: Forecast, spread: Mapping[str, Array], limits: Mapping[str, tuple[float, float]]
) -> Forecast:
    """The same means; `spread` (standard deviations [H] by name) is added to the half-widths in quadrature."""
    series = {name: _spread_out(value, spread.get(name), limits[name]) for name, value in forecast.series.items()}
    return replace(forecast, series=series)


def _spread_out(value: Array, spread: Array | None, limits: tuple[float, float]) -> Array:
    if spread is None:
        return value
    out = value.copy()
    extra = np.nan_to_num(spread) * _HALF_80
    low, high = limits
    out[1, 0] = np.clip(out[0, 0] - np.hypot(out[0, 0] - out[1, 0], extra), low, high)
    out[2, 0] = np.clip(out[0, 0] + np.hypot(out[2, 0] - out[0, 0], extra), low, high)
    return out


def has_ensemble(ahead: KnownAhead) -> bool:
    """Whether the provider gave percentiles for any hour ahead."""
    return bool(np.isfinite(ahead.column(SPREAD_COLUMNS[0])).any())


def ensemble_spread(dynamics: TentDynamics, log: HourlyLog, ahead: KnownAhead, horizons: Index) -> dict[str, Array]:
    """Standard deviation [H] that the weather's uncertainty gives each quantity: its edges rolled through the physics.

    Four rollouts under the same plan: temperature at its 10 % and 90 % edge, humidity at its own.
    """
    padded = PaddedLog(log, ahead)
    at = np.array([log.hours - 1], dtype=np.int64)
    s = at[0] + np.arange(1, 37)
    plan = np.stack([padded.at(name, s) for name in PLAN_COLUMNS], axis=1)
    weather = {name: np.tile(ahead.column(name), (4, 1)) for name in OUTSIDE_COLUMNS}
    t10, t90, r10, r90 = (ahead.column(name) for name in SPREAD_COLUMNS)
    temp, vapour = ahead.column("out_temp_c"), ahead.column("out_vapour_kpa")
    for row, edge in enumerate((t10, t90)):
        weather["out_temp_c"][row] = np.where(np.isfinite(edge), edge, temp)
    for row, edge in ((2, r10), (3, r90)):
        weather["out_vapour_kpa"][row] = np.where(np.isfinite(edge), edge / 100.0 * saturation_array_kpa(temp), vapour)
    start = padded.rollout_start(at, dynamics.zones)
    start = replace(start, soil_pct=np.repeat(start.soil_pct, 4, axis=1))
    rolled = dynamics.roll(start, RolloutInputs(np.tile(plan, (4, 1, 1)), **weather_inputs(weather)))
    named = {name: rolled["soil"][z] for z, name in enumerate(dynamics.zones)} | rolled
    named["rh_pct"] = rh_array_pct(rolled["air_temp_c"], rolled["vpd_kpa"])
    if dynamics.zones:
        named["soil.avg"] = rolled["soil"].mean(axis=0)
    return {name: _sigma(value[:, horizons - 1]) for name, value in named.items() if name != "soil"}


def _sigma(edges: Array) -> Array:
    """Both pairs of percentiles, taken as independent."""
    return np.asarray(np.hypot(edges[1] - edges[0], edges[3] - edges[2]) / _SIGMA_10_90)
