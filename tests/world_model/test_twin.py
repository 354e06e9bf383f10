"""The forecast in the simulated tent: pots whose watering is known, and a storm it is warned of in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from tomato_host.brain.world_model.data import HISTORY_H
from tomato_host.brain.world_model.hourly_history import hour_start
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.promotion import failed_properties

from tests.world_model.twin_log import TwinRun, hand_irrigation, run_twin, run_under_rules, threshold_irrigation

ZONE = ZoneInfo("Europe/Vienna")
STORM_DAY = 4
STORM_H = STORM_DAY * 24 + 13
"""The storm begins at 13:00; the warning is due at 06:00."""


def soil_errors(run: TwinRun, warm_days: int) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors of both pots a day ahead, ours and yesterday's, against what the probes then showed.

    The same origins for both: every complete hour after `warm_days` for which both have a value, with the plan and the
    weather as they came. The model learns every night from its first day on and is told nothing else of the tent.
    """
    model, ours, yesterday = WorldModel(), [], []
    for end in range(24, run.log.hours, 24):
        log, origins = run.log.window(end - HISTORY_H, end), np.arange(end - 24, end)
        origins = origins[origins + 24 < run.log.hours]
        if end > warm_days * 24 and origins.size:
            forecast = model.forecast(log, run.ahead(end), origins - end + log.hours)
            for zone in model.zones:
                shown = run.log.values[zone]
                ours.append(np.abs(forecast.best(zone)[0, :, 23] - shown[origins + 24]))
                yesterday.append(np.abs(shown[origins] - shown[origins + 24]))
        model.learn(log, run.ahead(end))
    assert failed_properties(model, run.log) == ()
    a, b = np.concatenate(ours), np.concatenate(yesterday)
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both]


@dataclass(frozen=True)
class Grower:
    """Who waters, for how many days, and how many of them only warm up."""

    live: Callable[[int], TwinRun]
    warm_days: int


GROWERS = {
    "by hand": Grower(lambda seed: run_twin(seed, 20.0, irrigation=hand_irrigation), 8),
    "at a threshold": Grower(lambda seed: run_twin(seed, 28.0, irrigation=threshold_irrigation), 14),
    "by the rules": Grower(lambda seed: run_under_rules(seed, 20.0), 8),
}


def soil_ratio(grower: Grower, seeds: range) -> tuple[float, list[float]]:
    """Our mean absolute error over yesterday's, all tents together, and tent by tent."""
    errors = [soil_errors(grower.live(seed), grower.warm_days) for seed in seeds]
    ours, yesterday = (np.concatenate(side) for side in zip(*errors, strict=True))
    return float(ours.mean() / yesterday.mean()), [float(a.mean() / b.mean()) for a, b in errors]


@pytest.mark.parametrize("watered", ["by hand", "at a threshold"])
def test_pots_are_forecast_twice_as_well_as_by_yesterday(watered: str) -> None:
    together, _ = soil_ratio(GROWERS[watered], range(21, 23))
    assert together <= 0.5


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(
    ("watered", "at_most"),
    [("by hand", 0.5), ("at a threshold", 0.5), ("by the rules", 1.0)],
)
def test_pots_of_twenty_tents(watered: str, at_most: float) -> None:
    """Twice as good as yesterday's value; under the brain's own rules, which repeat a day most exactly, better.

    docs/forecast.md has the figures, and says why the third is above a half.
    """
    together, each = soil_ratio(GROWERS[watered], range(1, 21))
    print(
        f"pots watered {watered}: {together:.3f} of yesterday's error; by tent {min(each):.2f} to {max(each):.2f}, "
        f"mean {np.mean(each):.2f}, {sum(ratio > 0.5 for ratio in each)} of {len(each)} above a half"
    )
    assert together <= at_most


def warned(run: TwinRun, at_hour: int) -> bool:
    """Whether the forecast made seven hours before warns of drying during the three hours from `at_hour` on."""
    model = WorldModel()
    for end in range(24, STORM_DAY * 24 + 1, 24):
        model.learn(run.log.until(end), run.ahead(end))
    asked = at_hour - 7
    now = hour_start(run.log.start_hour + asked).astimezone(ZONE)
    record = model.predict(now, run.log.until(asked), run.ahead(asked), 10.0)
    begin, end_ts = now + timedelta(hours=7), now + timedelta(hours=10)
    return any(w.kind == "drying" and w.start < end_ts and w.end > begin for w in record.risk_windows)


def storm_figures(seeds: range) -> tuple[int, int, int]:
    """Storms warned of, calm days warned of without need, and storms that really dried the tent's air."""
    hits = false = drier = 0
    for seed in seeds:
        storm = run_twin(seed, STORM_DAY + 1.0, f"wind_spike@{STORM_H}+3")
        calm = run_twin(seed, STORM_DAY + 1.0)
        hits += warned(storm, STORM_H)
        false += warned(calm, STORM_H)
        drier += np.mean(storm.true_vpd[STORM_H : STORM_H + 3]) > np.mean(calm.true_vpd[STORM_H : STORM_H + 3])
    return hits, false, drier


def test_a_storm_is_warned_of_and_a_calm_day_is_not() -> None:
    hits, false, drier = storm_figures(range(1, 4))
    assert (hits, false, drier) == (3, 0, 3)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_a_hundred_storms_and_a_hundred_calm_days() -> None:
    hits, false, drier = storm_figures(range(100))
    print(f"storms warned of: {hits} of 100 ({drier} dried the air), calm days warned of: {false}")
    assert hits >= 95
    assert false <= 5
