"""Water: thirst beyond a day, the mark at which the planner waters, and what is given when probes are in doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tomato_host.brain.brain import Brain
from tomato_host.brain.control import ControllerMemory, ControlSettings, DecisionContext, control_inputs
from tomato_host.brain.control.plan_columns import DOSE_K
from tomato_host.brain.control.planner import horizon, mpc, watering
from tomato_host.brain.control.planner.drippers import DripperKnowledge, DripperShare
from tomato_host.brain.control.planner.objective import Expected, HorizonTargets, soil_stress
from tomato_host.brain.control.planner.plan_edits import TentPlanEdits
from tomato_host.brain.control.proposals import OutputRequest
from tomato_host.brain.control.rules import CAUTIOUS_SHARE, water
from tomato_host.brain.control.settings import Stage
from tomato_host.brain.control.targets import STAGES
from tomato_host.brain.control.water_usage import recorded_usual_water_ml, usual_water_ml

from shared_schemas.records.action_v1 import ActionV1, Outcome
from tests.control.states import NOON, state
from tests.guardrails.proposals import proposal

Array = NDArray[np.float64]
Roll = Callable[[Array], Mapping[str, Array]]
SETTINGS = ControlSettings(policy="mpc", horizon_h=24)
PCT_PER_ML = 0.004


def pots(*drying_pct_h: float) -> tuple[Roll, tuple[str, ...]]:
    """A stand-in for the world model: pots that dry steadily and take up every millilitre."""

    def roll(plans: Array) -> Mapping[str, Array]:
        gained = np.cumsum(plans[:, :, DOSE_K], axis=1) * PCT_PER_ML
        hours = np.arange(1, plans.shape[1] + 1)
        return {f"soil.P{k}": 35.0 - rate * hours + gained for k, rate in enumerate(drying_pct_h)}

    return roll, tuple(f"soil.P{k}" for k in range(len(drying_pct_h)))


def seen(moisture: float = 36.0, confidence: float = 1.0) -> control_inputs.ControlInputs:
    now = state(probes=((moisture, confidence), (moisture, confidence)))
    return control_inputs.read_inputs(DecisionContext(now=now.ts, state=now, settings=SETTINGS))


def test_thirst_is_what_the_driest_pot_dries_in_a_day_in_water() -> None:
    roll, zones = pots(0.1, 0.3)
    a_day_ml = 24.0 * 0.3 / PCT_PER_ML
    found = watering.water_demand(roll, zones, np.zeros((24, 7)), 2_200.0)
    assert found == pytest.approx(a_day_ml / 2_200.0)
    watered = np.zeros((24, 7))
    watered[::3, DOSE_K] = 200.0
    assert watering.water_demand(roll, zones, watered, 2_200.0) == pytest.approx(found)


def test_a_pot_that_gets_wetter_by_itself_has_no_thirst_and_one_that_takes_nothing_up_is_no_division_by_zero() -> None:
    roll, zones = pots(-0.2)
    assert watering.water_demand(roll, zones, np.zeros((24, 7)), 2_200.0) == 0.0

    def deaf(plans: Array) -> Mapping[str, Array]:
        return {"soil.P0": np.broadcast_to(30.0 - 0.1 * np.arange(24), plans.shape[:2])}

    assert np.isfinite(watering.water_demand(deaf, ("soil.P0",), np.zeros((24, 7)), 0.0))


@given(st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_the_mark_rises_with_demand_from_the_low_mark_to_the_target(a: float, b: float) -> None:
    setpoints = seen().setpoints
    low, high = (watering.soil_mark_pct(setpoints, demand) for demand in sorted((a, b)))
    assert setpoints.soil_low_pct <= low <= high <= setpoints.soil_target_pct


def test_who_can_wait_waits_and_who_cannot_is_watered_ahead() -> None:
    """A pot at 36 % gets nothing now, unless a day's water is less than a day's thirst; the reason is told."""
    inputs = seen(36.0)
    assert horizon.plan_bounds(inputs, demand=0.5).water_ml[0] == 0.0
    assert horizon.plan_bounds(inputs, demand=1.3).water_ml[0] > 0.0
    assert "runs dry" in watering.water_request(inputs, 200.0, 0.5).text
    assert "130% of a day's 2200 ml" in watering.water_request(inputs, 200.0, 1.3).text


def pair(a: float, b: float, trust: float = 1.0) -> control_inputs.ControlInputs:
    now = state(probes=((a, trust), (b, 1.0)))
    return control_inputs.read_inputs(DecisionContext(now=now.ts, state=now, settings=SETTINGS))


def test_under_doubt_a_plan_waters_ahead_of_need_as_far_as_the_wettest_probe_lacks() -> None:
    """The rules wait for a dry pot. Where every probe reads below where a dose aims, a dose harms none of them,
    whichever is wrong; with one near it, or unheard, the plan gives what the rules would."""
    given = watering.water_request(pair(34.0, 36.0, trust=0.4), 300.0, 1.3)
    assert given.amount == 300.0 and "ahead of need" in given.text and "P1 is doubted, but no pot is wet" in given.text
    assert watering.water_request(pair(34.0, 38.5, trust=0.4), 300.0, 1.3).amount == pytest.approx(150.0)
    for wet, trust in ((41.0, 0.4), (36.0, 0.1)):
        kept = watering.water_request(pair(34.0, wet, trust), 300.0, 1.3)
        assert kept.amount == 0.0 and "a probe is doubted" in kept.text
    assert "doubted" not in watering.water_request(pair(34.0, 36.0), 300.0, 1.3).text


def test_until_the_drippers_are_known_pots_are_kept_full_and_none_is_filled_to_where_it_drains() -> None:
    """A dripper shows its share with a dose only; the water of a day that was not given is lost to the weaker one."""
    inputs = seen(36.0)
    assert horizon.plan_bounds(inputs, demand=0.5, known=False).water_ml[0] > 0.0
    context = inputs.context
    full, low = (horizon.horizon_targets(context, 0.5, known).soil_low_pct for known in (False, True))
    assert low == 30.0 and full == 39.0 == watering.soil_mark_pct(inputs.setpoints, 0.0, known=False)
    assert watering.soil_mark_pct(inputs.setpoints, 2.0, known=False) == 40.0, "a shortage keeps its mark"
    text = watering.water_request(inputs, 200.0, 0.5, drippers=DripperKnowledge(known=False)).text
    assert "36.0 %: 200 ml now" in text and "watered early (below 39.0 %) until the drippers' shares are known" in text
    wet = (DripperShare("soil.P1", 0.5, 0.5, 0.01), DripperShare("soil.P2", 0.5, 0.5, 0.01))
    assert watering.water_request(
        pair(36.0, 41.0), 200.0, 0.5, drippers=DripperKnowledge(wet, False)
    ).amount == pytest.approx(100.0)
    assert watering.water_request(pair(36.0, 41.0), 200.0, 0.5, drippers=DripperKnowledge(wet)).amount == 200.0


def test_the_first_day_the_rules_doses_keep_the_pots_full() -> None:
    """They would wait until 30 %: by then a day's water, or two, has gone unused."""
    assert water(seen(36.0)).amount == 0.0
    first = watering.first_water(seen(36.0))
    assert 150.0 <= first.amount <= 300.0 and "36.0 %" in first.text and "drippers" in first.text
    assert watering.first_water(seen(39.5)).amount == 0.0
    assert watering.first_water(pair(36.0, 42.5)).amount == 0.0, "the other pot may drain"
    assert watering.first_water(pair(36.0, 36.0, trust=0.3)) == water(pair(36.0, 36.0, trust=0.3)), "a probe in doubt"
    assert watering.first_water(seen(28.0)) == water(seen(28.0)), "what is dry already gets what the rules give"
    now = state(probes=((36.0, 0.9), (36.0, 0.9)))
    made = mpc.planner(lambda _: None, lambda: 0.0)(DecisionContext(now=now.ts, state=now, settings=SETTINGS))
    assert made.plan.controller == "rules" and [a.params.ml for a in made.proposals if a.type.value == "WATER"]


def test_two_probes_that_read_nearly_the_same_do_not_say_which_pot_is_the_thirsty_one() -> None:
    """The one that dries faster counts, though it reads two points more; not where it reads twelve more."""

    def roll(plans: Array, more: float) -> Mapping[str, Array]:
        slow, fast = pots(0.1)[0](plans)["soil.P0"], pots(0.3)[0](plans)["soil.P0"]
        return {"soil.P1": slow, "soil.P2": fast + more}

    found = [watering.water_demand(partial(roll, more=more), ("soil.P1", "soil.P2"), np.zeros((24, 7)), 2_200.0)
             for more in (2.0, 12.0)]  # fmt: skip
    assert found[0] == pytest.approx(3.0 * found[1])


def test_who_is_short_of_water_aims_at_moister_air_by_day_and_nobody_else_does() -> None:
    """Dry air costs the leaves water that no dose can replace. The aim stays a band inside the stage's; nights stay."""
    now = state()
    context = DecisionContext(now=now.ts, state=now, settings=SETTINGS)
    plenty, enough, short = (horizon.horizon_targets(context, demand) for demand in (0.0, 0.95, 1.3))
    day = plenty.light_share > 0.99
    night = plenty.light_share == 0.0
    np.testing.assert_array_equal(plenty.vpd_low, enough.vpd_low)
    np.testing.assert_array_equal(plenty.vpd_high, enough.vpd_high)
    np.testing.assert_allclose((plenty.vpd_low - short.vpd_low)[day], 0.15)
    np.testing.assert_allclose((plenty.vpd_high - short.vpd_high)[day], 0.15)
    band = horizon.setpoints_at(now.ts, context).vpd_kpa
    assert band[0] < short.vpd_low[0] < short.vpd_high[0] < band[1]
    np.testing.assert_array_equal(plenty.vpd_low[night], short.vpd_low[night])
    np.testing.assert_array_equal(plenty.vpd_high[night], short.vpd_high[night])
    assert day.sum() > 5 and night.sum() > 5
    (margin, _), (stress, _) = short.vpd_harm
    (margin_before, _), (stress_before, _) = plenty.vpd_harm
    np.testing.assert_allclose((margin_before - margin)[day], 0.15)
    np.testing.assert_array_equal(margin[night], margin_before[night])
    np.testing.assert_array_equal(stress, stress_before)  # what counts as stress stays where it is
    assert (margin > stress)[day].all()


@pytest.mark.parametrize("stage", list(STAGES))
def test_the_moister_aim_is_a_band_inside_the_band_of_every_stage(stage: Stage) -> None:
    now = state()
    context = DecisionContext(now=now.ts, state=now, settings=SETTINGS.model_copy(update={"stage": stage}))
    short, (low, high) = horizon.horizon_targets(context, 2.0), STAGES[stage].vpd_day
    assert low < short.vpd_low[0] < short.vpd_high[0] < high


def test_a_dry_pot_gets_at_least_what_the_rules_would_give() -> None:
    dry = seen(22.0)
    least = watering.water_request(dry, 0.0, 0.5)
    assert least.amount > 0.0 and "is dry at 22.0 %" in least.text
    assert watering.water_request(dry, 390.0, 0.5).amount == 390.0
    assert watering.water_request(seen(29.6), 0.0, 0.5).amount == 0.0


def test_the_driest_zone_is_never_given_up_and_a_wet_one_never_forbids_it_water() -> None:
    """Stress by water grows all the way down, faster below the line of harm, and outweighs the other pot's wetness."""
    hours = np.ones(1)
    aim = HorizonTargets(hours, hours, hours, hours, hours, 28.5, 48.0, 0.0, 90.0, 20.0, soil_harm_pct=26.0)

    def stress(driest: float, wettest: float) -> float:
        return float(soil_stress(aim, Expected({}, np.array([[driest]]), np.array([[wettest]]), {}))[0, 0])

    course = [stress(level, 40.0) for level in (40.0, 28.5, 27.0, 25.0, 22.0, 18.0, 12.0, 6.0)]
    assert course[0] == course[1] == 0.0 and all(a < b for a, b in pairwise(course[1:]))
    assert stress(24.0, 60.0) - stress(24.0, 40.0) < stress(24.0, 40.0) - stress(28.5, 40.0)


def test_water_of_a_plan_fits_into_any_24_hours() -> None:
    """2,000 ml went in the last 24 h, half of it 20 h ago: there is a little now, and as much again as falls out."""
    used = np.zeros(24)
    used[[3, 20]] = 1_000.0
    now = state(NOON, probes=((25.0, 1.0), (25.0, 1.0)))
    context = DecisionContext(now=now.ts, state=now, settings=SETTINGS, used={"water_pump": 2_000.0})
    bounds = horizon.plan_bounds(control_inputs.read_inputs(context), water_h=used)
    assert list(bounds.water_left_ml[:4]) == [200.0] * 4
    assert list(bounds.water_left_ml[4:21]) == [1_200.0] * 17 and bounds.water_left_ml[21] == 2_200.0
    plans = np.zeros((1, 24, 7))
    plans[:, :, DOSE_K] = 400.0
    kept = TentPlanEdits(bounds).project(plans)[0, :, DOSE_K]
    assert (np.cumsum(kept) <= bounds.water_left_ml + 1e-5).all() and kept.sum() > 1_000.0


def test_root_heat_is_for_cold_roots_and_for_cold_air_too() -> None:
    def heat(air: float, roots: float) -> float:
        now = state(air=air, soil_temp=roots)
        context = DecisionContext(now=now.ts, state=now, settings=SETTINGS)
        return float(horizon.plan_bounds(control_inputs.read_inputs(context)).heater[0])

    assert heat(24.0, 17.0) > 0.0 and heat(24.0, 21.0) == 0.0
    assert heat(13.0, 21.0) > 0.0 and heat(13.0, 25.0) == 0.0


def at(
    hour_local: float, probes: tuple[tuple[float | None, float], ...], usual_water_ml: float, used: float = 0.0
) -> OutputRequest:
    """What the rules ask for at that hour of a summer day in Vienna, the last dose long ago."""
    ts = NOON.replace(hour=0) + timedelta(hours=hour_local - 2.0)
    now = state(ts, probes=probes, water_used=used)
    memory = ControllerMemory(
        decided_at=ts - timedelta(hours=2), last_water_at=ts - timedelta(hours=3), usual_water_ml=usual_water_ml
    )
    return water(control_inputs.read_inputs(DecisionContext(now=ts, state=now, settings=SETTINGS, memory=memory)))


GONE = ((None, 0.0), (None, 0.0))


def test_without_a_probe_plants_are_kept_alive_by_their_usual_water_and_never_flooded() -> None:
    """No probe answers any more: through the day they get 70 % of what they used to drink, and nothing at night."""
    given = 0.0
    for hour in (6.5, 8.5, 10.5, 12.5, 14.5, 16.5, 18.5, 20.5):
        given += at(hour, GONE, 1_800.0, given).amount
    assert 0.6 * 1_800.0 <= given <= CAUTIOUS_SHARE * 1_800.0 + 1.0
    assert at(23.0, GONE, 1_800.0).amount == 0.0
    assert "from a usual 1800 ml" in at(12.5, GONE, 1_800.0).text
    assert at(12.5, GONE, 0.0).amount == 0.0, "without a habit the small dose by the clock is not due yet"


def test_a_doubted_probe_that_reads_dry_is_a_sign_of_drought() -> None:
    """A dose within the usual water, though the other probe is trusted and moist; one in the air is not."""
    doubted = at(12.5, ((18.0, 0.3), (44.0, 0.9)), 1_500.0)
    assert doubted.amount == 300.0 and "dry at 18.0 %" in doubted.text
    assert at(12.5, ((18.0, 0.3), (44.0, 0.9)), 1_500.0, used=1_400.0).amount <= SETTINGS.blind_dose_ml
    assert at(12.5, ((2.0, 0.3), (44.0, 0.9)), 1_500.0).amount == 0.0
    assert at(12.5, ((18.0, 0.1), (44.0, 0.9)), 1_500.0).amount == 0.0


def test_probes_that_nobody_trusts_do_not_withhold_water() -> None:
    assert at(12.5, ((40.0, 0.3), (44.0, 0.3)), 1_500.0).fired == ("blind_dose",)
    assert at(12.5, ((40.0, 0.9), (44.0, 0.3)), 1_500.0).amount == 0.0


def test_the_usual_water_is_learned_while_every_probe_is_trusted() -> None:
    def after(days: float, confidence: float) -> float:
        memory, ts = ControllerMemory(decided_at=NOON), NOON
        for _ in range(round(days * 12)):
            ts += timedelta(hours=2)
            now = state(ts, probes=((35.0, confidence), (35.0, 0.9)))
            context = DecisionContext(now=ts, state=now, settings=SETTINGS, memory=memory, used={"water_pump": 1_600.0})
            memory = replace(memory, decided_at=ts, usual_water_ml=usual_water_ml(context))
        return memory.usual_water_ml

    assert 500.0 < after(1.0, 0.9) < 800.0 and after(8.0, 0.9) == pytest.approx(1_600.0, rel=0.05)
    assert after(8.0, 0.3) == 0.0


def test_a_restart_does_not_forget_the_usual_water() -> None:
    """The next process has the doses on record: half of what the last two days brought is a day's habit again."""

    def dose(hours_ago: float, ml: float) -> ActionV1:
        asked = proposal("WATER", f"w{hours_ago}", ts=NOON - timedelta(hours=hours_ago), ml=ml)
        return asked.model_copy(update={"outcome": Outcome(status="DONE", delivered_ml=ml)})

    brain = Brain()
    brain.resume([dose(80.0, 200.0), dose(30.0, 200.0), dose(8.0, 200.0), dose(2.0, 200.0)])
    assert brain.memory.usual_water_ml == 300.0 and brain.memory.last_water_at == NOON - timedelta(hours=2)
    assert at(12.5, GONE, brain.memory.usual_water_ml).fired == ("blind_dose",)
    assert recorded_usual_water_ml([]) == 0.0
