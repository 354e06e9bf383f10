"""The one door: what it returns, that it is deterministic, and that nothing unsafe follows from blindness."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.estimator import Estimator, EstimatorSettings, ProbeSettings
from tomato_host.brain.psychrometrics import vpd_kpa

from shared_schemas.records import (
    AnomalyV1,
    ObservationV1,
    SamplingPlanV1,
    SensorHealthV1,
    StateV1,
    VisionV1,
    parse_record,
)
from shared_schemas.records.observation_v1 import BoardStamp
from tests.estimator.days import LIT, NOON, VIENNA, Drive, Gone, calm_readings, devices, faults, observe


def test_pipeline_returns_state_anomalies_sensor_health() -> None:
    drive = Drive()
    drive.run(10.0)
    told = drive.run(2.0, lambda r, _: r.update(P1=Gone("unplugged")))
    estimate = drive.estimate
    assert isinstance(estimate.state, StateV1)
    assert isinstance(estimate.health, SensorHealthV1)
    assert isinstance(estimate.sampling, SamplingPlanV1)
    assert [type(a) for a in told] == [AnomalyV1]
    for record in (estimate.state, estimate.health, estimate.sampling, *told):
        assert parse_record(record.to_json()) == record
    state = estimate.state
    assert state.ts == drive.ts
    assert state.env.vpd_kpa == pytest.approx(vpd_kpa(state.env.air_temp_c, state.env.rh_pct), abs=2e-4)  # type: ignore[arg-type]  # both are known
    assert state.plant.leaf_air_delta_c == pytest.approx(-0.8, abs=0.15)
    assert state.env.dew_point_c == pytest.approx(16.3, abs=0.3)
    assert [s.id for s in estimate.health.sensors] == [
        "air_temp_c",
        "rh_pct",
        "co2_ppm",
        "leaf_temp_c",
        "light_lux",
        "soil_temp_c",
        "soil.P1",
        "soil.P2",
    ]
    assert state.devices.light == "ON"
    assert state.budgets.water_ml_budget_today == 2_200.0


def _broken_day(seed: int) -> list[ObservationV1]:
    rng = Random(seed)
    day = []
    for i in range(600):
        readings = calm_readings(rng)
        for name in ("air_temp_c", "rh_pct", "P1", "light_lux"):
            if rng.random() < 0.02:
                readings[name] = Gone("crc")
        if 200 < i < 300:
            readings["P2"] = Gone("unplugged")
        if i > 400:
            readings["air_temp_c"] = 36.0 + rng.random()
        day.append(observe(NOON + timedelta(seconds=30 * i), readings))
    return day


def test_the_unvalidated_state_is_what_validation_would_make_of_it() -> None:
    """States are built without validation: each must be valid, with every field, in the order of the schema."""
    estimator = Estimator()
    for observation in _broken_day(5):
        state = estimator.step(observation, devices()).state
        validated = StateV1.from_json(state.to_json())
        assert validated == state
        assert validated.to_json() == state.to_json()


def _told(observations: list[ObservationV1]) -> list[str]:
    estimator = Estimator()
    lines = []
    for observation in observations:
        estimate = estimator.step(observation, devices())
        lines += [r.to_json() for r in (estimate.state, estimate.health, estimate.sampling, *estimate.anomalies)]
    return lines


def test_pipeline_is_deterministic_for_same_inputs() -> None:
    day = _broken_day(5)
    first = _told(day)
    assert first == _told(day)
    read_back = [ObservationV1.from_json(o.to_json()) for o in day]
    assert first == _told(read_back), "a replay from disk must write the same bytes"
    assert first != _told(_broken_day(6))


def test_records_asked_for_late_are_those_of_their_own_moment() -> None:
    estimator = Estimator()
    rng = Random(3)
    kept = [estimator.step(observe(NOON + timedelta(seconds=10 * i), calm_readings(rng)), devices()) for i in range(50)]
    again = Estimator()
    rng = Random(3)
    for i, estimate in enumerate(kept):
        at_once = again.step(observe(NOON + timedelta(seconds=10 * i), calm_readings(rng)), devices())
        assert estimate.state == at_once.state
        assert estimate.health == at_once.health


def test_lost_probe_lowers_confidence_and_leads_to_no_unsafe_conclusion() -> None:
    drive = Drive()
    drive.run(10.0)
    before = drive.estimate.state
    assert before.soil.zone_pattern == "two_zone"
    told = drive.run(180.0, lambda r, _: r.update(P1=Gone("unplugged")))
    after = drive.estimate.state
    assert after.confidence < before.confidence
    assert after.quantity_confidence["soil.avg"] < before.quantity_confidence["soil.avg"]
    assert after.soil.avg_moisture_pct == pytest.approx(46.0, abs=0.5)
    assert after.soil.zone_pattern == "unknown"
    assert {a.type.value for a in told} == {"SENSOR_DISCONNECT"}
    told = drive.run(180.0, lambda r, _: r.update(P1=Gone("unplugged"), P2=Gone("unplugged")))
    blind = drive.estimate.state
    assert blind.soil.avg_moisture_pct is None
    assert blind.soil.zone_pattern == "unknown"
    assert {a.type.value for a in told} == {"SENSOR_DISCONNECT"}


def test_no_deficit_without_both_its_parts() -> None:
    drive = Drive()
    drive.run(10.0)
    drive.run(5.0, lambda r, _: r.update(rh_pct=Gone("nack")))
    env = drive.estimate.state.env
    assert (env.vpd_kpa, env.dew_point_c, env.absolute_humidity_g_m3, env.rh_pct) == (None, None, None, None)
    assert env.air_temp_c is not None
    assert drive.estimate.state.quantity_confidence["vpd_kpa"] == 0.0


def test_noise_is_filtered() -> None:
    drive = Drive()
    drive.run(10.0)
    seen = []
    for _ in range(200):
        drive.run(1 / 6)
        seen.append(drive.estimate.state.env.rh_pct or 0.0)
    mean = sum(seen) / len(seen)
    spread = (sum((v - mean) ** 2 for v in seen) / len(seen)) ** 0.5
    assert mean == pytest.approx(62.0, abs=0.1)
    assert spread < 0.6 * 0.2


def test_any_number_of_probes_without_a_change_of_settings() -> None:
    probes = ("P1", "P2", "north", "south")
    estimator = Estimator()
    readings = {**calm_readings(Random(1)), "P1": 18.0, "P2": 19.0, "north": 40.0, "south": 41.0}
    estimate = estimator.step(observe(NOON, readings, probes), devices())
    assert [p.id for p in estimate.state.soil.probes] == list(probes)
    assert estimate.state.soil.zone_pattern == "two_zone"
    assert estimate.state.soil.avg_moisture_pct == pytest.approx(29.5)
    assert len(estimator.settings.probes) == 4


def test_probe_that_is_set_but_never_spoken_of_counts_as_unplugged() -> None:
    estimator = Estimator(
        EstimatorSettings(
            probes=(
                ProbeSettings(id="P1", zone="a"),
                ProbeSettings(id="P2", zone="b"),
                ProbeSettings(id="P3", zone="c"),
            )
        )
    )
    told: list[Any] = []
    for i in range(10):
        told += estimator.step(observe(NOON + timedelta(seconds=10 * i), calm_readings(Random(i))), devices()).anomalies
    assert faults(told) == [("soil.P3", "DISCONNECT")]


def test_observation_out_of_the_backlog_changes_nothing() -> None:
    drive = Drive()
    drive.run(5.0)
    newest = drive.estimate
    late = drive.estimator.step(observe(NOON - timedelta(hours=1), calm_readings(Random(1))), devices())
    assert late.late
    assert not newest.late
    assert late.anomalies == ()
    assert late.state == newest.state
    assert len(drive.estimator.history) == 30


def test_clock_set_back_does_not_blind_the_estimator() -> None:
    drive = Drive()
    drive.run(30.0)
    drive.ts -= timedelta(hours=1)
    drive.run(1.5)
    assert drive.estimate.late
    drive.run(1.0)
    assert not drive.estimate.late
    assert drive.estimate.ts == drive.ts
    assert drive.estimate.state.env.air_temp_c == pytest.approx(24.0, abs=0.2)
    assert drive.anomalies == []


def test_backlog_never_counts_as_a_clock_set_back() -> None:
    drive = Drive()
    drive.run(30.0)
    for i in range(50):
        old = observe(NOON - timedelta(hours=1) + timedelta(seconds=10 * i), calm_readings(Random(i)))
        stamp = BoardStamp(boot_id=1, seq=i, t_ms=10_000 * i, backlog=True)
        assert drive.estimator.step(old.model_copy(update={"board": stamp}), devices()).late


def test_light_integral_counts_photons_and_starts_anew_at_local_midnight() -> None:
    start = datetime(2026, 2, 14, 22, 0, tzinfo=VIENNA)
    drive = Drive(EstimatorSettings(lux_per_umol=50.0), period_s=60.0, start=start)
    drive.run(60.0, lambda r, _: r.update(light_lux=20_000.0 + r["light_lux"] - 18_000.0))
    assert drive.estimate.state.env.dli_mol_m2 == pytest.approx(20_000.0 / 50.0 * 3_600.0 / 1e6, rel=0.02)
    drive.run(61.0)
    assert drive.estimate.state.env.dli_mol_m2 == pytest.approx(18_000.0 / 50.0 * 60.0 / 1e6, rel=0.2)


def test_local_midnight_is_found_in_records_stamped_in_utc() -> None:
    drive = Drive(period_s=60.0, start=datetime(2026, 7, 1, 21, 0, tzinfo=UTC))
    drive.run(60.0)
    before = drive.estimate.state.env.dli_mol_m2
    drive.run(2.0)
    after = drive.estimate.state.env.dli_mol_m2
    assert before is not None and after is not None
    assert after < 0.1 * before


def test_anomaly_opens_a_closer_look_and_its_end_closes_it() -> None:
    drive = Drive()
    drive.run(5.0)
    assert drive.estimate.sampling.overrides == ()
    drive.run(3.0, lambda r, _: r.update(leak=True))
    plan = drive.estimate.sampling
    assert plan.base_period_s == 1_800.0
    assert [(o.period_s, o.reason) for o in plan.overrides] == [(300.0, "LEAK")]
    assert plan.overrides[0].end - drive.ts == timedelta(hours=1)
    drive.run(5.0)
    assert drive.estimate.sampling.overrides == ()


def test_reset_of_the_board_is_one_event() -> None:
    drive = Drive()
    first, second = NOON - timedelta(hours=5), NOON + timedelta(minutes=4)
    drive.run(5.0, None, devices(last_reset_ts=first))
    told = drive.run(5.0, None, devices(last_reset_ts=second))
    assert [(a.type.value, a.phase) for a in told] == [("MCU_RESET", "OPENED")]
    assert drive.estimate.state.devices.last_reset_ts == second
    cleared = drive.run(10.0, None, devices(last_reset_ts=second))
    assert [(a.type.value, a.phase) for a in cleared] == [("MCU_RESET", "CLEARED")]


def test_water_that_reaches_no_probe_is_told() -> None:
    drive = Drive(period_s=60.0)
    drive.run(10.0, None, devices(water_ml_used_today=500.0))
    told = drive.run(60.0, None, devices(water_ml_used_today=700.0))
    assert [(a.type.value, a.signals["unanswered_ml"]) for a in told] == [("WATER_NOT_ARRIVING", 200.0)]
    answered = Drive(period_s=60.0)
    answered.run(10.0, None, devices(water_ml_used_today=500.0))
    told = answered.run(
        60.0, lambda r, t: r.update(P2=r["P2"] + min(3.0, t / 300.0)), devices(water_ml_used_today=700.0)
    )
    assert told == []


def test_word_on_a_picture_stands_for_a_day() -> None:
    vision = VisionV1(
        schema_version="vision_v1",
        ts=NOON,
        leaf_color="green",
        wilting=False,
        pest_signs="none",
        fruit_count_est=3,
        flower_count_est=None,
        stress_score=0.1,
        notes="dense canopy",
        confidence=0.65,
        source="camera_main",
    )
    estimator = Estimator()
    fresh = estimator.step(observe(NOON, calm_readings(Random(1))), devices(), vision)
    assert fresh.state.plant.vision is not None
    assert fresh.state.plant.vision.summary == "dense canopy"
    stale = estimator.step(observe(NOON + timedelta(hours=25), calm_readings(Random(2))), devices(), vision)
    assert stale.state.plant.vision is None


def test_history_holds_the_last_48_hours_and_memory_stays_flat() -> None:
    drive = Drive(EstimatorSettings(sample_period_s=300.0), period_s=300.0)
    drive.run(50.0 * 60.0)
    held = drive.estimator.history
    assert len(held) == 48 * 12 + 1
    assert held.rows()[-1, 0] - held.rows()[0, 0] == 48 * 3_600.0
    assert held.stats("air_temp_c", 48.0).mean == pytest.approx(24.0, abs=0.05)
    drive.run(4.0 * 24.0 * 60.0)  # until every part has worked once
    tracemalloc.start()
    drive.run(12.0 * 60.0)
    before, _ = tracemalloc.get_traced_memory()
    drive.run(48.0 * 60.0)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 20_000


def test_a_leaf_impossibly_far_from_its_air_tells_no_difference() -> None:
    """Each reading is plausible alone, the pair is not: no difference is told, and the hot leaf is still reported."""
    estimator = Estimator()
    raised = set()
    for minute in range(60):
        readings = calm_readings(Random(minute)) | {"air_temp_c": -5.0 + 0.01 * (minute % 3), "leaf_temp_c": 56.0}
        estimate = estimator.step(observe(NOON + timedelta(minutes=minute), readings), devices())
        raised |= {a.type.value for a in estimate.open_anomalies}
        assert parse_record(estimate.state.to_json()) == estimate.state
    assert estimate.state.plant.leaf_air_delta_c is None
    assert "LEAF_HOT" in raised


def test_history_is_refused_before_the_first_step() -> None:
    with pytest.raises(RuntimeError, match="no observation"):
        _ = Estimator().history


def _value(low: float, high: float) -> st.SearchStrategy[Any]:
    return st.one_of(st.just(Gone("timeout")), st.just(Gone("out_of_range")), st.floats(low, high))


anything = st.fixed_dictionaries(
    {
        "air_temp_c": _value(-40.0, 85.0),
        "rh_pct": _value(0.0, 100.0),
        "co2_ppm": _value(0.0, 40_000.0),
        "leaf_temp_c": _value(-40.0, 85.0),
        "light_lux": _value(0.0, 120_000.0),
        "soil_temp_c": _value(-40.0, 85.0),
        "P1": _value(0.0, 100.0),
        "P2": _value(0.0, 100.0),
        "flow_ml": _value(0.0, 1e6),
        "reservoir_ok": st.booleans(),
        "leak": st.booleans(),
        "door_open": st.booleans(),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(1.0, 8_000.0), anything, st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_whatever_comes_in_valid_records_come_out(steps: list[tuple[float, dict[str, Any], bool, bool]]) -> None:
    estimator = Estimator()
    ts = NOON
    for gap_s, readings, lamp, connected in steps:
        ts += timedelta(seconds=gap_s)
        outputs = LIT.model_copy(update={"light": "ON" if lamp else "OFF"})
        estimate = estimator.step(observe(ts, readings), devices(ts, outputs, mcu_connected=connected))
        state = estimate.state
        assert parse_record(state.to_json()) == state
        assert len(estimate.health.sensors) == 8
        assert parse_record(estimate.sampling.to_json()) == estimate.sampling
        for name, value in (("air_temp_c", state.env.air_temp_c), ("rh_pct", state.env.rh_pct)):
            assert (value is None) == (state.quantity_confidence.get(name, 0.0) == 0.0)
        if state.soil.avg_moisture_pct is None:
            assert not [a for a in estimate.open_anomalies if a.type.value == "SOIL_DRY" and a.ts == ts]


def test_the_light_of_before_a_restart_is_no_fault_of_the_sensor() -> None:
    """Stopping the host switches the lamp off; the light sensor still shows the old value for some seconds."""
    dark = devices(outputs=LIT.model_copy(update={"light": "OFF"}))

    def turned_off(readings: dict[str, Any], after_s: float) -> None:
        readings["light_lux"] = 20_604.0 if after_s < 20.0 else 0.0

    drive = Drive()
    assert faults(drive.run(2.0, turned_off, dark)) == []
    later = Drive()
    later.run(10.0, lambda r, _: r.update(light_lux=20_604.0), dark)
    told = later.run(2.0, lambda r, _: r.update(light_lux=0.0), dark)
    assert ("light_lux", "JUMP") in faults(told), "long after the start a jump that no lamp explains is one"
