"""Probes that part company: one that ages is called, pots that are watered unevenly are not."""

from __future__ import annotations

import math
from random import Random

from tomato_host.brain.estimator.drift import DriftDetector

NAMES = ("soil.P1", "soil.P2")


def evidence(first_per_day: float, second_per_day: float, after: int = 8, days: int = 14) -> dict[str, float]:
    """The most that each probe showed over some days in which the pots dry and drink, from day `after` on moving."""
    watch, rng, most = DriftDetector(NAMES, daylight=False), Random(7), dict.fromkeys(NAMES, 0.0)
    for hour in range(24 * days):
        moving = max(0.0, hour / 24.0 - after)
        daily = 1.5 * math.sin(2.0 * math.pi * hour / 24.0)
        values: list[float | None] = [
            32.0 + daily + rng.gauss(0.0, 0.2) + first_per_day * moving,
            38.0 + daily + rng.gauss(0.0, 0.2) + second_per_day * moving,
        ]
        if watch.update(hour * 3_600.0, values, None):
            for name, weight in watch.evidence.items():
                most[name] = max(most[name], weight)
    return most


def test_a_probe_that_ages_alone_is_called() -> None:
    assert evidence(2.0, 0.0)["soil.P1"] >= 1.0
    assert evidence(0.0, -2.0)["soil.P2"] >= 1.0


def test_pots_that_part_cost_their_probes_no_trust() -> None:
    """The near pot gets more than it drinks, the far one less: both probes tell the truth, and the far pot needs it."""
    late = evidence(1.2, -1.2, after=8, days=14)
    assert max(late.values()) <= 0.6, late


def test_a_new_mark_of_watering_costs_two_sound_probes_no_trust() -> None:
    """From 41.6 and 37.6 % both pots were let dry to 30 % within a day: their ratio moved because their water did."""
    watch, rng, most = DriftDetector(NAMES, daylight=False), Random(3), dict.fromkeys(NAMES, 0.0)
    for hour in range(24 * 14):
        dried = min(1.0, max(0.0, hour / 24.0 - 8.0))
        values: list[float | None] = [
            41.6 - 11.6 * dried + rng.gauss(0.0, 0.2),
            37.6 - 7.4 * dried + rng.gauss(0.0, 0.2),
        ]
        if watch.update(hour * 3_600.0, values, None):
            most = {name: max(most[name], watch.evidence.get(name, 0.0)) for name in NAMES}
    assert max(most.values()) < 0.8, most


def test_steady_pots_show_nothing() -> None:
    assert max(evidence(0.0, 0.0).values()) < 0.5
