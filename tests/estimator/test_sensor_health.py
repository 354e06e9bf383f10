"""Faults of single sensors: found, told once, over when they are over; and what must not be called a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.estimator.channels import SOIL_PROBE
from tomato_host.brain.estimator.sensor_health import (
    DISCONNECT,
    JUMP,
    NO_VALUE,
    OUT_OF_RANGE,
    STUCK,
    SensorTrack,
)

from shared_schemas.records.device_status_v1 import Outputs
from tests.estimator.days import LIT, Drive, Gone, devices, faults

NAME_OF = {"P1": "soil.P1", "P2": "soil.P2"}
ALL = ("air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c", "P1", "P2")


def _after(minutes: float, edit: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any], float], None]:
    return lambda readings, t_s: edit(readings) if t_s >= minutes * 60.0 else None


@pytest.mark.parametrize("name", ALL)
def test_fault_detection_stuck_at(name: str) -> None:
    drive = Drive()
    held: dict[str, Any] = {}

    def hold(readings: dict[str, Any]) -> None:
        readings[name] = held.setdefault(name, readings[name])

    assert faults(drive.run(55.0, _after(0.0, hold))) == []
    told = drive.run(35.0, _after(0.0, hold))
    assert faults(told) == [(NAME_OF.get(name, name), "STUCK_AT")]
    assert drive.estimate.state.quantity_confidence[NAME_OF.get(name, name)] == 0.0
    over = drive.run(5.0)
    assert faults(over, "CLEARED") == [(NAME_OF.get(name, name), "STUCK_AT")]


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("air_temp_c", 5.0),
        ("air_temp_c", -5.0),
        ("rh_pct", -15.0),
        ("co2_ppm", 400.0),
        ("leaf_temp_c", 5.0),
        ("light_lux", -7_000.0),
        ("soil_temp_c", 3.0),
        ("P1", 12.0),
        ("P1", -12.0),
        ("P2", 25.0),
    ],
)
def test_fault_detection_jump(name: str, size: float) -> None:
    drive = Drive()
    drive.run(10.0)
    told = drive.run(3.0, _after(1.0, lambda r: r.update({name: r[name] + size})))
    assert faults(told) == [(NAME_OF.get(name, name), "JUMP")]
    assert drive.estimate.state.quantity_confidence[NAME_OF.get(name, name)] < 0.35
    later = drive.run(130.0, _after(0.0, lambda r: r.update({name: r[name] + size})))
    assert (NAME_OF.get(name, name), "JUMP") in faults(later, "CLEARED")


@pytest.mark.parametrize("name", ["air_temp_c", "leaf_temp_c", "soil_temp_c", "co2_ppm", "light_lux", "P1", "P2"])
def test_fault_detection_drift(name: str) -> None:
    drive = Drive(period_s=300.0)
    day = 24.0 * 60.0
    assert faults(drive.run(6.0 * day)) == []

    def walk(readings: dict[str, Any], t_s: float) -> None:
        readings[name] *= 1.0 + 0.02 * t_s / 86_400.0

    told = drive.run(3.0 * day, walk)
    assert (NAME_OF.get(name, name), "DRIFT") in faults(told)
    others = {sensor for sensor, _ in faults(told)} - {NAME_OF.get(name, name)}
    assert others <= ({"soil.P1", "soil.P2"} if name in NAME_OF else set())


def test_single_wild_sample_is_dropped_and_not_told() -> None:
    drive = Drive()
    drive.run(5.0)
    before = drive.estimate.state.env.air_temp_c
    told = drive.run(2.0, lambda r, t: r.update(air_temp_c=41.0) if t == 30.0 else None)
    assert told == []
    assert before is not None
    assert abs(drive.estimate.state.env.air_temp_c - before) < 0.2  # type: ignore[operator]  # never None here


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (Gone("out_of_range"), "OUT_OF_RANGE"),
        (0.0, "OUT_OF_RANGE"),
        (100.0, "OUT_OF_RANGE"),
        (Gone("unplugged"), "DISCONNECT"),
        (Gone("crc"), "DISCONNECT"),
        (Gone("stale"), "DISCONNECT"),
    ],
)
def test_dead_probe_is_told_once_and_gives_no_value(value: float | Gone, fault: str) -> None:
    drive = Drive()
    drive.run(5.0)
    told = drive.run(20.0, lambda r, _: r.update(P1=value))
    assert faults(told) == [("soil.P1", fault)]
    probe = drive.estimate.state.soil.probes[0]
    assert (probe.moisture_pct, probe.confidence) == (None, 0.0)
    health = {s.id: s for s in drive.estimate.health.sensors}
    assert health["soil.P1"].status == "FAILED"
    assert health["soil.P2"].status == "OK"
    over = drive.run(4.0)
    assert faults(over, "CLEARED") == [("soil.P1", fault)]
    assert drive.estimate.state.soil.probes[0].moisture_pct is not None


def test_single_lost_sample_is_bridged_and_not_told() -> None:
    drive = Drive()
    drive.run(5.0)
    told = drive.run(0.2, lambda r, t: r.update(rh_pct=Gone("crc")) if t == 10.0 else None)
    assert told == []
    assert drive.estimate.state.env.rh_pct is not None


def test_dark_night_is_not_a_stuck_light_sensor() -> None:
    off = devices(outputs=LIT.model_copy(update={"light": "OFF"}))
    drive = Drive(period_s=60.0)
    told = drive.run(8.0 * 60.0, lambda r, _: r.update(light_lux=0.0), off)
    assert faults(told) == []


def test_saturated_air_is_not_a_stuck_hygrometer() -> None:
    drive = Drive(period_s=60.0)
    told = drive.run(8.0 * 60.0, lambda r, t: r.update(rh_pct=min(100.0, 62.0 + t / 500.0 + 1e9 * (t > 18_000.0))))
    assert faults(told) == []


@pytest.mark.parametrize(
    ("outputs", "readings"),
    [
        ({"water_pump": "ON"}, {"P1": 9.0}),
        ({"co2_solenoid": "ON"}, {"co2_ppm": 240.0}),
        ({"humidifier": "ON"}, {"rh_pct": 9.0}),
    ],
)
def test_an_own_action_explains_a_fast_change(outputs: dict[str, str], readings: dict[str, float]) -> None:
    drive = Drive()
    drive.run(5.0)
    busy = devices(outputs=Outputs.model_validate({**LIT.model_dump(), **outputs}))
    told = drive.run(0.5, None, busy)
    told += drive.run(2.0, lambda r, _: r.update({k: r[k] + v for k, v in readings.items()}))
    assert faults(told) == []
    without = Drive()
    without.run(5.0)
    unexplained = without.run(2.0, lambda r, _: r.update({k: r[k] + v for k, v in readings.items()}))
    assert [fault for _, fault in faults(unexplained)] == ["JUMP"]


def test_water_explains_no_fall() -> None:
    drive = Drive()
    drive.run(5.0, None, devices(outputs=Outputs.model_validate({**LIT.model_dump(), "water_pump": "ON"})))
    told = drive.run(2.0, lambda r, _: r.update(P1=r["P1"] - 9.0))
    assert faults(told) == [("soil.P1", "JUMP")]


def test_coarse_sensor_earns_patience_but_a_real_fault_teaches_little() -> None:
    track = SensorTrack(SOIL_PROBE)
    t_s, level = 0.0, 50.0
    for _ in range(60):  # every 40 minutes one step of the last digit
        level += 0.1
        for _ in range(8):
            t_s += 300.0
            track.update(t_s, round(level, 1), False)
    assert track.faults == 0
    assert track.stuck_after_s == pytest.approx(2.0 * 2_400.0)
    for _ in range(24):
        t_s += 300.0
        track.update(t_s, 56.0, False)
    assert track.faults & STUCK
    assert track.stuck_after_s < 3.0 * 3_600.0


def test_leaf_and_air_that_disagree_are_doubted_and_the_third_tells_who() -> None:
    drive = Drive(period_s=60.0)
    drive.run(30.0)

    def slowly_wrong(readings: dict[str, Any], t_s: float) -> None:
        readings["leaf_temp_c"] += min(13.0, t_s / 60.0 * 0.5)

    told = drive.run(90.0, slowly_wrong)
    assert ("leaf_temp_c", "INCONSISTENT") in faults(told)
    assert ("air_temp_c", "INCONSISTENT") not in faults(told)
    assert drive.estimate.state.quantity_confidence["leaf_temp_c"] < 0.75
    assert ("leaf_temp_c", "INCONSISTENT") in faults(drive.run(60.0, None), "CLEARED")


def test_two_probes_of_one_zone_that_part_company_are_both_doubted() -> None:
    from tomato_host.brain.estimator import EstimatorSettings, ProbeSettings

    one_zone = EstimatorSettings(probes=(ProbeSettings(id="P1", zone="pot"), ProbeSettings(id="P2", zone="pot")))
    drive = Drive(one_zone, period_s=60.0)
    drive.run(60.0)
    told = drive.run(120.0, lambda r, t: r.update(P1=r["P1"] + min(15.0, t / 60.0 * 0.25)))
    assert {("soil.P1", "INCONSISTENT"), ("soil.P2", "INCONSISTENT")} <= set(faults(told))
    two_zones = Drive(period_s=60.0)
    two_zones.run(60.0)
    assert faults(two_zones.run(120.0, lambda r, t: r.update(P1=r["P1"] + min(15.0, t / 60.0 * 0.25)))) == []


reading = st.one_of(st.none(), st.floats(-10.0, 110.0))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.floats(1.0, 4_000.0), reading, st.booleans()), max_size=80))
def test_whatever_comes_in_a_trusted_value_is_plausible_and_fresh(
    samples: list[tuple[float, float | None, bool]],
) -> None:
    track = SensorTrack(SOIL_PROBE)
    t_s = 0.0
    for gap_s, value, excused in samples:
        t_s += gap_s
        track.update(t_s, value, excused, 0.0, "timeout")
        trusted = track.trusted
        assert track.faults & ~(NO_VALUE | JUMP) == 0
        if trusted is not None:
            assert SOIL_PROBE.low <= trusted <= SOIL_PROBE.high
            assert track.last_good_s is not None
            assert t_s - track.last_good_s <= 60.0 or value is not None
        if value is not None and not SOIL_PROBE.low <= value <= SOIL_PROBE.high:
            assert track.faults & OUT_OF_RANGE
            assert trusted is None


def test_disconnect_needs_two_samples_at_a_fast_pace_and_one_at_a_slow_one() -> None:
    fast, slow = SensorTrack(SOIL_PROBE), SensorTrack(SOIL_PROBE)
    fast.update(0.0, 30.0, False)
    fast.update(10.0, None, False, 0.0, "timeout")
    assert not fast.faults & DISCONNECT
    fast.update(30.0, None, False, 0.0, "timeout")
    assert fast.faults & DISCONNECT
    slow.update(0.0, 30.0, False)
    slow.update(1_800.0, None, False, 0.0, "timeout")
    assert slow.faults & DISCONNECT
