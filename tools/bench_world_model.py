"""What a forecast, a night's learning and a planner's rollout cost on one core, beside LightGBM in the same run."""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
_ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(_ROOT), str(_ROOT / "host")]

import numpy as np  # noqa: E402  (the number of threads must be set before numpy loads)
from tomato_host.brain.world_model.features import PaddedLog  # noqa: E402
from tomato_host.brain.world_model.model import WorldModel  # noqa: E402
from tomato_host.brain.world_model.model_arrays import clone  # noqa: E402

from shared_schemas.devices import PLAN_COLUMNS  # noqa: E402
from tests.world_model.synthetic import ahead_of, tent_log  # noqa: E402

TITLE = "World model: cost of a forecast"
_DAYS = 16
_NOW = datetime(2026, 6, 1, tzinfo=UTC)


def _best_ms(action: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median and fastest of `repeats` calls in ms of this process's own CPU time (other load does not count)."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        action()
        times.append((time.process_time() - begin) * 1_000.0)
    return round(statistics.median(times), 2), round(min(times), 2)


def run(quick: bool) -> dict[str, object]:
    """Plain figures; `quick` repeats less."""
    repeats = 15 if quick else 60
    log = tent_log(_DAYS)
    model = WorldModel()
    for end in range(24, (_DAYS - 2) * 24 + 1, 24):
        model.learn(log.until(end), ahead_of(log, end))
    hour = (_DAYS - 2) * 24
    known, ahead = log.until(hour), ahead_of(log, hour)
    predict = _best_ms(lambda: model.predict(_NOW, known, ahead, 10.0), repeats)
    nights = [clone(model) for _ in range(max(repeats // 4, 3))]
    tomorrow = (log.until(hour + 24), ahead_of(log, hour + 24))
    learn = _best_ms(lambda: nights.pop().learn(*tomorrow), len(nights))
    plans = np.random.default_rng(0).uniform(0.0, 1.0, (300, 36, len(PLAN_COLUMNS)))
    weather = {name: value for name, value in ahead.values.items() if name.startswith("out_")}
    start = PaddedLog(known).rollout_start(np.array([hour - 1]), model.zones)
    roll = _best_ms(lambda: model.rollout(start, plans, weather), repeats)
    figures: dict[str, object] = {
        "forecast_36h_median_ms": predict[0],
        "forecast_36h_best_ms": predict[1],
        "forecast_limit_ms": 5.0,
        "daily_update_median_ms": learn[0],
        "daily_update_best_ms": learn[1],
        "daily_update_limit_ms": 50.0,
        "rollout_300_plans_median_ms": roll[0],
        "series_forecast": len(model.issued_series),
    }
    return figures | _lightgbm(quick)


def _lightgbm(quick: bool) -> dict[str, object]:
    """The same 36 horizons of one quantity only, by LightGBM: daily refit and forecast."""
    from tomato_host.backtest.baselines import _lightgbm_fit, _shifted, _table, lightgbm_installed
    from tomato_host.backtest.tables import BacktestCase
    from tomato_host.brain.world_model.data import Quantity

    if not lightgbm_installed():
        return {"lightgbm": "not installed (extra `bench`)"}
    log = tent_log(_DAYS)
    case, quantity = BacktestCase("tent", log, (), ()), Quantity("vpd_kpa", "vpd")
    horizons = (1, 12, 24) if quick else tuple(range(1, 37, 5))
    begin = time.process_time()
    for horizon in horizons:
        x, y = _table(case, quantity, horizon), _shifted(log.column("vpd_kpa"), -horizon)
        rows = np.flatnonzero(np.isfinite(y))
        _lightgbm_fit(x[rows], y[rows], x[-1:])
    spent = (time.process_time() - begin) * 1_000.0 / len(horizons)
    return {"lightgbm_daily_update_per_series_ms": round(spent * 36, 0)}


if __name__ == "__main__":
    for name, value in run("--quick" in sys.argv).items():
        print(f"{name:40} {value}")
