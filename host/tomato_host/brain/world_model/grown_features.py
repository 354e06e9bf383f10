"""What a grown block sees of a forecast: where the experts disagree, how the last day went, and the weather's change.

A block corrects the blend, so it gets what the blend throws away. Everything is relative to the blend or to the same
hour of the day before: a block learned in one week is asked in the next.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.data import HORIZON_H
from tomato_host.brain.world_model.features import PaddedLog, season_lag
from tomato_host.brain.world_model.learners import EXPERTS, LEARNERS, NAIVE

_ROW = {name: i for i, name in enumerate(EXPERTS)}
_COMPARED = ("seasonal", "recent_days", "pattern", "core", "core_ridge", "core_as_yesterday_ridge")
_RIDGES = slice(len(NAIVE), len(NAIVE) + sum(len(one.ridges) for one in LEARNERS))
_WEATHER = (("out_temp_c", 1.0), ("out_solar_wm2", 100.0), ("out_vpd_kpa", 1.0))

FEATURES: tuple[str, ...] = (
    *("sin_day", "cos_day", "sin_half_day", "cos_half_day", "horizon", "level", "change"),
    *(f"blend_less_{name}" for name in _COMPARED),
    *("ridge_spread", "since_yesterday", "since_last_hour"),
    *(f"{name}_{part}" for name, _ in _WEATHER for part in ("change", "level")),
)
"""Names of the last axis of `block_features`."""


def block_features(frame: PaddedLog, name: str, origins: Index, horizons: Index, experts: Array, blend: Array) -> Array:
    """Features [n, H, P] of the forecasts from origins [n]: experts [E, n, H], their blend [n, H].

    An unknown value counts as 0, which is "no difference" for all but the levels.
    """
    o = np.broadcast_to(origins[:, None], (len(origins), len(horizons)))
    s, lag = o + horizons, np.broadcast_to(season_lag(horizons), o.shape)
    angle = 2.0 * np.pi * frame.hour_of_day(s) / 24.0
    now = frame.at(name, o)
    columns = [np.sin(angle), np.cos(angle), np.sin(2.0 * angle), np.cos(2.0 * angle)]
    columns += [np.broadcast_to(horizons / HORIZON_H, o.shape), blend, blend - now]
    columns += [blend - experts[_ROW[other]] for other in _COMPARED]
    columns += [_spread(experts[_RIDGES]), now - frame.at(name, o - 24), now - frame.at(name, o - 1)]
    for outside, unit in _WEATHER:
        ahead = frame.at(outside, s)
        columns += [(ahead - frame.at(outside, s - lag)) / unit, ahead / unit]
    return np.asarray(np.nan_to_num(np.stack(columns, axis=2), posinf=0.0, neginf=0.0))


def _spread(ridges: Array) -> Array:
    """Standard deviation [n, H] of the ridges [R, n, H] that are known; 0 where none is."""
    known = np.isfinite(ridges)
    count = np.maximum(known.sum(axis=0), 1)
    mean = np.where(known, ridges, 0.0).sum(axis=0) / count
    return np.asarray(np.sqrt(np.where(known, (ridges - mean) ** 2, 0.0).sum(axis=0) / count))
