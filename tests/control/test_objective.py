"""Each term of the objective: unit-free, bounded, and pulling the right way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tomato_host.brain.control.plan_columns import DOSE_K, GAS_K, LAMP_K, VENT_K
from tomato_host.brain.control.planner.objective import (
    HARM,
    MAX_STRESS,
    NEAR_HARM,
    WEAR_IN_HARM,
    Expected,
    HorizonTargets,
    Weights,
    action_churn,
    beyond,
    hourly,
    judge,
    outside,
    resource_use,
    stress,
    wear_price,
    yield_proxy,
)

Array = NDArray[np.float64]
H = 4
TARGETS = HorizonTargets(
    np.ones(H), np.full(H, 0.7), np.full(H, 1.2), np.full(H, 20.0), np.full(H, 27.0), 30.0, 48.0, 0.0, 90.0, 20.0
)


def expected(vpd: float = 1.0, air: float = 24.0, soil: float = 36.0, spread: float = 0.0) -> Expected:
    band = (np.full(H, -spread), np.full(H, spread))
    return Expected(
        {"vpd_kpa": np.full((1, H), vpd), "air_temp_c": np.full((1, H), air)},
        np.full((1, H), soil),
        np.full((1, H), soil),
        {"vpd_kpa": band},
    )


def plan(**columns: float) -> Array:
    made = np.zeros((1, H, 7))
    for name, value in columns.items():
        made[:, :, {"water": DOSE_K, "light": LAMP_K, "exhaust": VENT_K, "co2": GAS_K}[name]] = value
    return made


def test_a_perfect_hour_has_no_stress() -> None:
    assert stress(TARGETS, expected(), plan())[0] == 0.0


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("vpd", (1.2, 1.4, 1.8, 2.4)),
        ("vpd", (0.7, 0.5, 0.2, 0.0)),
        ("air", (27.0, 29.0, 33.0, 38.0)),
        ("air", (20.0, 18.0, 14.0, 8.0)),
        ("soil", (30.0, 28.0, 25.0, 20.0)),
        ("soil", (48.0, 50.0, 53.0, 60.0)),
    ],
)
def test_stress_grows_with_distance_and_is_bounded(name: str, values: tuple[float, ...]) -> None:
    found = [float(stress(TARGETS, expected(**{name: value}), plan())[0]) for value in values]
    assert found[0] == 0.0 and found == sorted(found) and found[1] > 0.0 and found[-1] <= MAX_STRESS


def test_uncertainty_pushes_away_from_an_edge() -> None:
    near = [float(stress(TARGETS, expected(vpd=1.15, spread=s), plan())[0]) for s in (0.0, 0.1, 0.3)]
    middle = [float(stress(TARGETS, expected(vpd=0.95, spread=s), plan())[0]) for s in (0.0, 0.1, 0.2)]
    assert near == sorted(near) and near[-1] > near[0] == 0.0 and middle == [0.0, 0.0, 0.0]


def test_yield_wants_light_air_water_and_gas() -> None:
    best = yield_proxy(TARGETS, expected(), plan(light=1.0))[0]
    assert best == pytest.approx(1.0)
    assert yield_proxy(TARGETS, expected(), plan())[0] == 0.0
    assert yield_proxy(TARGETS, expected(vpd=2.0), plan(light=1.0))[0] < best
    assert yield_proxy(TARGETS, expected(soil=24.0), plan(light=1.0))[0] == 0.0
    assert best < yield_proxy(TARGETS, expected(), plan(light=1.0, co2=20.0))[0] <= 1.2


def test_use_is_in_shares_of_the_budget() -> None:
    assert resource_use(TARGETS, plan(water=90.0))[0] == pytest.approx(0.5)
    assert resource_use(TARGETS, plan(co2=20.0))[0] == pytest.approx(0.25)


def test_churn_counts_strokes() -> None:
    off, steady = np.zeros(7), plan(exhaust=1.0)
    assert action_churn(steady, np.array([0, 0, 0, 1.0, 0, 0, 0]))[0] == 0.0
    assert action_churn(steady, off)[0] == pytest.approx(1.0 / H)
    assert action_churn(plan(exhaust=0.5), np.array([0, 0, 0, 0.5, 0, 0, 0]))[0] == pytest.approx(4.0), (
        "a stroke each half hour, on and off"
    )
    flicker = plan()
    flicker[0, ::2, VENT_K] = 1.0
    assert action_churn(flicker, off)[0] > action_churn(steady, off)[0]


def test_wear_costs_a_third_where_the_air_is_beyond_harm() -> None:
    """Stress grows by its logarithm there: wear at its full price would give up mist in the driest air."""
    line = (np.full(H, 0.3), np.full(H, 1.4))
    aim = replace(TARGETS, vpd_harm=(line, line), air_harm=((np.full(H, 12.3), np.full(H, 31.7)),))
    right, dry, hot = (wear_price(aim, seen) for seen in (expected(), expected(vpd=2.0), expected(air=36.0)))
    assert np.allclose(right, 1.0) and np.allclose(dry, WEAR_IN_HARM) and np.allclose(hot, WEAR_IN_HARM)
    assert np.allclose(wear_price(TARGETS, expected(vpd=2.0)), 1.0), "no line of harm is known"
    half, before = plan(exhaust=0.5), np.array([0, 0, 0, 0.5, 0, 0, 0])
    assert action_churn(half, before, dry)[0] == pytest.approx(action_churn(half, before)[0] / 3.0)
    weights = Weights()
    whole, bare = (judge(aim, expected(vpd=2.0), each, before, weights) for each in (half, plan(exhaust=1.0)))
    assert whole.action_churn[0] < 1.5 and bare.action_churn[0] < whole.action_churn[0]


def test_the_sum_is_the_sum() -> None:
    weights = Weights(1.0, 2.0, 0.5, 0.25)
    terms = judge(TARGETS, expected(vpd=1.5), plan(light=1.0, water=45.0, exhaust=0.5), np.zeros(7), weights)
    assert terms.j[0] == pytest.approx(
        terms.yield_proxy[0] - 2.0 * terms.stress[0] - 0.5 * terms.resource_use[0] - 0.25 * terms.action_churn[0]
    )


def test_cold_roots_want_heat() -> None:
    cold = replace(TARGETS, soil_temp_short=3.0)
    warm = plan()
    warm[:, :, 5] = 0.6
    assert stress(cold, expected(), plan())[0] > stress(cold, expected(), warm)[0]


def test_outside_is_bounded() -> None:
    value = outside(np.array([-100.0, 0.5, 100.0]), np.array([0.0]), np.array([1.0]), 0.3)
    assert list(value) == [MAX_STRESS, 0.0, MAX_STRESS]


def test_what_cannot_reach_the_band_still_tries_to_come_near() -> None:
    far = outside(np.array([1.3, 1.6, 2.2, 3.0]), np.array([0.0]), np.array([1.0]), 0.3)
    assert list(far) == sorted(far) and far[0] == pytest.approx(1.0) and len(set(far)) == 4


def test_a_line_of_harm_is_a_step_with_a_ramp() -> None:
    low, high = np.array([0.3]), np.array([1.4])
    crossed = beyond(np.array([0.2, 0.3, 0.4, 1.0, 1.4, 1.5]), low, high, 0.1)
    assert crossed == pytest.approx([1.0, 0.5, 0.0, 0.0, 0.5, 1.0])
    lines = ((np.full(H, 0.5), np.full(H, 1.4)), (np.full(H, 0.3), np.full(H, 1.4)))
    harmed = replace(TARGETS, vpd_harm=lines)
    near, worse = (
        stress(harmed, expected(vpd=v), plan())[0] - stress(TARGETS, expected(vpd=v), plan())[0] for v in (0.42, 0.2)
    )
    assert near == pytest.approx(NEAR_HARM) and worse == pytest.approx(NEAR_HARM + HARM)


def test_hours_with_steady_duties_add_up_to_the_plan() -> None:
    """What `hourly` leaves out is what passes from hour to hour and what light and water bring."""
    weights, steady = Weights(), plan(exhaust=0.5)
    terms = judge(TARGETS, expected(vpd=1.5), steady, steady[0, 0], weights)
    each = hourly(TARGETS, expected(vpd=1.5), steady, weights)
    assert each.shape == (1, H)
    assert each.mean() == pytest.approx(-3.0 * terms.stress[0] - weights.smooth * terms.action_churn[0])


def test_lines_of_harm_are_judged_by_what_the_plants_feel_and_the_aim_is_not() -> None:
    """1.25 kPa by a sensor that may read 0.3 too moist: past the line of 1.4 in a quarter of the cases."""
    lines = ((np.full(H, 0.5), np.full(H, 1.4)), (np.full(H, 0.3), np.full(H, 1.4)))
    aim = replace(TARGETS, vpd_high=np.full(H, 1.3), vpd_harm=lines)
    sure = expected(vpd=1.25)
    felt = replace(sure, felt={"vpd_kpa": (np.full(H, -0.3), np.full(H, 0.3))})
    assert stress(aim, sure, plan())[0] == 0.0
    assert stress(aim, felt, plan())[0] == pytest.approx(0.25 * (NEAR_HARM + HARM))
