"""Confidence against its specification, docs/confidence_scoring.md, row by row."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.estimator import EstimatorSettings, channels, confidence
from tomato_host.brain.estimator.channels import CHANNELS, SOIL_PROBE, channels_for
from tomato_host.brain.estimator.confidence import (
    cross_factor,
    history_factor,
    overall_confidence,
    range_factor,
    rate_factor,
    sensor_confidence,
)

from tests.estimator.days import Drive, Gone
from tests.estimator.markdown import table_with

PAGE = "confidence_scoring.md"
EVENT_NAMES = {
    "lamp": channels.SWITCHING["light"],
    "pump": channels.SWITCHING["water_pump"],
    "co2": channels.SWITCHING["co2_solenoid"],
    "door": channels.DOOR,
    "exhaust": channels.SWITCHING["exhaust_fan"],
    "humidifier": channels.SWITCHING["humidifier"],
    "circulation": channels.SWITCHING["circulation_fan"],
}


def test_confidence_algorithm_matches_spec() -> None:
    constants = table_with(PAGE, "constant", "value")
    assert len(constants) == 12
    for row in constants:
        assert getattr(confidence, row["constant"]) == float(row["value"]), row
    examples = table_with(PAGE, "example", "settling", "confidence")
    assert len(examples) >= 3
    for row in examples:
        value = None if row["value"] == "none" else float(row["value"])
        got = sensor_confidence(
            range_factor(value, float(row["low"]), float(row["high"])),
            rate_factor(float(row["since jump"]), row["settling"] == "yes"),
            cross_factor(float(row["mismatch"])),
            history_factor(float(row["bad share"]), float(row["flat"]), float(row["drift"])),
        )
        assert got == pytest.approx(float(row["confidence"]), abs=5e-5), row["example"]


def test_overall_confidence_matches_the_worked_examples() -> None:
    rows = table_with(PAGE, "example", "board", "overall")
    assert len(rows) >= 3
    for row in rows:
        weighted = []
        for channel in channels_for(EstimatorSettings()):
            cell = row[channel.name]
            if cell != "-" or channel.essential:
                weighted.append((channel.weight, 0.0 if cell in ("none", "-") else float(cell)))
        got = overall_confidence(weighted, row["board"] == "yes")
        assert got == pytest.approx(float(row["overall"]), abs=5e-5), row["example"]


def test_sensor_table_matches_spec() -> None:
    rows = table_with(PAGE, "sensor", "stuck s")
    code = {c.name: c for c in (*CHANNELS, SOIL_PROBE)}
    assert [row["sensor"] for row in rows] == list(code)
    for row in rows:
        channel = code[row["sensor"]]
        for column, value in (
            ("low", channel.low),
            ("high", channel.high),
            ("step", channel.jump),
            ("step per min", channel.jump_per_min),
            ("step share", channel.jump_share),
            ("stuck s", channel.stuck_s),
            ("smoothing s", channel.smooth_s),
            ("weight", channel.weight),
        ):
            assert float(row[column]) == value, (row["sensor"], column)
        assert (1e9 if row["excused pace"] == "any" else float(row["excused pace"])) == channel.excused_pace
        assert sum(EVENT_NAMES[name.strip()] for name in row["excused by"].split(",")) == channel.excused_by
        assert (row["essential"] == "yes") is channel.essential
        natural = {f"<= {channel.flat_below:g}", f">= {channel.flat_above:g}", "never"}
        assert row["flat is natural"] in natural
        assert (row["flat is natural"] == "never") is (channel.flat_below < -1e8 and channel.flat_above > 1e8)


def test_confidence_with_missing_sensors_decreases() -> None:
    names = ["air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c", "P1", "P2"]
    drive = Drive()
    drive.run(10.0)
    overall = [drive.estimate.confidence]
    assert overall[0] == pytest.approx(1.0, abs=0.02)
    for gone in range(1, len(names) + 1):
        drive.run(3.0, lambda r, _, gone=gone: r.update(dict.fromkeys(names[:gone], Gone())))
        overall.append(drive.estimate.confidence)
    assert all(later < earlier for earlier, later in itertools.pairwise(overall))
    assert overall[-1] == 0.0


def test_sensor_that_was_never_fitted_costs_only_if_essential() -> None:
    without_co2 = Drive()
    without_co2.run(2.0, lambda r, _: r.update(co2_ppm=Gone("not_fitted")))
    assert without_co2.estimate.confidence == pytest.approx(1.0, abs=0.02)
    assert "co2_ppm" not in without_co2.estimate.state.quantity_confidence
    without_hygrometer = Drive()
    without_hygrometer.run(2.0, lambda r, _: r.update(rh_pct=Gone("not_fitted")))
    assert without_hygrometer.estimate.confidence == pytest.approx(11.5 / 14.5, abs=0.02)
    assert without_hygrometer.anomalies == []


unit = st.floats(0.0, 1.0)


@given(
    st.floats(-50.0, 150.0),
    st.floats(0.0, 1e6),
    st.booleans(),
    st.floats(0.0, 10.0),
    unit,
    st.floats(0.0, 5.0),
    st.floats(0.0, 5.0),
)
def test_confidence_stays_a_fraction(
    value: float, since: float, settling: bool, mismatch: float, bad: float, flat: float, drift: float
) -> None:
    got = sensor_confidence(
        range_factor(value, 0.0, 100.0),
        rate_factor(since, settling),
        cross_factor(mismatch),
        history_factor(bad, flat, drift),
    )
    assert 0.0 <= got <= 1.0
    assert (got == 0.0) or 0.0 <= value <= 100.0


@given(st.lists(st.tuples(st.floats(0.1, 5.0), unit), min_size=1, max_size=20), st.data())
def test_losing_a_sensor_never_raises_the_overall(weighted: list[tuple[float, float]], data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(weighted) - 1))
    without = [(w, 0.0 if i == lost else c) for i, (w, c) in enumerate(weighted)]
    assert overall_confidence(without, True) <= overall_confidence(weighted, True) + 1e-12
    assert overall_confidence(weighted, False) <= overall_confidence(weighted, True)
    assert overall_confidence([], True) == 0.0
