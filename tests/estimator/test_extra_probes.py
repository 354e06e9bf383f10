"""Foreign sensors stand in, believed little and for a while; a sensor of the board that is missing stays a fault."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tomato_host.brain.estimator import EstimatorSettings, ProbeSettings
from tomato_host.brain.estimator.extra_probes import ExtraProbes, freshness

from shared_schemas.records import ExtraReadingV1
from shared_schemas.records.extra_reading_v1 import ExtraQuantity
from tests.estimator.days import NOON, Drive, Gone, faults

BED = EstimatorSettings(
    probes=(ProbeSettings(id="P1", zone="1"), ProbeSettings(id="P2", zone="2"), ProbeSettings(id="bed", zone="3"))
)


def reading(
    drive: Drive, quantity: ExtraQuantity, value: float, id_: str = "bed", confidence: float = 0.45
) -> ExtraReadingV1:
    return ExtraReadingV1(
        schema_version="extra_reading_v1",
        ts=drive.ts,
        id=id_,
        quantity=quantity,
        value=value,
        confidence=confidence,
        stale_after_s=900.0,
    )


def test_a_foreign_thermometer_stands_in_and_the_own_one_stays_a_fault() -> None:
    drive = Drive()
    drive.run(30.0)
    drive.estimator.extra.add(reading(drive, "air_temp_c", 25.0, "a"))
    drive.estimator.extra.add(reading(drive, "air_temp_c", 28.0, "b", 0.15))
    drive.run(1.0)
    assert drive.estimate.state.env.air_temp_c == pytest.approx(24.0, abs=0.2), "the board's own value counts alone"
    opened = drive.run(3.0, lambda r, _: r.update(air_temp_c=Gone()))
    env, trust = drive.estimate.state.env, drive.estimate.state.quantity_confidence
    assert env.air_temp_c == pytest.approx(25.75), "the mean by confidence"
    assert trust["air_temp_c"] == pytest.approx(0.45), "never more than the best of them"
    assert env.vpd_kpa is not None
    assert ("air_temp_c", "disconnect") in [(s, f.lower()) for s, f in faults(opened)], "missing stays missing"
    drive.run(20.0, lambda r, _: r.update(air_temp_c=Gone()))
    assert drive.estimate.state.env.air_temp_c is None, "too old to be the present"


def test_a_foreign_soil_probe_is_a_probe_of_its_own_with_little_weight() -> None:
    drive, silent = Drive(BED), Drive(BED)
    silent.run(60.0)
    for _ in range(60):
        drive.run(1.0)
        drive.estimator.extra.add(reading(drive, "soil_moisture_pct", 36.0 + 0.1 * drive.rng.random()))
    probes = {probe.id: probe for probe in drive.estimate.state.soil.probes}
    assert probes["bed"].moisture_pct == pytest.approx(36.05, abs=0.2)
    assert 0.3 < probes["bed"].confidence <= 0.45 < probes["P1"].confidence
    assert {probe.id: probe.moisture_pct for probe in silent.estimate.state.soil.probes}["bed"] is None
    before = probes["bed"].confidence
    drive.run(10.0)
    ageing = {probe.id: probe for probe in drive.estimate.state.soil.probes}["bed"]
    assert ageing.moisture_pct is not None and ageing.confidence < before
    drive.run(10.0)
    gone = {probe.id: probe for probe in drive.estimate.state.soil.probes}["bed"]
    assert gone.confidence == 0.0
    assert ("soil.bed", "disconnect") in [(s, f.lower()) for s, f in faults(drive.anomalies)]


def test_without_foreign_sensors_nothing_changes() -> None:
    plain, other = Drive(), Drive()
    other.estimator.extra.add(reading(other, "co2_ppm", 900.0))
    for drive in (plain, other):
        drive.run(30.0)
    assert plain.estimate.state == other.estimate.state


def test_freshness_falls_over_the_second_half_and_knows_no_future() -> None:
    drive = Drive()
    drive.ts = NOON
    one = reading(drive, "rh_pct", 60.0)
    ages = (-60.0, 0.0, 450.0, 675.0, 899.0, 900.0)
    assert [round(freshness(one, NOON + timedelta(seconds=age)), 2) for age in ages] == [0.0, 1.0, 1.0, 0.5, 0.0, 0.0]
    extra = ExtraProbes()
    extra.add(one)
    assert extra.stand_in("rh_pct", NOON) == (60.0, 0.45) and extra.stand_in("co2_ppm", NOON) is None
    assert extra.limit("P1", NOON) == 1.0 and extra.soil("bed", NOON) is None
