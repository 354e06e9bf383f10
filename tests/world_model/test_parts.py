"""The parts of the forecast by themselves: air formulas, regressions, weights, intervals, physics."""

from __future__ import annotations

from typing import Any

import numpy as np
import psychrolib
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.psychrometric_arrays import leaf_vpd_array_kpa, rh_array_pct, vpd_array_kpa
from tomato_host.brain.world_model.blend import OF_SOIL, WITHOUT_WEATHER, SkillBlend
from tomato_host.brain.world_model.bounded_rls import BoundedRls, Coefficient
from tomato_host.brain.world_model.conformal import ConformalInterval
from tomato_host.brain.world_model.daily_ridge import DailyRidge
from tomato_host.brain.world_model.data import RolloutInputs, RolloutStart
from tomato_host.brain.world_model.dynamics import CALM_MPS, TentDynamics, draught
from tomato_host.brain.world_model.reach import Reach
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.brain.world_model.stress import stress_risk

from shared_schemas.devices import PLAN_COLUMNS, PUMP

psychrolib.SetUnitSystem(psychrolib.SI)


@pytest.mark.parametrize(("temp", "rh"), [(5.0, 90.0), (18.0, 40.0), (24.0, 60.0), (36.0, 25.0)])
def test_vpd_agrees_with_an_independent_library(temp: float, rh: float) -> None:
    expected = (
        psychrolib.GetVaporPressureDeficit(
            temp, psychrolib.GetHumRatioFromRelHum(temp, rh / 100.0, 101_325.0), 101_325.0
        )
        / 1_000.0
    )
    assert float(vpd_array_kpa(temp, rh)) == pytest.approx(expected, rel=0.01)
    assert float(rh_array_pct(temp, vpd_array_kpa(temp, rh))) == pytest.approx(rh, abs=1e-6)


def test_a_leaf_as_warm_as_the_air_feels_the_air() -> None:
    assert float(leaf_vpd_array_kpa(24.0, 24.0, 60.0)) == pytest.approx(float(vpd_array_kpa(24.0, 60.0)))
    assert float(leaf_vpd_array_kpa(10.0, 24.0, 90.0)) == 0.0


def test_daily_teaching_equals_one_regression_over_everything() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(96, 2, 3)), rng.normal(size=(96, 2))
    ridge = DailyRidge(2, 3, forget=1.0, robust=1e9, ridges=(1e-9,))
    for day in range(4):
        ridge.update(x[day * 24 : day * 24 + 24], y[day * 24 : day * 24 + 24])
    for h in range(2):
        assert ridge.beta[0, h] == pytest.approx(np.linalg.lstsq(x[:, h], y[:, h], rcond=None)[0], abs=1e-6)


def test_one_wild_hour_does_not_rewrite_the_ridge() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(240, 1, 2))
    y = 2.0 * x[:, :, 0] + 0.1 * rng.normal(size=(240, 1))
    y[200, 0] += 500.0
    ridge = DailyRidge(1, 2, forget=1.0, robust=1.0, ridges=(1.0,))
    for day in range(10):
        ridge.update(x[day * 24 : day * 24 + 24], y[day * 24 : day * 24 + 24])
    assert ridge.beta[0, 0, 0] == pytest.approx(2.0, abs=0.2)


def test_a_ridge_taught_nothing_claims_nothing_and_nan_rows_do_not_teach() -> None:
    ridge = DailyRidge(1, 2, forget=1.0, robust=1.0, ridges=(1.0,))
    x = np.full((24, 1, 2), np.nan)
    ridge.update(x, np.ones((24, 1)))
    assert ridge.rows.sum() == 0.0
    assert np.isnan(ridge.predict(np.ones((1, 1, 2)))).all()


@pytest.mark.parametrize("hours", [1, 24])
def test_teaching_leaves_the_regressors_as_they_were(hours: int) -> None:
    """Several ridges look at the same rows; what one cannot use is unknown to the next as well."""
    x = np.ones((hours, 2, 3))
    x[0, 0, 1] = np.nan
    told = x.copy()
    DailyRidge(2, 3, forget=1.0, robust=1.0, ridges=(1.0,)).update(x, np.ones((hours, 2)))
    assert np.array_equal(x, told, equal_nan=True)


def test_coefficients_stay_within_their_bounds_and_find_the_truth_inside() -> None:
    rng = np.random.default_rng(3)
    law = (Coefficient("drying", -0.2, 0.5, -4.0, 0.0), Coefficient("water", 0.5, 0.5, 0.0, 8.0))
    found = BoundedRls(law, noise=0.1)
    for _ in range(20):
        x = rng.normal(size=(24, 2))
        found.update(x, x @ np.array([-0.7, -0.3]) + 0.05 * rng.normal(size=24))
    assert found.theta[1] == 0.0, "water must not dry"
    assert found.theta[0] == pytest.approx(-0.7, abs=0.15)


def test_the_loser_is_silent_and_equals_share() -> None:
    blend = SkillBlend(1, np.ones(3))
    rng = np.random.default_rng(4)
    for _ in range(5):
        truth = rng.normal(size=(24, 1))
        noise = rng.normal(size=(24, 1))
        blend.score(np.stack([truth + 0.1 * noise, truth - 0.1 * noise, truth + 3.0 * noise]), truth)
    weights = blend.weights()[:, 0]
    assert weights[2] < 1e-6
    assert weights[0] == pytest.approx(weights[1], rel=0.05)
    mixed = blend.combine(np.array([[[1.0]], [[np.nan]], [[9.0]]]), np.array([True, True, True]))
    assert mixed[0, 0] == pytest.approx(1.0, abs=1e-3)


def test_a_day_of_a_broken_probe_does_not_outvote_the_weeks_before() -> None:
    """The first expert has been better for a month; on one wild day the second is, by luck."""
    rng, blend = np.random.default_rng(4), SkillBlend(1, np.ones(2))
    for day in range(30):
        truth, noise = rng.normal(size=(24, 1)), rng.normal(size=(24, 1))
        wild = 60.0 if day == 29 else 0.0
        blend.score(np.stack([truth + 0.5 * noise + wild, truth + noise + 0.5 * wild]), truth)
    assert blend.weights()[0, 0] > 0.8
    for _ in range(12):
        truth, noise = rng.normal(size=(24, 1)), rng.normal(size=(24, 1))
        blend.score(np.stack([truth + 0.5 * noise + 60.0, truth + noise + 30.0]), truth)
    assert blend.weights()[0, 0] < 0.2, "what stays is no accident"


def test_a_ridge_stays_within_reach_of_what_was_before() -> None:
    reach, rng = Reach(1), np.random.default_rng(1)
    now, same = np.full((1, 1), 80.0), np.full((1, 1), 30.0)
    assert [bound.item() for bound in reach.bounds(now, same)[0]] == [-np.inf, np.inf], "nothing is known yet"
    for _ in range(20):
        before = rng.normal(size=(24, 1))
        reach.score(before + 1.0, before, before - 5.0)
    assert reach.usual() == pytest.approx([1.0])
    plain, with_weather = reach.bounds(now, same)
    assert (plain[0].item(), plain[1].item()) == pytest.approx((27.0, 83.0))
    assert with_weather[1].item() == pytest.approx(86.0), "the weather may bring a new day"
    reach.score(np.full((24, 1), 90.0), np.full((24, 1), 30.0), np.full((24, 1), 30.0))
    assert reach.usual()[0] < 1.2, "one jump does not permit the next"


@pytest.mark.parametrize("beyond", [3, 20])
def test_few_futures_take_floats_and_many_take_arrays_to_the_same_bits(beyond: int) -> None:
    """Each future of a large batch equals that future alone, unknown and impossible hours included."""
    rng = np.random.default_rng(3)
    dynamics = TentDynamics(("soil.P1", "soil.P2"))
    plans = rng.uniform(0.0, 1.0, (beyond, 36, len(PLAN_COLUMNS))) * np.where(
        np.array(PLAN_COLUMNS) == PUMP.column, 300.0, 1.0
    )
    names = ("out_temp_c", "out_vapour_kpa", "out_solar_wm2", "out_wind_mps")
    weather = {name: rng.normal(15.0, 9.0, (beyond, 36)) for name in names}
    weather["out_temp_c"][0, 5] = np.nan
    weather["out_temp_c"][1, 7] = 1e3
    temp, vapour = rng.normal(24.0, 3.0, beyond), rng.uniform(0.5, 3.0, beyond)
    soil, water = rng.uniform(5.0, 60.0, (2, beyond)), rng.uniform(0.0, 99.0, beyond)
    soil[0, 2] = np.nan
    for law in dynamics.soil:
        law.law.theta[-1] = 30.0  # a capacity: fresh water drains
    every = dynamics.roll(RolloutStart(temp, vapour, soil, water), RolloutInputs(plans, **weather))
    for k in range(beyond):
        one = slice(k, k + 1)
        start = RolloutStart(temp[one], vapour[one], soil[:, one], water[one])
        alone = dynamics.roll(start, RolloutInputs(plans[one], **{name: value[one] for name, value in weather.items()}))
        for name, value in alone.items():
            np.testing.assert_array_equal(value, every[name][..., one, :], f"{name} of future {k}")


def test_no_plans_give_no_courses() -> None:
    """A search that has nothing left to combine asks for the courses of nothing."""
    dynamics, plans = TentDynamics(("soil.P1",)), np.zeros((0, 24, len(PLAN_COLUMNS)))
    weather = {name: np.zeros((0, 24)) for name in ("out_temp_c", "out_vapour_kpa", "out_solar_wm2", "out_wind_mps")}
    nothing = RolloutStart(np.zeros(0), np.zeros(0), np.zeros((1, 0)), np.zeros(0))
    inputs = RolloutInputs(plans, **weather)
    courses = dynamics.roll(nothing, inputs)
    assert {name: np.shape(course)[-2:] for name, course in courses.items()} == dict.fromkeys(courses, (0, 24))
    air = dynamics.roll_air(RolloutStart(np.float64(24.0), np.float64(1.2), np.zeros((1, 1)), np.float64(0.0)), inputs)
    assert [course.shape for course in air] == [(0, 24), (0, 24)], "one present, no future"


def _damp_nights(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A day of deficits in kPa: nights near saturation, and what was forecast of them."""
    mean = np.where(np.arange(24) < 12, 0.05, 1.0)[:, None]
    return mean, np.maximum(mean + rng.normal(size=(24, 1)) * np.where(mean < 0.5, 0.08, 0.3), 0.001)


def test_an_interval_that_cannot_be_missed_below_covers_as_much_as_another() -> None:
    rng, interval = np.random.default_rng(8), ConformalInterval(np.array([1]), 0.3, (0.0, 12.0))
    hour, column = np.arange(24)[:, None], np.zeros((24, 1), dtype=np.int64)
    hits = []
    for day in range(160):
        mean, truth = _damp_nights(rng)
        low, high = interval.around(mean, hour, column)
        assert (low >= 0.0).all() and (low <= mean).all() and (mean <= high).all()
        if day > 30:
            hits.append((truth >= low) & (truth <= high))
        interval.update(mean, low, high, truth, hour)
    nights, days = np.mean(hits, axis=0)[:12].mean(), np.mean(hits, axis=0)[12:].mean()
    assert 0.77 <= nights <= 0.84 and 0.77 <= days <= 0.84, (nights, days)


def test_what_a_stuck_probe_did_not_miss_is_owed_for_hours_only() -> None:
    rng, interval = np.random.default_rng(3), ConformalInterval(np.array([1]), 1.0)
    hour, column = np.arange(24)[:, None], np.zeros((24, 1), dtype=np.int64)
    mean, covered = np.zeros((24, 1)), []
    for day in range(60):
        noise = rng.normal(size=(24, 1)) * (0.0 if 40 <= day < 50 else 1.0)
        low, high = interval.around(mean, hour, column)
        assert (low <= mean).all() and (mean <= high).all()
        interval.update(mean, low, high, noise, hour)
        covered.append(np.mean((noise >= low) & (noise <= high)))
    assert covered[40:50] == [1.0] * 10
    assert covered[50] < 0.2 and np.mean(covered[53:]) > 0.7, covered[50:]


_NOISE = {
    "normal": lambda rng, day: rng.normal(size=(24, 2)),
    "laplace": lambda rng, day: rng.laplace(size=(24, 2)),
    "skewed": lambda rng, day: rng.exponential(size=(24, 2)) - 1.0,
    "growing": lambda rng, day: rng.normal(size=(24, 2)) * (1.0 + day / 20.0),
}


@pytest.mark.parametrize("spread", ["normal", "laplace", "skewed", "growing"])
def test_intervals_cover_what_they_promise_whatever_the_noise(spread: str) -> None:
    rng = np.random.default_rng(5)
    interval = ConformalInterval(np.array([1, 24]), first_guess=1.0)
    hour = np.broadcast_to(np.arange(24)[:, None], (24, 2))
    column = np.broadcast_to(np.arange(2), (24, 2))
    hits = []
    for day in range(120):
        noise = _NOISE[spread](rng, day)
        mean = np.zeros((24, 2))
        low, high = interval.around(mean, hour, column)
        if day > 20:
            hits.append((noise >= low) & (noise <= high))
        interval.update(mean, low, high, noise, hour)
    assert 0.77 <= np.mean(hits) <= 0.83


def test_a_log_of_three_weeks_gets_to_its_coverage() -> None:
    """Residuals are three times what they were when the intervals began: a wrong first guess must not last."""
    hour = np.broadcast_to(np.arange(24)[:, None], (24, 1))
    column = np.zeros((24, 1), dtype=np.int64)
    hits = []
    for seed in range(40):
        rng, interval = np.random.default_rng(seed), ConformalInterval(np.array([1]), first_guess=0.1)
        for day in range(23):
            noise = rng.standard_t(3, size=(24, 1)) * (1.0 + 2.0 * (day > 8))
            low, high = interval.around(np.zeros((24, 1)), hour, column)
            if day > 8:
                hits.append((noise >= low) & (noise <= high))
            interval.update(np.zeros((24, 1)), low, high, noise, hour)
    assert 0.77 <= np.mean(hits) <= 0.83, np.mean(hits)


def _coverage_and_width(horizon_h: int, seed: int) -> tuple[float, float]:
    """Of forecasts whose truth is known a horizon later, when calm and wild spells of days follow each other."""
    rng, interval = np.random.default_rng(seed), ConformalInterval(np.array([horizon_h]), first_guess=1.0)
    hour, column, mean = np.arange(24)[:, None], np.zeros((24, 1), dtype=np.int64), np.zeros((24, 1))
    waiting, hits, widths, spell = [], [], [], 0.0
    for day in range(90):
        spell = 0.7 * spell + rng.normal(0.0, 0.5)
        low, high = interval.around(mean, hour, column)
        waiting.append((low, high, np.exp(spell) * rng.normal(size=(24, 1))))
        if day > 20:
            widths.append((high - low).mean())
            hits.append(((waiting[-1][2] >= low) & (waiting[-1][2] <= high)).mean())
        if len(waiting) > horizon_h // 24:
            interval.update(mean, *waiting.pop(0), hour)
    return float(np.mean(hits)), float(np.mean(widths))


def test_intervals_whose_truth_comes_late_are_not_wider_for_it() -> None:
    """What is issued until a miss is known is missed for the same reason; answering each miss in full overshot."""
    (near, near_width), (far, far_width) = (
        np.mean([_coverage_and_width(horizon, seed) for seed in range(40)], axis=0) for horizon in (1, 48)
    )
    assert 0.78 <= near <= 0.82 and 0.78 <= far <= 0.82, (near, far)
    assert far_width <= 1.1 * near_width, (near_width, far_width)


def _drivers(plans: np.ndarray, wind: float = 3.0) -> RolloutInputs:
    hours = plans.shape[1]
    return RolloutInputs(plans, np.full(hours, 18.0), np.full(hours, 1.1), np.full(hours, 300.0), np.full(hours, wind))


@settings(max_examples=40, deadline=None)
@given(start=st.floats(2.0, 60.0), ml=st.floats(0.0, 250.0), hour=st.integers(0, 35), light=st.floats(0.0, 1.0))
def test_an_untrained_core_is_finite_bounded_and_never_dried_by_water(
    start: float, ml: float, hour: int, light: float
) -> None:
    core = TentDynamics(("soil.P1",))
    plans = np.zeros((2, 36, len(PLAN_COLUMNS)))
    plans[:, :, 1] = light
    plans[1, hour, 0] = ml
    rolled = core.roll(RolloutStart(22.0, 1.5, np.array([start])), _drivers(plans))
    for values in rolled.values():
        assert np.isfinite(values).all()
    soil = rolled["soil"][0]
    assert (soil >= 0.0).all() and (soil <= 100.0).all()
    assert (soil[1] >= soil[0] - 1e-9).all()


def test_storm_dries_the_air_and_a_breeze_does_not() -> None:
    core = TentDynamics(())
    plans = np.zeros((1, 6, len(PLAN_COLUMNS)))
    plans[:, :, 1] = 1.0
    start = RolloutStart(24.0, 1.8, np.zeros((0, 1)))
    breeze, storm = (core.roll(start, _drivers(plans, wind))["vpd_kpa"] for wind in (5.0, 34.0))
    assert (storm[0, 1:] > breeze[0, 1:]).all()
    assert float(draught(np.array([CALM_MPS]))[0]) == 0.0


def test_stress_rises_with_each_of_its_causes_and_unknown_causes_do_not_count() -> None:
    calm: dict[str, Any] = {
        "vpd_kpa": np.array([1.0]),
        "leaf_vpd_kpa": np.array([1.0]),
        "driest_pct": np.array([35.0]),
        "drop_pct_h": np.array([0.3]),
        "settings": WorldModelSettings(),
    }
    base = float(stress_risk(**calm)[0])
    assert base < 0.1
    for name, worse in (("vpd_kpa", 2.0), ("leaf_vpd_kpa", 3.0), ("driest_pct", 15.0), ("drop_pct_h", 3.0)):
        assert float(stress_risk(**{**calm, name: np.array([worse])})[0]) > 0.6
    assert float(stress_risk(**calm, draught=0.4)[0]) > 0.5
    assert np.isfinite(stress_risk(**{**calm, "driest_pct": np.array([np.nan])})).all()


def test_in_the_next_hours_the_best_expert_of_a_pot_is_not_outvoted() -> None:
    rng, near = np.random.default_rng(2), np.array([True, False])
    pot, plain = (SkillBlend(2, np.ones(5), settings, near) for settings in (OF_SOIL, WITHOUT_WEATHER))
    for _ in range(10):
        truth, noise = rng.normal(size=(24, 2)), rng.normal(size=(24, 2))
        errors = [noise, *(1.3 * noise for _ in range(4))]
        for blend in (pot, plain):
            blend.score(np.stack([truth + error for error in errors]), truth)
    best = pot.weights()[0]
    assert best[0] > 0.9 and best[1] < 0.75, best
    assert plain.weights()[0, 0] == pytest.approx(plain.weights()[0, 1])
