"""Humid air against steam tables, psychrolib and its own inverse."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import psychrolib
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.psychrometric_arrays import (
    leaf_vpd_array_kpa,
    rh_array_pct,
    saturation_array_kpa,
    vapour_array_kpa,
    vpd_array_kpa,
)
from tomato_host.brain.psychrometrics import (
    CURVES,
    HIGHEST_TEMP_C,
    LOWEST_TEMP_C,
    PLANNING_FORMULA,
    Formula,
    absolute_humidity_g_m3,
    dew_point_c,
    leaf_air_delta_c,
    leaf_vpd_kpa,
    saturation_pa,
    saturation_vapour_pressure_kpa,
    vapour_pressure_kpa,
    vpd_kpa,
)

from tests.fixtures.vpd_reference_cases import VPD_REFERENCE_CASES

FORMULAS: tuple[tuple[Formula, float], ...] = (("buck", 0.0006), ("magnus", 0.003), ("fao56", 0.0015))
"""Formula and what it may differ from steam tables, which themselves differ by 0.03 % from psychrolib (ASHRAE)."""
temps = st.floats(-40.0, 85.0)
humidities = st.floats(0.0, 100.0)
formulas = st.sampled_from([f for f, _ in FORMULAS])


@pytest.mark.parametrize(("formula", "tolerance"), FORMULAS)
def test_vpd_matches_reference_values(formula: Formula, tolerance: float) -> None:
    for case in VPD_REFERENCE_CASES:
        saturated = saturation_vapour_pressure_kpa(case.temp_c, formula)
        assert saturated == pytest.approx(case.saturation_kpa, rel=tolerance), case.note
        assert vpd_kpa(case.temp_c, case.rh_pct, formula) == pytest.approx(case.vpd_kpa, rel=tolerance, abs=1e-12)


@pytest.mark.parametrize(("formula", "claimed"), [("buck", 0.00022), ("magnus", 0.0029), ("fao56", 0.0012)])
def test_claimed_accuracy_against_psychrolib_between_0_and_45_degc(formula: Formula, claimed: float) -> None:
    psychrolib.SetUnitSystem(psychrolib.SI)
    worst = max(
        abs(saturation_vapour_pressure_kpa(t / 10.0, formula) / (psychrolib.GetSatVapPres(t / 10.0) / 1_000.0) - 1.0)
        for t in range(1, 451)
    )
    assert worst <= claimed


def test_vpd_handles_edge_cases() -> None:
    assert vpd_kpa(24.0, 100.0) == 0.0
    assert vpd_kpa(24.0, 0.0) == saturation_vapour_pressure_kpa(24.0)
    assert vpd_kpa(-40.0, 50.0) > 0.0
    assert vpd_kpa(85.0, 50.0) > 0.0
    for bad_temp in (math.nan, math.inf, -math.inf, -40.1, 85.1):
        with pytest.raises(ValueError, match="temperature"):
            vpd_kpa(bad_temp, 50.0)
    for bad_rh in (math.nan, math.inf, -0.1, 100.1):
        with pytest.raises(ValueError, match="relative humidity"):
            vpd_kpa(24.0, bad_rh)
    with pytest.raises(ValueError, match="no dew point"):
        dew_point_c(24.0, 0.0)
    with pytest.raises(ValueError, match="formula"):
        saturation_vapour_pressure_kpa(24.0, "tetens")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ValueError, match="finite"):
        leaf_air_delta_c(math.nan, 24.0)


@given(temps, humidities, formulas)
def test_vpd_lies_between_nothing_and_saturation(temp: float, rh: float, formula: Formula) -> None:
    saturated = saturation_vapour_pressure_kpa(temp, formula)
    deficit = vpd_kpa(temp, rh, formula)
    assert 0.0 <= deficit <= saturated
    assert deficit + vapour_pressure_kpa(temp, rh, formula) == pytest.approx(saturated, rel=1e-12)


@given(st.floats(-39.0, 84.0), humidities, formulas)
def test_warmer_air_of_the_same_humidity_is_thirstier(temp: float, rh: float, formula: Formula) -> None:
    assert vpd_kpa(temp + 1.0, rh, formula) >= vpd_kpa(temp, rh, formula)


@given(st.floats(-20.0, 85.0), st.floats(5.0, 100.0), formulas)
def test_dew_point_is_the_inverse_of_saturation(temp: float, rh: float, formula: Formula) -> None:
    dew = dew_point_c(temp, rh, formula)
    assert dew <= temp
    if dew >= -40.0:
        vapour = vapour_pressure_kpa(temp, rh, formula)
        assert saturation_vapour_pressure_kpa(dew, formula) == pytest.approx(vapour, rel=1e-9)


@given(st.floats(1.0, 45.0), st.floats(10.0, 100.0))
def test_dew_point_agrees_with_psychrolib(temp: float, rh: float) -> None:
    psychrolib.SetUnitSystem(psychrolib.SI)
    expected = psychrolib.GetTDewPointFromRelHum(temp, rh / 100.0)
    if expected > 0.0:  # below freezing psychrolib changes to ice, sensors do not
        assert dew_point_c(temp, rh) == pytest.approx(expected, abs=0.02)


def test_absolute_humidity_of_known_air() -> None:
    # Saturated air at 20 degC holds 17.3 g/m3, at 30 degC 30.4 g/m3 (any psychrometric chart).
    assert absolute_humidity_g_m3(20.0, 100.0) == pytest.approx(17.3, abs=0.05)
    assert absolute_humidity_g_m3(30.0, 100.0) == pytest.approx(30.4, abs=0.1)
    assert absolute_humidity_g_m3(20.0, 0.0) == 0.0


def test_leaf_minus_air_is_negative_for_a_cooling_leaf() -> None:
    assert leaf_air_delta_c(23.7, 24.3) == pytest.approx(-0.6)


@given(st.floats(0.0, 40.0), st.floats(0.0, 40.0), st.floats(0.0, 100.0))
def test_leaf_deficit_is_never_negative_and_grows_with_the_leaf(leaf: float, air: float, rh: float) -> None:
    deficit = leaf_vpd_kpa(leaf, air, rh)
    assert deficit >= 0.0
    assert leaf_vpd_kpa(leaf + 1.0, air, rh) >= deficit
    assert leaf_vpd_kpa(air, air, rh) == pytest.approx(vpd_kpa(air, rh), abs=1e-12)


@given(temps, humidities, formulas)
def test_arrays_and_scalars_are_one_formula(temp: float, rh: float, formula: Formula) -> None:
    array, one = np.array([temp, math.nan]), pytest.approx
    saturated = saturation_array_kpa(array, formula)
    assert saturated[0] == one(saturation_vapour_pressure_kpa(temp, formula), rel=1e-14)
    assert math.isnan(saturated[1])
    assert vapour_array_kpa(array, rh, formula)[0] == one(vapour_pressure_kpa(temp, rh, formula), rel=1e-14)
    assert vpd_array_kpa(array, rh, formula)[0] == one(vpd_kpa(temp, rh, formula), rel=1e-14)
    assert leaf_vpd_array_kpa(array, 24.0, rh, formula)[0] == one(leaf_vpd_kpa(temp, 24.0, rh, formula), abs=1e-12)
    assert rh_array_pct(array, vpd_array_kpa(array, rh, formula), formula)[0] == one(rh, abs=1e-9)


@given(temps)
def test_the_simulated_tent_uses_the_formula_of_the_measurements(temp: float) -> None:
    assert saturation_pa(temp) == pytest.approx(1_000.0 * saturation_vapour_pressure_kpa(temp, "buck"), rel=1e-14)


def test_planning_and_measuring_differ_by_no_more_than_is_claimed() -> None:
    temp = np.arange(0.0, 45.01, 0.1)
    assert (
        np.abs(saturation_array_kpa(temp, PLANNING_FORMULA) / saturation_array_kpa(temp, "buck") - 1.0).max() < 0.0011
    )


def test_coefficients_stand_in_one_file_only() -> None:
    # tools/fault_campaign.py has a formula of its own on purpose: it must share nothing with the detector.
    root = Path(__file__).resolve().parents[2]
    figures = {f"{value:g}" for curve in CURVES.values() for value in (curve.a_kpa, curve.c_k, curve.d_k) if value}
    figures |= {f"{value * scale:g}" for value in (0.61121, 0.61094, 0.6108) for scale in (10.0, 1_000.0)}
    pattern = re.compile(rf"(?<![\d.])({'|'.join(re.escape(figure) for figure in sorted(figures))})0*(?![\d.])")
    found = {
        str(file.relative_to(root))
        for folder in ("host", "firmware", "shared_schemas")
        for file in (root / folder).rglob("*.py")
        if pattern.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"host/tomato_host/brain/psychrometrics.py"}
    assert (LOWEST_TEMP_C, HIGHEST_TEMP_C) == (-40.0, 85.0)
