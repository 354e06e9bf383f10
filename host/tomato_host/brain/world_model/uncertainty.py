"""Doubt about the weather itself: old forecasts and wide ensembles widen the intervals that skill has earned."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tomato_host.brain.world_model.core import Drivers, weather_drivers
from tomato_host.brain.world_model.features import Frame
from tomato_host.brain.world_model.hourly import OUTSIDE_COLUMNS, PLAN_COLUMNS, Ahead, HourlyLog
from tomato_host.brain.world_model.psychrometrics import Array, rh_from_vpd, saturation_kpa

if TYPE_CHECKING:
    from tomato_host.brain.world_model.model import Forecast, WorldModel

FRESH_MIN = 120.0
"""A forecast this old counts as fresh ..."""

SPENT_MIN = 1_440.0
"""... and one this old is worth no more than none."""

SPREAD_COLUMNS = ("out_temp_c_p10", "out_temp_c_p90", "out_rh_pct_p10", "out_rh_pct_p90")
"""The ensemble's percentiles, when a provider gives them."""

_SIGMA_10_90 = 2.563
_HALF_80 = 1.2816


def widened(model: WorldModel, log: HourlyLog, ahead: Ahead, forecast: Forecast, age_min: float | None) -> Forecast:
    """The same means, intervals never narrower: by the age of the weather and by what its ensemble leaves open."""
    series = dict(forecast.series)
    share = 0.0 if age_min is None else min(max((age_min - FRESH_MIN) / (SPENT_MIN - FRESH_MIN), 0.0), 1.0)
    if share > 0.0:
        series = {name: _aged(value, share) for name, value in series.items()}
    if np.isfinite(ahead.column(SPREAD_COLUMNS[0])).any():
        spread = ensemble_spread(model, log, ahead)
        series = {name: _spread_out(value, spread.get(name), model, name) for name, value in series.items()}
    return replace(forecast, series=series)


def _aged(value: Array, share: float) -> Array:
    """Half-widths with weather grow towards those without."""
    out = value.copy()
    below = np.maximum(out[0, 1] - out[1, 1], out[0, 0] - out[1, 0])
    above = np.maximum(out[2, 1] - out[0, 1], out[2, 0] - out[0, 0])
    out[1, 0] = out[0, 0] - (1.0 - share) * (out[0, 0] - out[1, 0]) - share * below
    out[2, 0] = out[0, 0] + (1.0 - share) * (out[2, 0] - out[0, 0]) + share * above
    return out


def _spread_out(value: Array, spread: Array | None, model: WorldModel, name: str) -> Array:
    if spread is None:
        return value
    out = value.copy()
    extra = np.nan_to_num(spread) * _HALF_80
    low, high = model.tracks[name].limits
    out[1, 0] = np.clip(out[0, 0] - np.hypot(out[0, 0] - out[1, 0], extra), low, high)
    out[2, 0] = np.clip(out[0, 0] + np.hypot(out[2, 0] - out[0, 0], extra), low, high)
    return out


def ensemble_spread(model: WorldModel, log: HourlyLog, ahead: Ahead) -> dict[str, Array]:
    """Standard deviation [H] that the weather's doubt gives each quantity, by rolling its edges through the core."""
    frame = Frame(log, ahead)
    at = np.array([log.hours - 1], dtype=np.int64)
    s = at[0] + np.arange(1, 37)
    plan = np.stack([frame.at(name, s) for name in PLAN_COLUMNS], axis=1)
    weather = {name: np.tile(ahead.column(name), (4, 1)) for name in OUTSIDE_COLUMNS}
    t10, t90, r10, r90 = (ahead.column(name) for name in SPREAD_COLUMNS)
    temp, vapour = ahead.column("out_temp_c"), ahead.column("out_vapour_kpa")
    for row, edge in enumerate((t10, t90)):
        weather["out_temp_c"][row] = np.where(np.isfinite(edge), edge, temp)
    for row, edge in ((2, r10), (3, r90)):
        weather["out_vapour_kpa"][row] = np.where(np.isfinite(edge), edge / 100.0 * saturation_kpa(temp), vapour)
    start = model.start_state(frame, at)
    start = replace(start, soil_pct=np.repeat(start.soil_pct, 4, axis=1))
    rolled = model.core.roll(start, Drivers(np.tile(plan, (4, 1, 1)), **weather_drivers(weather)))
    named = {name: rolled["soil"][z] for z, name in enumerate(model.zones)} | rolled
    named["rh_pct"] = rh_from_vpd(rolled["air_temp_c"], rolled["vpd_kpa"])
    if model.zones:
        named["soil.avg"] = rolled["soil"].mean(axis=0)
    picked = model.horizons - 1
    return {name: _sigma(named[name][:, picked]) for name in model.tracks if name in named}


def _sigma(edges: Array) -> Array:
    """Both pairs of percentiles, taken as independent."""
    return np.asarray(np.hypot(edges[1] - edges[0], edges[3] - edges[2]) / _SIGMA_10_90)
