"""The figures of a campaign, on courses whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from tomato_host.brain.control.evaluation import RunSeries, bootstrap_mean, evaluate_run, relative_change
from tomato_host.brain.control.targets import STAGES

BAND = STAGES["vegetative"]
N = 24 * 60


def course(**changes: object) -> RunSeries:
    base = {
        "light_hours": np.ones(N),
        "vpd_kpa": np.full(N, 1.0),
        "air_temp_c": np.full(N, 24.0),
        "driest_pct": np.full(N, 36.0),
        "water_ml": np.linspace(0.0, 800.0, N),
        "switches": np.arange(N) / 10.0,
    }
    return RunSeries(60.0, **{**base, **changes})  # type: ignore[arg-type]  # test tables of arrays


def test_a_good_day() -> None:
    found = evaluate_run(course(), BAND)
    assert (found.stress_h, found.vpd_in_band_h, found.water_ml) == (0.0, 24.0, 800.0)
    assert found.switches == pytest.approx((N - 1) / 10.0)


def test_stress_is_counted_once_however_many_causes() -> None:
    dry, hot, demand = np.full(N, 1.0), np.full(N, 24.0), np.full(N, 36.0)
    dry[:120], hot[60:180], demand[:60] = 1.6, 33.0, 20.0
    found = evaluate_run(course(vpd_kpa=dry, air_temp_c=hot, driest_pct=demand), BAND)
    assert (found.vpd_stress_h, found.temp_stress_h, found.soil_stress_h, found.stress_h) == (2.0, 2.0, 1.0, 3.0)


def test_other_definitions_are_counted_beside_the_first() -> None:
    damp, hot = np.full(N, 1.0), np.full(N, 24.0)
    damp[:120], damp[120:240], damp[240:360] = 0.65, 0.4, 0.2
    hot[600:660] = 30.5
    found = evaluate_run(course(vpd_kpa=damp, air_temp_c=hot), BAND)
    assert (found.stress_h, found.margin_stress_h, found.strict_stress_h) == (2.0, 5.0, 6.0)
    assert found.vpd_in_band_h == 18.0


def test_light_hours_in_band_and_the_longest_damp_time_are_counted_by_half_hours() -> None:
    light, vpd = np.ones(N), np.full(N, 1.0)
    light[: 8 * 60] = 0
    vpd[9 * 60 : 11 * 60] = 1.3
    damp = vpd.copy()
    damp[60:150], damp[600:630] = 0.3, 0.3  # 90 % at 24 degC: an hour and a half by night, half an hour by day
    found = evaluate_run(course(vpd_kpa=damp, light_hours=light), BAND)
    assert (found.lamp_h, found.lamp_in_band_h, found.damp_longest_h) == (16.0, 14.0, 1.5)
    assert evaluate_run(course(), BAND).damp_longest_h == 0.0


def test_the_definitions_hold_one_another() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        found = evaluate_run(
            course(vpd_kpa=rng.uniform(0.0, 2.0, N).repeat(1), light_hours=rng.integers(0, 2, N)), BAND
        )
        assert found.vpd_stress_h <= found.margin_stress_h <= found.strict_stress_h == 24.0 - found.vpd_in_band_h


def test_strokes_of_a_fan_are_no_stress() -> None:
    strokes = np.where(np.arange(N) % 10 < 5, 0.4, 1.5)
    assert evaluate_run(course(vpd_kpa=strokes), BAND).vpd_stress_h == 0.0


def test_night_has_its_own_band() -> None:
    found = evaluate_run(course(light_hours=np.zeros(N), vpd_kpa=np.full(N, 0.5)), BAND)
    assert found.vpd_in_band_h == 24.0 and found.stress_h == 0.0


def test_intervals() -> None:
    sure = bootstrap_mean(np.array([1.0, 1.1, 0.9, 1.0, 1.05]))
    assert sure.excludes_zero and sure.low <= sure.mean <= sure.high
    assert not bootstrap_mean(np.array([-1.0, 1.0, -1.0, 1.0])).excludes_zero
    halved = relative_change(np.array([5.0, 5.0, 4.0]), np.array([10.0, 10.0, 8.0]))
    assert halved.mean == pytest.approx(-0.5) and halved.excludes_zero
    assert relative_change(np.zeros(3), np.zeros(3)).mean == 0.0
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_mean(np.array([]))
    with pytest.raises(ValueError, match="paired"):
        relative_change(np.ones(2), np.ones(3))
