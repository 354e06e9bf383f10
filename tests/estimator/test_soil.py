"""The root zone: averages and patterns only from what can be trusted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.estimator.soil import WaterArrival, average_moisture_pct, trusted_probes, zone_pattern


@pytest.mark.parametrize(
    ("moistures", "pattern"),
    [
        ((15.6, 49.2), "two_zone"),
        ((30.0, 33.0), "uniform"),
        ((30.0, 39.0), "gradient"),
        ((8.0, 12.0), "dry"),
        ((80.0, 90.0), "wet"),
        ((30.0,), "unknown"),
        ((), "unknown"),
        ((20.0, 28.0, 36.0), "gradient"),
        ((20.0, 22.0, 45.0, 47.0), "two_zone"),
    ],
)
def test_zone_pattern(moistures: tuple[float, ...], pattern: str) -> None:
    assert zone_pattern([(m, 1.0) for m in moistures]) == pattern


def test_average_is_weighted_by_confidence_as_in_the_example_of_the_record() -> None:
    assert average_moisture_pct([(15.6, 0.55), (49.2, 0.85)]) == pytest.approx(36.0)
    assert average_moisture_pct([]) is None


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(0.5, 99.9)), st.floats(0.0, 1.0)), max_size=16))
def test_doubted_and_missing_probes_take_no_part(probes: list[tuple[float | None, float]]) -> None:
    trusted = trusted_probes([m for m, _ in probes], [c for _, c in probes])
    average = average_moisture_pct(trusted)
    usable = [m for m, c in probes if m is not None and c >= 0.3]
    assert (average is None) == (not usable)
    if average is not None:
        assert min(usable) - 1e-9 <= average <= max(usable) + 1e-9
    if len(usable) < 2:
        assert zone_pattern(trusted) == "unknown"


def test_water_on_a_full_root_zone_needs_no_answer() -> None:
    arrival = WaterArrival()
    for minute in range(120):
        arrival.update(minute * 60.0, 0.0 if minute < 10 else 200.0, [72.0])
    assert arrival.unanswered_ml == 0.0


@pytest.mark.parametrize("period_s", [10.0, 300.0, 1_800.0])
def test_count_that_comes_with_or_after_the_water_is_no_accusation(period_s: float) -> None:
    arrival = WaterArrival()
    for i in range(int(4 * 3_600 / period_s) + 1):
        t_s = i * period_s
        level = 25.0 if t_s < 3_600.0 else 34.0
        counted_s = 3_600.0 + min(period_s, 300.0) * (period_s < 1_800.0)
        arrival.update(t_s, 400.0 if t_s >= counted_s else 0.0, [level])
    assert arrival.unanswered_ml == 0.0


def test_blind_probes_answer_nothing_and_accuse_nobody() -> None:
    arrival = WaterArrival()
    for minute in range(120):
        arrival.update(minute * 60.0, 0.0 if minute < 10 else 200.0, [None])
    assert arrival.unanswered_ml == 0.0
