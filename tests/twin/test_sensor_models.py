"""The sensor models against data sheets and against the measured disagreement of real pairs."""

from __future__ import annotations

import statistics

import pytest
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import TentPhysics, Truth
from tomato_host.twin.sensors import PROBE_DRY_RAW, PROBE_WET_RAW, SimulatedSensors, to_block
from tomato_host.twin.vm_channel import ANSWER, VALUE_NAMES


def settled(seed: int, truth: Truth, moments: range = range(0, 86_400_000, 3_600_000)) -> list[tuple[float, float]]:
    sensors = SimulatedSensors(seed, TentParams())
    return [(r.air_temp_c, r.rh_pct) for r in (sensors.read(t, truth) for t in moments)]


def test_two_units_differ_as_measured_in_one_compartment() -> None:
    """Spread of the difference of pairs: 1.0 K and 6.2 % RH measured; the mean offset lies within 0.7 K and 2.7 %."""
    truth = TentPhysics().truth()
    d_temp, d_rh = [], []
    for pair in range(150):
        one, two = settled(2 * pair, truth), settled(2 * pair + 1, truth)
        d_temp += [a[0] - b[0] for a, b in zip(one, two, strict=True)]
        d_rh += [a[1] - b[1] for a, b in zip(one, two, strict=True)]
    assert 0.7 < statistics.pstdev(d_temp) < 1.3
    assert 4.0 < statistics.pstdev(d_rh) < 7.5
    assert 0.4 < statistics.fmean(abs(d) for d in d_temp) < 1.1
    assert 2.5 < statistics.fmean(abs(d) for d in d_rh) < 6.5


def test_same_seed_repeats_and_another_differs() -> None:
    truth = TentPhysics().truth()
    assert settled(4, truth) == settled(4, truth) != settled(5, truth)


def test_lag_follows_with_its_time_constant() -> None:
    tent = TentPhysics()
    sensors = SimulatedSensors(1, tent.params)
    before = sensors.read(0, tent.truth()).co2_ppm
    tent.truth().co2_ppm += 1_000.0
    after_60_s = sensors.read(60_000, tent.truth()).co2_ppm
    assert after_60_s - before == pytest.approx(632.0, abs=80.0), "63 % after one time constant of 60 s"
    assert sensors.read(600_000, tent.truth()).co2_ppm - before == pytest.approx(1_000.0, abs=90.0)


def test_probe_reads_its_water_content_within_tolerance_and_minds_temperature() -> None:
    tent = TentPhysics()
    errors, warm_shift = [], []
    for seed in range(40):
        sensors = SimulatedSensors(seed, tent.params)
        raw = sensors.read(0, tent.truth()).soil_raw[0]
        pct = 100.0 * (PROBE_DRY_RAW - raw) / (PROBE_DRY_RAW - PROBE_WET_RAW)
        errors.append(pct - 100.0 * tent.truth().theta_1)
        hot = Truth(21.0, 11.0, 450.0, 21.0, 31.0, tent.truth().theta_1, 0.4, 1_000.0)
        warm = SimulatedSensors(seed, tent.params).read(0, hot).soil_raw[0]
        warm_shift.append(raw - warm)
    assert max(map(abs, errors)) < 8.0 and statistics.pstdev(errors) > 0.5
    assert statistics.fmean(warm_shift) > 30, "capacitive probes read wetter when warm"


def test_an_unplugged_probe_reads_full_scale_and_a_stuck_one_stays() -> None:
    tent = TentPhysics()
    sensors = SimulatedSensors(1, tent.params)
    sensors.faults.probe_unplugged[0] = True
    sensors.faults.probe_stuck_raw[1] = 40_000
    readings = [sensors.read(t, tent.truth()).soil_raw for t in (0, 10_000, 20_000)]
    assert readings == [(65_535, 40_000)] * 3


def test_the_block_of_values_fits_the_channel() -> None:
    block = to_block(SimulatedSensors(1, TentParams()).read(0, TentPhysics().truth()))
    assert len(block) == len(VALUE_NAMES) == 16
    assert ANSWER.unpack(ANSWER.pack(0, 0, 0, 0, 0, 0, 1_234, *block))[6:] == (1_234, *block)
