"""Run the world model over a log as it would have run live, and score it beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shared_schemas.devices import PLAN_COLUMNS
from tomato_host.backtest.baselines import Baseline
from tomato_host.backtest.tables import BacktestCase
from tomato_host.brain.world_model.arrays import Array, Mask
from tomato_host.brain.world_model.data import HISTORY_H, OUTSIDE_COLUMNS, KnownAhead, ModelShape, Quantity
from tomato_host.brain.world_model.model import RH, WorldModel
from tomato_host.errors import TomatoError

OURS = "world_model"
DAY_H = 24


@dataclass(frozen=True)
class ScoredSeries:
    """Forecasts of one series by every model at origins [T] and horizons [H], with the truth and where it counts."""

    case: str
    quantity: str
    truth: Array
    counts: Mask
    """Origins whose hour is complete, in the test span, whose target is known: [T, H]."""
    means: dict[str, Array]
    low: Array
    high: Array


def issue_all(case: BacktestCase, horizons: tuple[int, ...]) -> tuple[WorldModel, dict[str, Array]]:
    """The model's forecasts as issued: {quantity: [3, T, H]}; every night it learns the day that ended.

    The weather ahead is the measured one where the log has it: what a perfect weather service would have forecast.
    """
    model = WorldModel(ModelShape(case.quantities, case.plan, case.has_weather, horizons))
    log = case.log
    names = [*(q.name for q in case.quantities), *(name for name in (RH,) if name in model.issued_series)]
    out = {name: np.full((3, log.hours, len(horizons)), np.nan) for name in names}
    available = [name for name in (*OUTSIDE_COLUMNS, *PLAN_COLUMNS) if name in log.values]
    first = -int(log.start_hour + log.utc_offset_h) % DAY_H
    edges = [*range(first, log.hours, DAY_H), log.hours]
    begin = 0
    for end in edges:
        if end <= begin:
            continue
        known = log.window(end - HISTORY_H, end)
        ahead = KnownAhead({name: log.values[name][end : end + 36] for name in available})
        shift = max(end - HISTORY_H, 0)
        forecast = model.forecast(known, ahead, np.arange(begin - shift, end - shift, dtype=np.int64))
        for name, issued in out.items():
            issued[:, begin:end] = forecast.best(name)
        model.record_issued(forecast)
        model.learn(known, ahead, end - begin)
        begin = end
    return model, out


def test_start(case: BacktestCase, from_day: int | None) -> int:
    """First origin that counts: `from_day` whole local days after the first midnight of the log.

    By default day 45 of a long log and 44 % of a short one (which is day 20 of 45).
    """
    first = -int(case.log.start_hour + case.log.utc_offset_h) % DAY_H
    days = case.log.hours / DAY_H
    day = from_day if from_day is not None else 45 if days >= 90.0 else max(round(0.44 * days), 3)
    return first + day * DAY_H


def score_case(
    case: BacktestCase,
    horizons: tuple[int, ...],
    baselines: tuple[Baseline, ...],
    from_day: int | None = None,
    only: tuple[str, ...] | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> list[ScoredSeries]:
    """Every quantity of one case by every model; humidity, which follows from two others, only where asked for.

    Raises TomatoError E-BACKTEST-QUANTITY for one that the case does not have.
    """
    quantities = _wanted(case, only)
    start = test_start(case, from_day)
    progress(f"{case.name}: world model")
    _, issued = issue_all(case, horizons)
    found = []
    for quantity in quantities:
        column = case.log.column(quantity.name)
        truth = _at_target(column, horizons)
        counts = np.isfinite(truth) & np.isfinite(column)[:, None]
        counts[:start] = False
        means = {OURS: issued[quantity.name][0]}
        for baseline in baselines:
            progress(f"{case.name} {quantity.name}: {baseline.name}")
            means[baseline.name] = baseline.forecast(case, quantity, horizons, start)
        low, high = issued[quantity.name][1:]
        found.append(ScoredSeries(case.name, quantity.name, truth, counts, means, low, high))
    return found


def _wanted(case: BacktestCase, only: tuple[str, ...] | None) -> list[Quantity]:
    known = list(case.quantities)
    if not only:
        return known
    if (
        RH in case.log.values
        and RH not in {q.name for q in known}
        and {"air_temp_c", "vpd_kpa"} <= set(case.log.values)
    ):
        known.append(Quantity(RH, "other"))
    found = [q for q in known if q.name in only or q.kind in only]
    if missing := [name for name in only if not any(name in (q.name, q.kind) for q in known)]:
        listed = ", ".join(q.name for q in known)
        raise TomatoError(
            "E-BACKTEST-QUANTITY", f"{case.name} has no {', '.join(missing)}; it has {listed}.", "Name one of these."
        )
    return found


def _at_target(column: Array, horizons: tuple[int, ...]) -> Array:
    out = np.full((len(column), len(horizons)), np.nan)
    for j, h in enumerate(horizons):
        out[: len(column) - h, j] = column[h:]
    return out
