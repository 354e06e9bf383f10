"""Evidence of drift on exact days: the features, when a day counts, how a move is weighed, and who is cleared."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tomato_host.brain.estimator.drift import DriftDetector, Feature, features_for

NAMES = ("air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c", "soil.P1", "soil.P2")
CALM = {
    "air_temp_c": 24.0,
    "rh_pct": 62.0,
    "co2_ppm": 450.0,
    "leaf_temp_c": 23.0,
    "light_lux": 18_000.0,
    "soil_temp_c": 20.0,
    "soil.P1": 34.0,
    "soil.P2": 46.0,
}
Change = Callable[[int, int], dict[str, float | None]]


def test_the_features_of_an_installation() -> None:
    found = {f.sensor: f for f in features_for(NAMES, daylight=False)}
    assert found["air_temp_c"] == Feature("air_temp_c", "temperature_pair", 0.55, ("leaf_temp_c", "soil_temp_c"), 3)
    assert found["rh_pct"] == Feature("rh_pct", "mean_level", 0.10, (), 8)
    assert found["co2_ppm"] == Feature("co2_ppm", "quiet_level", 0.035, (), 3)
    assert found["light_lux"] == Feature("light_lux", "lamp_level", 0.03, (), 3)
    assert found["soil.P2"] == Feature("soil.P2", "soil_ratio", 0.04, ("soil.P1",), 5)
    assert set(found) == set(NAMES)
    assert "light_lux" not in {f.sensor for f in features_for(NAMES, daylight=True)}
    assert [f.sensor for f in features_for(("air_temp_c", "soil.P1"), daylight=False)] == ["air_temp_c"]


class Days:
    """A detector that is fed hour by hour; each day differs a little, as days do."""

    def __init__(self, names: tuple[str, ...] = NAMES, daylight: bool = False) -> None:
        self.names, self.watch, self.day = names, DriftDetector(names, daylight), 0

    def run(self, days: int, change: Change | None = None, wobble: float = 0.001) -> dict[str, float]:
        """Whole days; `change(day, hour)` gives other values. Returns the evidence after the last."""
        for _ in range(days):
            for hour in range(24):
                values: dict[str, float | None] = {
                    n: CALM[n] * (1.0 + wobble * (1.0 if (self.day + i) % 2 else -1.0))
                    for i, n in enumerate(self.names)
                }
                if change is not None:
                    values.update(change(self.day, hour))
                lamp = values.get("light_lux") if 6 <= hour < 22 else None
                self.watch.update((self.day * 24 + hour) * 3_600.0 + 60.0, [values[n] for n in self.names], lamp)
            self.day += 1
        self.watch.update(self.day * 86_400.0, [None] * len(self.names), None)
        return dict(self.watch.evidence)


def test_what_has_no_companion_is_known() -> None:
    assert DriftDetector(NAMES, daylight=False).alone == {"rh_pct", "co2_ppm", "light_lux"}


def test_an_hour_is_closed_at_its_end_and_tells_so() -> None:
    watch = DriftDetector(("air_temp_c", "soil_temp_c"), False)
    closed = [
        watch.update(t, [20.0, 20.0], None) for t in (100.0, 3_599.0, 3_600.0, 3_601.0, 7_199.0, 7_200.0, 99_999.0)
    ]
    assert closed == [False, False, True, False, False, True, True]


def test_there_is_no_evidence_before_there_are_days_enough() -> None:
    days, first = Days(), dict[str, int]()
    for day in range(1, 13):
        for name in days.run(1):
            first.setdefault(name, day)
    assert {first[n] for n in ("air_temp_c", "leaf_temp_c", "soil_temp_c", "co2_ppm", "light_lux")} == {5}
    assert first["soil.P1"] == first["soil.P2"] == 7 and first["rh_pct"] == 10


def test_steady_days_show_nothing() -> None:
    assert max(Days().run(14).values()) < 0.5


def moving(name: str, per_day: float, start: int) -> Change:
    """From day `start` on the sensor is off by so much more each day, as a factor."""

    def change(day: int, hour: int) -> dict[str, float | None]:
        wobble = 0.001 * (1.0 if (day + NAMES.index(name)) % 2 else -1.0)
        return {name: CALM[name] * (1.0 + wobble) * (1.0 + per_day * max(0, day - start + 1))}

    return change


@pytest.mark.parametrize(
    ("name", "per_day"),
    [
        ("air_temp_c", 0.03),
        ("leaf_temp_c", -0.03),
        ("soil_temp_c", 0.04),
        ("co2_ppm", 0.04),
        ("light_lux", -0.03),
        ("soil.P1", 0.05),
        ("soil.P2", -0.05),
        ("rh_pct", 0.1),
    ],
)
def test_a_steady_walk_is_drift_of_that_sensor(name: str, per_day: float) -> None:
    days = Days()
    before = days.run(10)
    assert before[name] < 0.5
    after = days.run(2, moving(name, per_day, 10))
    assert after[name] >= 1.0
    others = {
        n: e for n, e in after.items() if n != name and not (n.startswith("soil.P") and name.startswith("soil.P"))
    }
    assert max(others.values()) < 1.0, others


@pytest.mark.parametrize("silent_day", [8, 9], ids=["the day before", "the newest day"])
def test_a_companion_that_was_silent_on_one_of_the_two_days_is_not_compared(silent_day: int) -> None:
    """With one day of the pair missing there is no difference to judge; the other companion decides alone."""

    def silent(day: int, hour: int) -> dict[str, float | None]:
        return {"leaf_temp_c": None} if day == silent_day else {}

    def walking(day: int, hour: int) -> dict[str, float | None]:
        return {**moving("air_temp_c", 0.03, 8)(day, hour), **silent(day, hour)}

    pair = Days(("air_temp_c", "leaf_temp_c"))
    pair.run(8)
    assert "air_temp_c" not in pair.run(2, silent)
    trio = Days(("air_temp_c", "leaf_temp_c", "soil_temp_c"))
    trio.run(8)
    assert trio.run(2, walking)["air_temp_c"] >= 1.0


def level(name: str, by_day: dict[int, float]) -> Change:
    """The sensor's mean of single days, as a factor."""

    def change(day: int, hour: int) -> dict[str, float | None]:
        return {name: CALM[name] * by_day[day]} if day in by_day else {}

    return change


def co2_evidence(newest: float, before: float, wobble: float = 0.0) -> float:
    days = Days(("co2_ppm",))
    days.run(8, wobble=wobble)
    return days.run(2, level("co2_ppm", {8: before, 9: newest}), wobble=wobble)["co2_ppm"]


def expected(newest: float, before: float, floor: float = 0.035) -> float:
    import math

    return abs(5.0 * math.log(newest) + 3.0 * math.log(before)) / 34.0**0.5 / floor


def test_the_newest_day_weighs_five_and_the_day_before_three() -> None:
    for newest, before in ((1.03, 1.015), (0.96, 0.98), (1.02, 1.02)):
        assert co2_evidence(newest, before) == pytest.approx(min(expected(newest, before), 99.0), rel=1e-6)


@pytest.mark.parametrize(
    ("newest", "before", "drifts"),
    [
        (1.10, 1.05, True),
        (1.10, 0.99, False),
        (1.10, 1.0, False),
        (1.10, 1.03, True),
        (1.10, 1.02, False),
        (1.05, 1.10, False),
        (1.10, 1.10, True),
        (1.095, 1.10, True),
        (0.90, 0.95, True),
    ],
)
def test_only_a_move_in_one_direction_over_two_days_is_drift(newest: float, before: float, drifts: bool) -> None:
    found = co2_evidence(newest, before)
    assert (found >= 1.0) is drifts and found >= 0.99


def test_days_that_differ_among_themselves_need_a_larger_move() -> None:
    """Spread of days that lie 2 % up and down in turn: half of standard and median deviation, enlarged by 1.5 / n."""
    import math

    up, down = math.log(1.02), math.log(0.98)
    half, middle = (up - down) / 2.0, (up + down) / 2.0
    spread = 0.5 * (half * math.sqrt(8.0 / 7.0) + 1.4826 * half) * (1.0 + 1.5 / 8.0)
    newest, before = math.log(1.20), math.log(1.10)
    wanted = abs(5.0 * (newest - middle) + 3.0 * (before - middle)) / math.sqrt(34.0) / (2.8 * spread)
    assert co2_evidence(1.20, 1.10, wobble=0.02) == pytest.approx(wanted, rel=1e-6)


def test_co2_is_judged_by_its_six_lowest_hours() -> None:
    days = Days(("co2_ppm",))
    days.run(8, wobble=0.0)

    def noisy(day: int, hour: int) -> dict[str, float | None]:
        return {"co2_ppm": 450.0 if hour < 6 else 900.0}

    assert days.run(2, noisy, wobble=0.0)["co2_ppm"] == pytest.approx(0.0, abs=1e-9)

    def five_hours(day: int, hour: int) -> dict[str, float | None]:
        return {"co2_ppm": 450.0 if hour < 5 else 900.0}

    assert days.run(2, five_hours, wobble=0.0)["co2_ppm"] > 1.0


def missing(name: str, days: set[int], hours: int) -> Change:
    """No value in the first so many hours of those days."""
    return lambda day, hour: {name: None} if day in days and hour < hours else {}


@pytest.mark.parametrize(("hours", "counts"), [(6, True), (7, False)])
def test_a_day_counts_with_eighteen_hours(hours: int, counts: bool) -> None:
    for name, names in (
        ("co2_ppm", ("co2_ppm",)),
        ("rh_pct", ("rh_pct",)),
        ("air_temp_c", ("air_temp_c", "soil_temp_c")),
    ):
        days = Days(names)
        days.run(10)
        assert (name in days.run(1, missing(name, {10}, hours))) is counts
        assert (name in days.run(1)) is counts, "the day before, too"
        assert name in days.run(1)


def test_light_needs_but_two_hours_under_the_lamp() -> None:
    days = Days(("light_lux",))
    days.run(6)
    assert "light_lux" in days.run(1, missing("light_lux", {6}, 20))
    assert "light_lux" not in days.run(1, missing("light_lux", {7}, 21))


def test_hours_without_any_sample_are_no_data() -> None:
    days = Days(("air_temp_c", "soil_temp_c"))
    days.run(10)
    days.day += 1
    found = days.run(1)
    assert "air_temp_c" not in found, "the day before has no hours"
    days.run(1)
    assert "air_temp_c" in days.run(1)
    long_away = Days(("air_temp_c", "soil_temp_c"))
    long_away.run(10)
    long_away.day += 40
    assert long_away.run(1) == {}


def test_a_thermometer_that_leaves_one_companion_only_is_not_the_suspect() -> None:
    days = Days()
    days.run(8)
    found = days.run(2, moving("leaf_temp_c", 0.04, 8))
    assert found["leaf_temp_c"] >= 1.0 and found["air_temp_c"] < 0.5 and found["soil_temp_c"] < 0.5


def both(first: dict[int, float], second: dict[int, float]) -> dict[str, float]:
    """Evidence after eight calm days and two in which the probes read these factors."""
    days = Days(("soil.P1", "soil.P2"))
    days.run(8, wobble=0.0)

    def change(day: int, hour: int) -> dict[str, float | None]:
        return {"soil.P1": 34.0 * first.get(day, 1.0), "soil.P2": 46.0 * second.get(day, 1.0)}

    found = days.run(2, change, wobble=0.0)
    return {name: round(found[name], 3) for name in ("soil.P1", "soil.P2")}


def test_of_two_probes_the_one_that_left_its_own_past_drifts() -> None:
    alone = both({8: 1.06, 9: 1.12}, {})
    assert alone["soil.P1"] >= 1.0 and alone["soil.P2"] == 0.99, "the other one has not moved"
    second = both({}, {8: 1.06, 9: 1.12})
    assert second["soil.P2"] >= 1.0 and second["soil.P1"] == 0.99
    assert both({8: 1.06, 9: 1.12}, {8: 1.06, 9: 1.12}) == {"soil.P1": 0.0, "soil.P2": 0.0}, "rain on both"


def test_two_pots_that_part_clear_both_probes() -> None:
    assert both({8: 1.04, 9: 1.08}, {8: 0.96, 9: 0.92}) == {"soil.P1": 0.5, "soil.P2": 0.5}
    # The second has moved by a tenth of the whole only: the first drifts.
    uneven = both({8: 1.06, 9: 1.12}, {8: 0.995, 9: 0.99})
    assert uneven["soil.P1"] >= 1.0 and uneven["soil.P2"] >= 1.0
    # Both the same way, one faster: no two pots that part.
    same_way = both({8: 1.10, 9: 1.20}, {8: 1.02, 9: 1.04})
    assert same_way["soil.P1"] >= 1.0 and same_way["soil.P2"] == 0.99


def test_a_lamp_that_dims_is_evidence_against_the_light_sensor_alone() -> None:
    days = Days()
    days.run(10)
    found = days.run(4, lambda day, _hour: {"light_lux": 18_000.0 * (1.0 - 0.02 * (day - 9))})
    assert found.pop("light_lux") == pytest.approx(3.4, abs=0.1)
    assert max(found.values()) < 0.05
