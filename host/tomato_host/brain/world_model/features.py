"""Regressors of the residual correction: what is known at an origin hour about a target hour, in named groups.

All times are indices into one hourly table: `o` the last complete hour, `s = o + h` the hour forecast, and
`lag` 24 or 48 h so that `s - lag` is the latest known hour at the same time of day.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared_schemas.devices import GAS, PLAN_COLUMNS, PUMP
from tomato_host.brain.psychrometric_arrays import saturation_array_kpa
from tomato_host.brain.world_model.arrays import Array, Index, zero_if_unknown
from tomato_host.brain.world_model.data import (
    HORIZON_H,
    OUTSIDE_COLUMNS,
    HourlyLog,
    KnownAhead,
    Quantity,
    RolloutStart,
)
from tomato_host.brain.world_model.dynamics import CALM_MPS

PAD_H = 9 * 24
"""NaN hours put before the table, so that looking back never leaves it."""

VENT_OPENS_C = 18.0
"""Outside temperature above which a greenhouse is usually ventilated: the response inside changes slope there."""

BASE_SIZE = 11
COMPANION_SIZE = 2
OUTSIDE_SIZE = 20
_WATER, _GAS = PUMP.column, GAS.column
_WATER_UNIT_ML = 100.0
_CO2_UNIT_S = 100.0
_UNIT = {_WATER: _WATER_UNIT_ML, _GAS: _CO2_UNIT_S}


def season_lag(horizon: Array | Index) -> Index:
    """24 h for horizons up to a day, else 48 h: the latest same hour that is already known."""
    return np.where(np.asarray(horizon) <= 24, 24, 48).astype(np.int64)


def _filled_from_day_before(column: Array) -> Array:
    """A plan that is not known yet is taken to be the one of the day before; unknown past hours count as 0."""
    past, ahead = zero_if_unknown(column[:-HORIZON_H]), column[-HORIZON_H:]
    day = np.tile(past[-24:], 2)[:HORIZON_H]
    return np.concatenate((past, np.where(np.isfinite(ahead), ahead, day)))


class PaddedLog:
    """One log with what is known ahead, padded, so that groups of regressors are plain index arithmetic."""

    def __init__(self, log: HourlyLog, ahead: KnownAhead | None = None) -> None:
        self.log = log
        self._ahead = ahead or KnownAhead()
        self._columns: dict[str, Array] = {}
        self._cumulative: dict[str, Array] = {}
        self._means: dict[str, Array] = {}
        self._drivers: tuple[Array, ...] | None = None
        self.shared: dict[tuple[object, ...], tuple[Array, Array]] = {}
        """Groups of regressors that all quantities share, by plan, weather and hours."""
        self.kept: dict[tuple[object, ...], Any] = {}
        """What other modules compute of whole columns once, by their own keys."""

    def padded(self, name: str) -> Array:
        """The column with PAD_H hours before and HORIZON_H hours after it."""
        if name not in self._columns:
            joined = np.concatenate((np.full(PAD_H, np.nan), self.log.column(name), self._ahead.column(name)))
            self._columns[name] = _filled_from_day_before(joined) if name in PLAN_COLUMNS else joined
        return self._columns[name]

    def at(self, name: str, index: Index) -> Array:
        """Values at hours of the log; NaN where unknown."""
        return self.padded(name)[index + PAD_H]

    def rollout_start(self, at: Index, zones: tuple[str, ...]) -> RolloutStart:
        """Where rollouts from the hours [n] of the log start; soil [Z, n] in the order of `zones`."""
        temp = self.at("air_temp_c", at)
        soil = np.stack([self.at(z, at) for z in zones]) if zones else np.zeros((0, len(at)))
        vapour = saturation_array_kpa(temp) - self.at("vpd_kpa", at)
        return RolloutStart(temp, vapour, soil, zero_if_unknown(self.at("water_ml", at)))

    def hour_of_day(self, index: Index) -> Array:
        """Local hour of the day, 0 <= hour < 24."""
        return np.asarray((self.log.start_hour + self.log.utc_offset_h + index) % 24.0)

    def day_waves(self, index: Index) -> tuple[Array, Array, Array, Array]:
        """Time of day as sine and cosine of one and of two periods a day; kept, because every quantity asks."""
        key = ("day waves", index.shape, index.tobytes())
        if key not in self.kept:
            angle = 2.0 * np.pi * self.hour_of_day(index) / 24.0
            self.kept[key] = (np.sin(angle), np.cos(angle), np.sin(2.0 * angle), np.cos(2.0 * angle))
        found: tuple[Array, Array, Array, Array] = self.kept[key]
        return found

    def total(self, name: str, index: Index) -> Array:
        """Running total of a plan column; unknown hours count as 0."""
        if name not in self._cumulative:
            self._cumulative[name] = np.cumsum(self.padded(name))
        return self._cumulative[name][index + PAD_H]

    def mean_72h(self, name: str, index: Index) -> Array:
        """Mean of the last 72 h, NaN unless 80 % of them are known."""
        if name not in self._means:
            column = self.padded(name)
            known = np.isfinite(column)
            sums = np.cumsum(np.where(known, column, 0.0))
            counts = np.cumsum(known).astype(np.float64)
            sums[72:], counts[72:] = sums[72:] - sums[:-72], counts[72:] - counts[:-72]
            self._means[name] = np.where(counts >= 57.6, sums / np.maximum(counts, 1.0), np.nan)
        return self._means[name][index + PAD_H]

    def outside(self) -> tuple[Array, ...]:
        """Padded weather drivers in regressor units: the five columns, root of light, and dry light."""
        if self._drivers is None:
            temp, vapour, vpd, solar, wind = (self.padded(name) for name in OUTSIDE_COLUMNS)
            breeze = np.minimum(wind, CALM_MPS)
            self._drivers = (
                temp,
                solar / 100.0,
                vpd,
                breeze,
                vapour,
                np.sqrt(np.maximum(solar, 0.0)) / 3.0,
                vpd * solar / 500.0,
            )
        return self._drivers


def base_group(frame: PaddedLog, quantity: Quantity, o: Index, s: Index, lag: Index) -> list[Array]:
    """The quantity's own recent values, relative to its latest same hour, and the time of day."""
    same, now, ones = frame.at(quantity.name, s - lag), frame.at(quantity.name, o), np.ones(s.shape)
    return [
        ones,
        *frame.day_waves(s),
        frame.at(quantity.name, s - lag - 24) - same,
        frame.at(quantity.name, s - lag - 48) - same,
        now - same,
        frame.at(quantity.name, o - 24) - same,
        frame.at(quantity.name, o - 1) - now,
        same,
    ]


def companion_group(frame: PaddedLog, quantity: Quantity, o: Index) -> list[Array]:
    """How far each companion is from yesterday and from its three-day mean."""
    columns: list[Array] = []
    for name in quantity.companions:
        now = frame.at(name, o)
        columns += [now - frame.at(name, o - 24), now - frame.mean_72h(name, o)]
    return columns


def plan_group(frame: PaddedLog, plan: tuple[str, ...], o: Index, s: Index, lag: Index) -> list[Array]:
    """What is planned for the target hour, what was done at the same hour before, and the water in between."""
    columns: list[Array] = []
    for name in plan:
        unit = _UNIT.get(name, 1.0)
        columns += [frame.at(name, s) / unit, frame.at(name, s - lag) / unit]
    if _WATER in plan:
        given = frame.total(_WATER, s) - frame.total(_WATER, o)
        before = frame.total(_WATER, s - lag) - frame.total(_WATER, o - lag)
        columns.append((given - before) / _WATER_UNIT_ML)
    return columns


def plan_size(plan: tuple[str, ...]) -> int:
    """Number of regressors of `plan_group`."""
    return 2 * len(plan) + (1 if _WATER in plan else 0)


def outside_group(frame: PaddedLog, s: Index, lag: Index) -> list[Array]:
    """Weather at the target hour and at the same hour before; light of two hours before; ventilation threshold."""
    (sine, cosine, *_), at = frame.day_waves(s), s + PAD_H
    columns: list[Array] = []
    drivers = frame.outside()
    for driver in drivers:
        columns += [driver[at], driver[at - lag]]
    temp, light, vpd = drivers[0][at], drivers[1], drivers[2][at]
    columns += [light[at] * sine, light[at] * cosine, light[at - 1], light[at - 2]]
    columns += [np.maximum(temp - VENT_OPENS_C, 0.0), vpd * vpd]
    return columns


def horizons(count: int = HORIZON_H) -> Index:
    """1, 2 ... count."""
    return np.arange(1, count + 1, dtype=np.int64)


def median_of_known(values: Array) -> Array:
    """Median over the first axis of what is known; NaN where nothing is."""
    ranked = np.sort(values, axis=0)  # unknown values come last
    last = np.maximum(np.isfinite(ranked).sum(axis=0) - 1, 0)[None]
    middle = np.take_along_axis(ranked, np.concatenate((last // 2, (last + 1) // 2)), axis=0)
    return np.asarray(0.5 * (middle[0] + middle[1]))
