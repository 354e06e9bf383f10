"""Lux to photons and the daily light integral."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.estimator.light_integral import LUX_PER_UMOL, DailyLightIntegral, ppfd_umol_m2_s
from tomato_host.brain.estimator.settings import EstimatorSettings


def test_full_sun_is_about_two_thousand_umol() -> None:
    assert ppfd_umol_m2_s(108_000.0, LUX_PER_UMOL["sun"]) == pytest.approx(2_000.0)
    assert ppfd_umol_m2_s(0.0, 54.0) == 0.0


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_light_that_cannot_be_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="illuminance"):
        ppfd_umol_m2_s(bad, 54.0)


def test_own_calibration_wins_over_the_table() -> None:
    assert EstimatorSettings(lamp="red_blue_led").umol_divisor_lux == 20.0
    assert EstimatorSettings(lamp="red_blue_led", lux_per_umol=33.0).umol_divisor_lux == 33.0


def test_sixteen_hours_of_500_umol_are_28_8_mol() -> None:
    integral = DailyLightIntegral(lux_per_umol=1.0)
    for i in range(16 * 60 + 1):
        integral.update(i * 60.0, 500.0)
    assert integral.mol_m2 == pytest.approx(28.8)


@given(st.lists(st.tuples(st.floats(1.0, 2_000.0), st.floats(0.0, 1e5)), min_size=2, max_size=40))
def test_integral_lies_between_its_darkest_and_brightest(samples: list[tuple[float, float]]) -> None:
    integral = DailyLightIntegral(lux_per_umol=50.0)
    t_s = 0.0
    integral.update(t_s, samples[0][1])
    for gap, lux in samples[1:]:
        t_s += gap
        integral.update(t_s, lux)
    levels = [lux / 50.0 for _, lux in samples]
    assert min(levels) * t_s / 1e6 - 1e-9 <= integral.mol_m2 <= max(levels) * t_s / 1e6 + 1e-9


def test_long_gap_adds_nothing() -> None:
    integral = DailyLightIntegral(lux_per_umol=1.0)
    integral.update(0.0, 500.0)
    integral.update(7_200.0, 500.0)
    assert integral.mol_m2 == 0.0
