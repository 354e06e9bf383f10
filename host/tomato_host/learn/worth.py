"""What a grown expert is worth on a recorded season: fitted anew every night, judged and gated as it would be live."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from tomato_host.backtest.rolling import test_start
from tomato_host.backtest.tables import BacktestCase
from tomato_host.brain.world_model.arrays import Array, Index
from tomato_host.brain.world_model.data import ModelShape
from tomato_host.brain.world_model.features import PaddedLog
from tomato_host.brain.world_model.grown import GrownExperts
from tomato_host.brain.world_model.grown_block import GrownBlock, block_from_arrays
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.promotion import judge_grown
from tomato_host.learn.residuals import ResidualTable, ResidualWindow, WalkedDay, walk
from tomato_host.learn.trees import fit_trees

Fit = Callable[[str, ResidualTable], GrownBlock]
"""From a quantity and its residuals to a block."""


@dataclass(frozen=True)
class GrowthWorth:
    """Mean absolute errors by horizon of one series, and how often its block had a share."""

    case: str
    quantity: str
    without: Array
    with_block: Array
    share_on: float
    """Share of the judged hours and horizons at which the block counted."""

    @property
    def ratio(self) -> Array:
        """Error with over error without, by horizon."""
        return np.asarray(self.with_block / self.without)


def tree_block(quantity: str, table: ResidualTable) -> GrownBlock:
    """Fit boosted trees to residuals."""
    arrays = fit_trees(table.x, table.y) | {"typical": table.typical}
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    return block_from_arrays(quantity, "trees", table.weather, arrays, digest)


_RIDGE_PENALTY = 30.0
_LINEAR = 1e-3
"""Within so much of zero tanh is a straight line, to a millionth."""


def ridge_block(quantity: str, table: ResidualTable) -> GrownBlock:
    """A ridge regression of the residuals, refitted nightly: a network whose hidden layer is a straight line."""
    mean, scale = table.x.mean(axis=0), table.x.std(axis=0) + 1e-3
    z = (table.x - mean) / scale
    weights = np.linalg.solve(z.T @ z + _RIDGE_PENALTY * np.eye(z.shape[1]), z.T @ (table.y - table.y.mean()))
    arrays = {
        "mean": mean, "scale": scale, "w1": _LINEAR * np.eye(z.shape[1]), "b1": np.zeros(z.shape[1]),
        "w2": weights / _LINEAR, "b2": np.array(table.y.mean()), "typical": table.typical,
    }  # fmt: skip
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    return block_from_arrays(quantity, "network", table.weather, arrays, digest)


class _Trial:
    """One way to fit blocks, with its own blocks, record and shares beside the model that all trials share."""

    def __init__(self, fit: Fit, horizons: Index, names: list[str], hours: int) -> None:
        self.fit, self.grown = fit, GrownExperts(horizons)
        shape = (hours, len(horizons))
        self.issued = {name: (np.full(shape, np.nan), np.full(shape, np.nan), np.zeros(hours)) for name in names}

    def issue(self, day: WalkedDay, frame: PaddedLog, blended: dict[str, Array]) -> dict[str, Array]:
        """Forecast the day with the blocks of this trial; returns what each would change."""
        found = self.grown.corrections(frame, day.origins, day.forecast.experts, blended)
        self.grown.record_issued(found, day.forecast.origin_hours)
        corrected = self.grown.corrected(blended, found)
        for name, (without, with_block, share) in self.issued.items():
            with_block[day.begin : day.end] = _best(corrected[name])
            usable = name in found and bool(np.isfinite(found[name][0]).any())
            without[day.begin : day.end] = found[name][0] if usable else _best(blended[name])
            one = self.grown.by_quantity.get(name)
            share[day.begin : day.end] = float((one.earning > 0.0).mean()) if one is not None and one.share else 0.0
        return found

    def judge(self, model: WorldModel, day: WalkedDay) -> None:
        """Judge the blocks on the day that ended, as the active model's."""
        model.grown = self.grown
        judge_grown(model, day.known, day.hours)
        model.grown = None


def _best(blended: Array) -> Array:
    return np.asarray(np.where(np.isfinite(blended[0]), blended[0], blended[1]))


def growth_worth(
    case: BacktestCase,
    horizons: tuple[int, ...],
    fit: Fit = tree_block,
    *,
    only: tuple[str, ...] | None = None,
    from_day: int | None = None,
    window_days: int = 30,
) -> list[GrowthWorth]:
    """Walk the case with a block on every quantity (or `only`), refitted nightly; errors on the test span."""
    found = growth_worths(case, horizons, {"": fit}, only=only, from_day=from_day, window_days=window_days)
    return found[""]


def growth_worths(
    case: BacktestCase,
    horizons: tuple[int, ...],
    fits: Mapping[str, Fit],
    *,
    only: tuple[str, ...] | None = None,
    from_day: int | None = None,
    window_days: int = 30,
) -> dict[str, list[GrowthWorth]]:
    """`growth_worth` of several fits by name on one walk: a block changes nothing that the model learns."""
    model = WorldModel(ModelShape(case.quantities, case.plan, case.has_weather, horizons))
    names = [q.name for q in case.quantities if not only or q.name in only or q.kind in only]
    windows = {name: ResidualWindow(name, model.horizons, window_days) for name in names}
    trials = {key: _Trial(fit, model.horizons, names, case.log.hours) for key, fit in fits.items()}
    for day in walk(case.log, model):
        blended = {name: model.forecasters[name].blended(day.forecast.experts[name]) for name in model.forecasters}
        frame, found = PaddedLog(day.known, day.ahead), dict[str, Array]()
        for trial in trials.values():
            found = trial.issue(day, frame, blended)
            trial.judge(model, day)
        for window in windows.values():
            window.add(replace(day, forecast=replace(day.forecast, grown=found)))
        model.learn(day.known, day.ahead, day.hours)
        for name, window in windows.items():
            table = window.table(case.log, day.end)
            for trial in trials.values():
                if table is not None:
                    trial.grown.offer(trial.fit(name, table), live=True)
    start = test_start(case, from_day)
    return {
        key: [_worth(case, name, trial.issued[name], model.horizons, start) for name in names]
        for key, trial in trials.items()
    }


def _worth(
    case: BacktestCase, name: str, issued: tuple[Array, Array, Array], horizons: Index, start: int
) -> GrowthWorth:
    column = case.log.column(name)
    target = np.arange(len(column))[:, None] + horizons
    truth = np.where(target < len(column), column[np.minimum(target, len(column) - 1)], np.nan)
    counts = np.isfinite(truth) & np.isfinite(column)[:, None]
    counts[:start] = False
    errors = []
    for forecast in issued[:2]:
        error = np.where(counts, np.abs(np.clip(forecast, *_limits(case, name)) - truth), 0.0)
        errors.append(error.sum(axis=0) / np.maximum(counts.sum(axis=0), 1))
    return GrowthWorth(case.name, name, errors[0], errors[1], float(issued[2][start:].mean()))


def _limits(case: BacktestCase, name: str) -> tuple[float, float]:
    return next(q.limits for q in case.quantities if q.name == name)
