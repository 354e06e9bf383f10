"""The simple rules and the two learners that every forecast is measured against, on the same origins."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from tomato_host.backtest.tables import BacktestCase
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.data import OUTSIDE_COLUMNS, Quantity

REFIT_EVERY_H = 14 * 24
_LAGS_H = (0, 1, 2, 3, 6, 12, 23, 24, 47, 48)
_RIDGE = 1.0


class Baseline(Protocol):
    """Forecasts [T, H] from every origin; only what was known at the origin and the weather ahead may be used."""

    @property
    def name(self) -> str: ...

    def forecast(self, case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int) -> Array: ...


def _shifted(column: Array, back: int) -> Array:
    """Value `back` hours before each origin (negative: after), NaN outside."""
    out = np.full(len(column), np.nan)
    if abs(back) >= len(column):
        return out
    if back >= 0:
        out[back:] = column[: len(column) - back]
    else:
        out[:back] = column[-back:]
    return out


def _same_hour(column: Array, horizon: int, day: int = 0) -> Array:
    lag = (24 if horizon <= 24 else 48) + 24 * day
    return _shifted(column, lag - horizon)


@dataclass(frozen=True)
class Persistence:
    """The last hour stays."""

    name: str = "persistence"

    def forecast(self, case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int) -> Array:
        """See Baseline."""
        column = case.log.column(quantity.name)
        return np.repeat(column[:, None], len(horizons), axis=1)


@dataclass(frozen=True)
class SeasonalNaive:
    """The latest same hour of the day that is known."""

    name: str = "seasonal"

    def forecast(self, case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int) -> Array:
        """See Baseline."""
        column = case.log.column(quantity.name)
        found = np.stack([_same_hour(column, h) for h in horizons], axis=1)
        return np.where(np.isfinite(found), found, column[:, None])


@dataclass(frozen=True)
class Climatology:
    """The mean of the last seven same hours."""

    name: str = "climatology_7d"

    def forecast(self, case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int) -> Array:
        """See Baseline."""
        column = case.log.column(quantity.name)
        out = []
        for h in horizons:
            days = np.stack([_same_hour(column, h, day) for day in range(7)])
            known = np.isfinite(days)
            mean = np.where(known, days, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            out.append(np.where(known.any(axis=0), mean, column))
        return np.stack(out, axis=1)


def _table(case: BacktestCase, quantity: Quantity, horizon: int) -> Array:
    """Lags, time of day, companions now, and the weather at the target hour: [T, p]."""
    log = case.log
    column = log.column(quantity.name)
    angle = 2.0 * np.pi * ((log.start_hour + log.utc_offset_h + np.arange(log.hours) + horizon) % 24.0) / 24.0
    columns = [_shifted(column, lag) for lag in _LAGS_H] + [_same_hour(column, horizon)]
    columns += [np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)]
    columns += [log.column(name) for name in quantity.companions]
    if case.has_weather:
        columns += [_shifted(log.column(name), -horizon) for name in OUTSIDE_COLUMNS]
        columns += [
            _shifted(log.column(name), 24 - horizon if horizon <= 24 else 48 - horizon) for name in OUTSIDE_COLUMNS
        ]
    return np.stack(columns, axis=1)


def _refits(hours: int, start: int) -> list[tuple[int, int]]:
    """Spans of origins that share one fit."""
    edges = [*range(start, hours, REFIT_EVERY_H), hours]
    return list(pairwise(edges))


@dataclass(frozen=True)
class Ridge:
    """Ridge regression per horizon on standardised regressors, refitted every two weeks on everything before."""

    name: str = "ridge"

    def forecast(self, case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int) -> Array:
        """See Baseline."""
        return _refitted(case, quantity, horizons, start, _ridge_fit)


@dataclass(frozen=True)
class LightGbm:
    """LightGBM with absolute-error loss, refitted like the ridge. Needs the extra `bench`."""

    name: str = "lightgbm"

    def forecast(self, case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int) -> Array:
        """See Baseline."""
        return _refitted(case, quantity, horizons, start, _lightgbm_fit)


def _refitted(case: BacktestCase, quantity: Quantity, horizons: tuple[int, ...], start: int, fit: Any) -> Array:
    column = case.log.column(quantity.name)
    out = np.full((len(column), len(horizons)), np.nan)
    for j, horizon in enumerate(horizons):
        x, y = _table(case, quantity, horizon), _shifted(column, -horizon)
        for begin, end in _refits(len(column), start):
            rows = np.arange(begin - horizon)
            rows = rows[np.isfinite(y[rows])]
            if len(rows) > 48:
                out[begin:end, j] = fit(x[rows], y[rows], x[begin:end])
    return np.where(np.isfinite(out), out, column[:, None])


def _ridge_fit(x: Array, y: Array, at: Array) -> Array:
    whole = np.isfinite(x).all(axis=1)
    x, y = x[whole], y[whole]
    if len(y) < 24:
        return np.full(len(at), np.nan)
    middle, width = x.mean(axis=0), x.std(axis=0) + 1e-9
    z = (x - middle) / width
    beta = np.linalg.solve(z.T @ z + _RIDGE * np.eye(z.shape[1]), z.T @ (y - y.mean()))
    return np.asarray((at - middle) / width @ beta + y.mean())


def _lightgbm_fit(x: Array, y: Array, at: Array) -> Array:
    import lightgbm

    settings = {
        "objective": "l1",
        "num_leaves": 15,
        "learning_rate": 0.05,
        "min_data_in_leaf": 20,
        "verbosity": -1,
        "num_threads": 1,
        "seed": 0,
        "deterministic": True,
    }
    booster = lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=150)
    return np.asarray(booster.predict(at))


def baselines(lightgbm_wanted: bool) -> tuple[Baseline, ...]:
    """All baselines; LightGBM only when wanted and installed."""
    simple: tuple[Baseline, ...] = (Persistence(), SeasonalNaive(), Climatology(), Ridge())
    return (*simple, LightGbm()) if lightgbm_wanted and lightgbm_installed() else simple


def lightgbm_installed() -> bool:
    """Whether the extra `bench` is there."""
    from importlib.util import find_spec

    return find_spec("lightgbm") is not None
