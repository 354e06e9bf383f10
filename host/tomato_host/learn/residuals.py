"""What the forecast left unexplained: the world model walked over a log as it ran live, and its residuals as rows.

Every day is forecast before it is learned, so that each residual is one the model really made.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from shared_schemas.devices import PLAN_COLUMNS
from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.data import (
    HISTORY_H,
    HORIZON_H,
    OUTSIDE_COLUMNS,
    Forecast,
    HourlyLog,
    KnownAhead,
    ModelShape,
)
from tomato_host.brain.world_model.features import PaddedLog
from tomato_host.brain.world_model.grown_features import FEATURES, block_features
from tomato_host.brain.world_model.model import WorldModel

DAY_H = 24
CLIP_TYPICAL = 3.0
"""Residuals count as at most so many typical ones."""

ENOUGH_ROWS = 10 * DAY_H
"""Rows of the horizon with the fewest, before a block may be fitted."""


@dataclass(frozen=True)
class WalkedDay:
    """One day of a log: the hours [begin, end) of it as origins, forecast with what was known."""

    begin: int
    end: int
    known: HourlyLog
    ahead: KnownAhead
    origins: Index
    """Positions in `known`."""
    forecast: Forecast

    @property
    def hours(self) -> int:
        """Hours of this day."""
        return self.end - self.begin


def walk(log: HourlyLog, model: WorldModel) -> Iterator[WalkedDay]:
    """Forecast every day of a log; the caller lets the model learn it. The weather ahead is the recorded one."""
    available = [name for name in (*OUTSIDE_COLUMNS, *PLAN_COLUMNS) if name in log.values]
    first = -int(log.start_hour + log.utc_offset_h) % DAY_H
    begin = 0
    for end in (*range(first, log.hours, DAY_H), log.hours):
        if end <= begin:
            continue
        known = log.window(end - HISTORY_H, end)
        ahead = KnownAhead({name: log.values[name][end : end + HORIZON_H] for name in available})
        shift = max(end - HISTORY_H, 0)
        origins = np.arange(begin - shift, end - shift, dtype=np.int64)
        forecast = model.forecast(known, ahead, origins)
        model.record_issued(forecast)
        yield WalkedDay(begin, end, known, ahead, origins, forecast)
        begin = end


@dataclass(frozen=True)
class ResidualTable:
    """Rows to fit a block with."""

    x: Array
    """Features [N, P]."""
    y: Array
    """Residuals in typical ones, clipped [N]."""
    typical: Array
    """Typical error by horizon [36], in the quantity's unit."""
    weather: bool
    """Whether these are forecasts that knew the weather ahead."""


class ResidualWindow:
    """Features and blends of the last days of one quantity; truths join when they are known."""

    def __init__(self, quantity: str, horizons: Index, days: int) -> None:
        self.quantity, self.horizons = quantity, horizons
        self._days: deque[tuple[int, Array, Array, bool]] = deque(maxlen=days)

    def add(self, day: WalkedDay) -> None:
        """Take a day's features, of the regime that the forecast was issued in."""
        found = day.forecast.grown.get(self.quantity)
        mean = day.forecast.series[self.quantity][0]
        weather = bool(np.isfinite(mean[0]).mean() > 0.5)
        blend = found[0] if found is not None and np.isfinite(found[0]).any() else mean[0 if weather else 1]
        frame = PaddedLog(day.known, day.ahead)
        experts = day.forecast.experts[self.quantity]
        x = block_features(frame, self.quantity, day.origins, self.horizons, experts, blend)
        self._days.append((day.begin, x, blend, weather))

    def table(self, log: HourlyLog, hours: int) -> ResidualTable | None:
        """Rows whose target lies in the first `hours` hours of the log; None while they are too few."""
        if not self._days:
            return None
        column, weather = log.column(self.quantity)[:hours], self._days[-1][3]
        xs, residuals = [], []
        for begin, x, blend, of_weather in self._days:
            if of_weather is weather:
                target = begin + np.arange(len(x))[:, None] + self.horizons
                truth = np.where(target < hours, column[np.minimum(target, hours - 1)], np.nan)
                xs.append(x)
                residuals.append(truth - blend)
        x, residual = np.concatenate(xs), np.concatenate(residuals)
        known = np.isfinite(residual)
        if known.sum(axis=0).min() < ENOUGH_ROWS:
            return None
        by_horizon = np.array([np.median(np.abs(r[k])) for r, k in zip(residual.T, known.T, strict=True)])
        typical = np.interp(np.arange(1, HORIZON_H + 1), self.horizons, by_horizon) + 1e-9
        y = np.clip(residual / typical[self.horizons - 1], -CLIP_TYPICAL, CLIP_TYPICAL)
        return ResidualTable(x.reshape(-1, len(FEATURES))[known.ravel()], y.ravel()[known.ravel()], typical, weather)


def model_for(log: HourlyLog, shape: ModelShape) -> WorldModel:
    """A fresh model of that shape; raises ValueError when the log lacks every quantity of it."""
    if not any(log.has(quantity.name) for quantity in shape.quantities):
        raise ValueError("the log holds none of the model's quantities")
    return WorldModel(shape)
