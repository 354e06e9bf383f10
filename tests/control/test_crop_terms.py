"""What the crop's own terms ask of a plan: each is silent inside its limits, bounded, and pulls the right way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tomato_host.brain.control import ControlSettings, DecisionContext
from tomato_host.brain.control.crop_limits import CROP_LIMITS, fruit_lag_s
from tomato_host.brain.control.planner import crop_horizon, crop_terms, mpc
from tomato_host.brain.control.planner.crop_terms import CROP_TERMS, CropAim, CropCourse, crop_costs
from tomato_host.brain.control.settings import Stage
from tomato_host.brain.control.targets import STAGES
from tomato_host.brain.psychrometric_arrays import dew_point_array_c, vpd_array_kpa
from tomato_host.brain.psychrometrics import dew_point_c

from tests.control.states import MIDNIGHT, NOON, state

Array = NDArray[np.float64]
H = 24
LIGHT = np.array([0.0] * 6 + [1.0] * 14 + [0.0] * 4)
AGE = np.where(LIGHT > 0.0, np.arange(H) - 6.0 + 0.5, -1.0)
STAGE_NAMES: tuple[Stage, ...] = ("seedling", "vegetative", "flowering", "fruiting")
GOOD_AIR = np.where(LIGHT > 0.0, 23.0, 18.0)
GOOD_AIR[6] = 19.0  # the morning comes gently


def course(stage: Stage = "fruiting", air: Any = GOOD_AIR, rh: Any = 65.0, soil: Any = 38.0, **more: Any) -> CropCourse:
    air = np.broadcast_to(np.asarray(air, dtype=float), (1, H)).copy()
    vpd = vpd_array_kpa(air, np.broadcast_to(np.asarray(rh, dtype=float), (1, H)))
    aim = replace(CropAim(CROP_LIMITS[stage], LIGHT, AGE, None, None, None), **more)
    return CropCourse(aim, air, vpd, np.broadcast_to(np.asarray(soil, dtype=float), (1, H)).copy())


@pytest.mark.parametrize("stage", STAGE_NAMES)
def test_a_good_day_costs_nothing_in_any_stage(stage: Stage) -> None:
    for name, cost in crop_costs(course(stage)).items():
        assert cost.shape == (1, H) and not cost.any(), name


def test_every_stage_has_limits_and_every_term_a_source_and_a_weight() -> None:
    assert list(CROP_LIMITS) == list(STAGES)
    assert len({term.name for term in CROP_TERMS}) == len(CROP_TERMS)
    for term in CROP_TERMS:
        assert term.source and 0.0 < term.weight < 1.0, "stress by the bands comes first"
        assert any(term.applies(limits) for limits in CROP_LIMITS.values())
    assert set(crop_costs(course("seedling"))) == {"dew on leaves", "grey mould", "day and night"}
    assert set(crop_costs(course("fruiting"))) == {term.name for term in CROP_TERMS}


@given(
    st.sampled_from(STAGE_NAMES),
    st.lists(st.floats(-5.0, 50.0), min_size=H, max_size=H),
    st.lists(st.floats(0.0, 100.0), min_size=H, max_size=H),
    st.lists(st.floats(0.0, 80.0), min_size=H, max_size=H),
)
def test_whatever_is_forecast_each_hour_of_each_term_is_bounded(
    stage: Stage, air: list[float], rh: list[float], soil: list[float]
) -> None:
    for name, cost in crop_costs(course(stage, air, rh, soil)).items():
        assert np.isfinite(cost).all() and (cost >= 0.0).all() and (cost <= crop_terms.MOST + 1e-9).all(), name


@given(st.floats(-10.0, 45.0), st.floats(1.0, 100.0))
def test_the_dew_point_of_arrays_is_that_of_scalars(air: float, rh: float) -> None:
    assert float(dew_point_array_c(air, rh)) == pytest.approx(dew_point_c(air, rh, "fao56"), abs=1e-9)
    with pytest.raises(ValueError, match="buck"):
        dew_point_array_c(air, rh, "buck")


@given(st.floats(5.0, 120.0), st.floats(0.0, 40.0), st.floats(0.0, 40.0))
def test_a_fruit_follows_the_air_without_passing_it_and_larger_ones_later(mm: float, start: float, air: float) -> None:
    steady = np.full((1, 12), air)
    small, large = (crop_terms.fruit_course_c(steady, fruit_lag_s(d), start)[0] for d in (mm, 2.0 * mm))
    assert (np.abs(np.diff(np.concatenate([[start], small]) - air)) >= -1e-9).all()
    assert (np.abs(small - air) <= abs(start - air) + 1e-9).all() and (
        np.sign(air - small) * (air - start) >= 0.0
    ).all()
    assert (np.abs(small - air) <= np.abs(large - air) + 1e-9).all()


def test_a_round_tomato_lags_by_more_than_an_hour() -> None:
    assert fruit_lag_s(60.0) == pytest.approx(1.2 * 3_600.0, rel=0.02)
    with pytest.raises(ValueError, match="diameter"):
        fruit_lag_s(0.0)


def test_a_fast_damp_morning_wets_the_fruit_and_a_slow_or_dry_one_does_not() -> None:
    fast, slow = np.where(LIGHT > 0.0, 26.0, 15.0), np.full(H, 15.0)
    slow[6:20] = np.minimum(15.0 + 1.2 * np.arange(1, 15), 26.0)
    damp = crop_costs(course(air=fast, rh=85.0))
    assert damp["dew on fruit"][0, 6] > 1.0 and damp["morning ramp"][0, 6] > 0.5
    assert damp["dew on fruit"][0, 19] == 0.0, "by the evening the fruit is as warm as the air"
    gentle, dry = crop_costs(course(air=slow, rh=85.0)), crop_costs(course(air=fast, rh=45.0))
    assert gentle["dew on fruit"].sum() < 0.2 * damp["dew on fruit"].sum()
    assert not gentle["morning ramp"].any()
    assert not dry["dew on fruit"].any() and dry["morning ramp"].sum() < 0.5 * damp["morning ramp"].sum()


@given(st.floats(0.0, 15.0), st.floats(60.0, 99.0))
def test_a_colder_fruit_is_never_drier(colder: float, rh: float) -> None:
    warm, cold = (crop_costs(course(rh=rh, fruit_c=18.0 - k))["dew on fruit"].sum() for k in (0.0, colder))
    assert cold >= warm - 1e-9


def test_leaves_get_wet_in_the_dark_only() -> None:
    wet = crop_costs(course("vegetative", rh=99.0))["dew on leaves"][0]
    assert (wet[LIGHT == 0.0] > 0.0).all() and not wet[LIGHT > 0.0].any()


def test_damp_air_costs_by_day_and_night_and_most_where_the_deficit_hides_it() -> None:
    """0.3 kPa is 90 % at 24 degC and 79 % at 12 degC: a tent that is aired in the cold is dry enough for leaves."""
    assert not crop_costs(course("vegetative", rh=81.0))["grey mould"].any()
    edge, wet = (crop_costs(course("vegetative", rh=rh))["grey mould"] for rh in (85.0, 93.0))
    assert edge == pytest.approx(np.ones((1, H))) and wet == pytest.approx(np.full((1, H), crop_terms.MOST))
    aim = CropAim(CROP_LIMITS["vegetative"], LIGHT, AGE, None, None, None)
    still, soil = np.full((1, H), 0.3), np.full((1, H), 38.0)
    closed, aired = (CropCourse(aim, np.full((1, H), air), still, soil) for air in (24.0, 12.0))
    assert crop_costs(closed)["grey mould"].all() and not crop_costs(aired)["grey mould"].any()


@pytest.mark.parametrize(("night", "wrong"), [(24.0, True), (19.0, False), (11.0, True)])
def test_nights_are_cooler_than_days_but_not_by_much(night: float, wrong: bool) -> None:
    cost = crop_costs(course(air=np.where(LIGHT > 0.0, 23.0, night)))["day and night"]
    assert bool(cost.any()) == wrong and len(np.unique(cost)) == 1


def test_flowers_mind_the_hours_in_which_they_shed_pollen_and_no_other() -> None:
    shedding = (AGE >= 3.0) & (AGE < 9.0)
    for air, rh in ((31.0, 65.0), (14.0, 65.0), (23.0, 95.0), (23.0, 30.0)):
        cost = crop_costs(course("flowering", air=np.full(H, air), rh=rh))["pollination"][0]
        assert (cost[shedding] > 0.0).all() and not cost[~shedding].any()


def test_calcium_fails_in_dry_air_by_day_and_when_the_soil_swings() -> None:
    dry_air = crop_costs(course(rh=35.0))["blossom-end rot"][0]
    assert (dry_air[LIGHT > 0.0] > 0.0).all() and not dry_air[LIGHT == 0.0].any()
    falling = np.linspace(42.0, 26.0, H)
    swing = crop_costs(course(soil=falling))["blossom-end rot"][0]
    assert (np.diff(swing) >= 0.0).all() and swing[-1] > 0.5 and swing[0] == 0.0
    rhythm = np.where(np.arange(H) % 4 < 2, 38.0, 34.0)
    assert not crop_costs(course(soil=rhythm))["blossom-end rot"].any(), "small doses, small swings"
    remembered = crop_costs(course(soil=29.0, soil_high_before_pct=45.0))["blossom-end rot"]
    assert remembered.any(), "what has dried since yesterday counts"


@given(st.floats(24.0, 44.0), st.floats(0.0, 6.0))
def test_more_heat_never_costs_less(air: float, more: float) -> None:
    cool, hot = (crop_costs(course("flowering", air=np.full(H, a)))["heat delay"].sum() for a in (air, air + more))
    assert hot >= cool


def test_a_warm_mean_costs_though_no_hour_is_hot() -> None:
    assert crop_costs(course(air=np.full(H, 27.0)))["heat delay"].all()


def test_a_term_decides_where_another_plan_would_be_best_without_it() -> None:
    j, none = np.array([1.0, 0.9]), np.zeros(2)
    costs = {"dew on fruit": np.array([0.0, 0.5]), "pollination": none}
    assert crop_terms.deciding(j, costs, 3.0) == ("dew on fruit",)
    assert crop_terms.deciding(j, {"dew on fruit": np.array([0.0, 0.01])}, 3.0) == ()
    assert crop_terms.deciding(j[:1], {"dew on fruit": none[:1]}, 3.0) == ()
    both = {"dew on fruit": np.array([0.0, 0.05]), "morning ramp": np.array([0.0, 0.1]), "pollination": none}
    assert crop_terms.deciding(np.array([1.0, 0.95]), both, 3.0) == ("dew on fruit", "morning ramp"), "only together"


def test_what_fruit_remembers() -> None:
    context = DecisionContext(now=NOON, state=state(), settings=ControlSettings(stage="fruiting"))
    lag = fruit_lag_s(60.0)
    assert crop_horizon.fruit_now_c(np.full(24, 17.0), 24.0, lag) == pytest.approx(17.0)
    assert crop_horizon.fruit_now_c(np.zeros(0), 24.0, lag) == 24.0
    gaps = np.array([np.nan, 17.0, np.nan, 17.0, 17.0, np.nan])
    assert crop_horizon.fruit_now_c(gaps, None, lag) == pytest.approx(17.0)
    aim = crop_horizon.crop_aim(context, crop_horizon.RecentHours(np.full(24, 17.0), np.full(24, 40.0)))
    assert aim.fruit_c == pytest.approx(17.0) and aim.soil_high_before_pct == 40.0
    assert aim.light_share[0] == 1.0 and aim.light_age_h[0] == pytest.approx(6.5), "noon, light since six"
    dark = crop_horizon.crop_aim(replace(context, now=MIDNIGHT), crop_horizon.RecentHours())
    assert dark.light_share[0] == 0.0 and dark.light_age_h[0] < 0.0


def damp_morning(stage: Stage) -> Any:
    """The planner at night in a tent whose lamp warms and wets the air; only the exhaust keeps the dew point low."""

    def roll(plans: Array) -> Mapping[str, Array]:
        light, exhaust = plans[:, :, 1], plans[:, :, 3]
        air = 16.0 + 9.0 * light
        vpd = 0.35 + 0.6 * light + 0.5 * exhaust
        return {"vpd_kpa": vpd, "air_temp_c": air, "soil.P1": np.full(air.shape, 38.0)}

    past = crop_horizon.RecentHours(np.full(24, 16.0), np.full(24, 38.0))
    tent = mpc.PlannerModel(roll, ("soil.P1",), past=past)
    seen = state(MIDNIGHT, air=16.0, rh=78.0, vpd=0.4, probes=((38.0, 0.9), (38.0, 0.9)))
    settings = ControlSettings(policy="mpc", stage=stage, horizon_h=24)
    context = DecisionContext(now=MIDNIGHT, state=seen, settings=settings)
    return mpc.planner(lambda _: tent, lambda: 0.0)(context).plan


def test_the_plan_dries_the_morning_for_fruit_and_says_so() -> None:
    with_fruit, without = damp_morning("fruiting"), damp_morning("flowering")
    first = next(k for k, step in enumerate(with_fruit.steps) if step.light > 0.5)
    assert with_fruit.steps[first].exhaust_fan > without.steps[first].exhaust_fan
    costs = {one.name: one for one in with_fruit.crop_costs}
    assert costs["morning ramp"].decided and costs["dew on fruit"].weight == pytest.approx(3.0 * 0.6)
    assert "decided by" in with_fruit.explanation and "morning ramp" in with_fruit.explanation
    assert not any(one.decided for one in without.crop_costs) and "decided" not in without.explanation
    assert "dew on fruit" not in {one.name for one in without.crop_costs}
