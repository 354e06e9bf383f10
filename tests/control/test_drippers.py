"""Drippers: each pot's share is learned, the grower is told, and a wet pot is not drowned without a word."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from tomato_host.brain.control import ControlSettings, DecisionContext
from tomato_host.brain.control.control_inputs import ControlInputs, read_inputs
from tomato_host.brain.control.plan_columns import DOSE_K
from tomato_host.brain.control.planner.drippers import (
    DripperKnowledge,
    DripperShare,
    advice,
    dripper_shares,
    drowning,
    parting,
    room_ml,
)
from tomato_host.brain.control.planner.horizon import first_hours, plan_bounds
from tomato_host.brain.control.planner.watering import asked_ml, water_request

from tests.control.states import state

Array = NDArray[np.float64]
SETTINGS = ControlSettings(policy="mpc", horizon_h=24)
ZONES = ("soil.P1", "soil.P2")


def pots(gains: tuple[float, float], drying: tuple[float, float]) -> Callable[[Array], Mapping[str, Array]]:
    """Two pots that rise by `gains` in % for each ml and dry by `drying` in % an hour."""

    def roll(plans: Array) -> Mapping[str, Array]:
        given, hours = np.cumsum(plans[:, :, DOSE_K], axis=1), np.arange(1, plans.shape[1] + 1)
        return {name: 35.0 - rate * hours + gain * given for name, gain, rate in zip(ZONES, gains, drying, strict=True)}

    return roll


def seen(p1: float, p2: float) -> ControlInputs:
    now = state(probes=((p1, 0.9), (p2, 0.9)))
    return read_inputs(DecisionContext(now=now.ts, state=now, settings=SETTINGS))


UNEVEN = dripper_shares(pots((0.0066, 0.0044), (0.2, 0.2)), ZONES, np.zeros((24, 7)))
EVEN = dripper_shares(pots((0.005, 0.005), (0.2, 0.21)), ZONES, np.zeros((24, 7)))


def test_the_shares_of_pots_are_known_from_what_a_dose_raises_them_by() -> None:
    first, second = UNEVEN
    assert (first.gets, first.uses) == pytest.approx((0.6, 0.5)) and second.surplus == pytest.approx(-0.1)
    assert first.gain_pct_ml == pytest.approx(0.0066)
    watered = np.zeros((24, 7))
    watered[::2, DOSE_K] = 100.0
    assert dripper_shares(pots((0.0066, 0.0044), (0.2, 0.2)), ZONES, watered) == UNEVEN


def test_pots_that_show_nothing_count_as_even() -> None:
    nothing = dripper_shares(pots((0.0, 0.0), (0.0, 0.0)), ZONES, np.zeros((24, 7)))
    assert [(one.gets, one.uses) for one in nothing] == [(0.5, 0.5), (0.5, 0.5)] and not advice(nothing)
    assert dripper_shares(pots((0.0, 0.0), (0.0, 0.0)), (), np.zeros((24, 7))) == () and advice(()) == ""


def test_the_grower_is_told_which_dripper_and_only_where_it_matters() -> None:
    text = "even out the drippers: P1 gets 60% of the water and uses 50%"
    assert advice(UNEVEN) == text and advice(EVEN) == ""
    for inputs, planned in ((seen(40.0, 33.0), 0.0), (seen(40.0, 28.0), 200.0)):
        assert water_request(inputs, planned, 0.5, drippers=DripperKnowledge(UNEVEN)).text.endswith(text)
        assert "even out" not in water_request(inputs, planned, 0.5, drippers=DripperKnowledge(EVEN)).text


def test_a_dose_ends_where_the_wet_pot_has_had_enough() -> None:
    """P1 stands two points below what its roots bear and rises 0.66 a 100 ml: 303 ml, in the plan's bounds as well."""
    inputs = seen(46.0, 28.0)
    assert room_ml(inputs, UNEVEN) == pytest.approx(2.0 / 0.0066)
    request = water_request(inputs, 400.0, 0.5, drippers=DripperKnowledge(UNEVEN))
    assert request.amount == pytest.approx(303.0, abs=0.1) and request.pulses == 3
    assert "no more than the wettest pot bears" in request.text
    assert water_request(seen(46.0, 29.7), 200.0, 0.5, drippers=DripperKnowledge(UNEVEN)).amount == 200.0
    bounds = plan_bounds(inputs, room_ml=room_ml(inputs, UNEVEN))
    assert bounds.water_ml[0] == pytest.approx(303.0, abs=0.1) and bounds.water_ml[first_hours(inputs)] == 400.0
    full = water_request(seen(48.5, 28.0), 400.0, 0.5, drippers=DripperKnowledge(UNEVEN))
    assert full.amount == 0.0, "it must drain first"
    dry = water_request(seen(48.5, 27.9), 400.0, 0.5, drippers=DripperKnowledge(UNEVEN))
    assert dry.amount == 400.0 and "P1 at 48.5 % is too wet for its roots" in dry.text, "too dry to wait for that"


def test_a_pot_that_is_harmed_by_dryness_gets_its_water_and_the_reason_says_what_that_costs() -> None:
    inputs = seen(48.5, 25.5)
    assert room_ml(inputs, UNEVEN) == float("inf")
    request = water_request(inputs, 400.0, 0.5, drippers=DripperKnowledge(UNEVEN))
    assert request.amount == 400.0
    assert "P1 at 48.5 % is too wet for its roots (from 48 % on)" in request.text and "even out" in request.text
    assert drowning(seen(47.9, 25.5)) == "" and drowning(seen(48.5, 30.0)) != ""


def test_where_a_days_water_is_short_no_dose_waits_for_the_wet_pot_and_the_reason_says_so() -> None:
    inputs = seen(48.5, 28.0)
    assert room_ml(inputs, UNEVEN) == 0.0 and room_ml(inputs, UNEVEN, short=True) == float("inf")
    request = water_request(inputs, 400.0, 1.2, drippers=DripperKnowledge(UNEVEN))
    assert request.amount == 400.0 and "P1 at 48.5 % is too wet for its roots" in request.text


def test_a_probe_that_no_model_knows_limits_nothing() -> None:
    assert room_ml(seen(47.0, 30.0), (DripperShare("soil.P9", 0.5, 0.5, 0.006),)) == float("inf")
    assert room_ml(seen(47.0, 30.0), ()) == float("inf")


def test_what_a_pot_asked_for_is_measured_before_the_model_has_seen_a_dose() -> None:
    """Ten points in a day without a dose at a gain of 0.6 a 100 ml: 1,667 ml, a third more while that is a guess."""
    falling, none = np.linspace(40.0, 30.0, 25), np.zeros(24)
    assert asked_ml(falling, none, 0.006, learned=True) == pytest.approx(1_666.7, abs=0.1)
    assert asked_ml(falling, none, 0.006, learned=False) == pytest.approx(1_666.7 / 0.75, abs=0.1)
    watered = np.zeros(24)
    watered[5] = 500.0
    level = falling + np.where(np.arange(25) > 5, 3.0, 0.0)
    assert asked_ml(level, watered, 0.006, learned=True) == pytest.approx(1_666.7, abs=0.1), "what was given counts"
    assert asked_ml(falling[:17], none[:16], 0.006, learned=True) == 0.0, "16 hours say nothing of a day"
    gaps = falling.copy()
    gaps[[0, 7, 24]] = np.nan
    assert asked_ml(gaps, none, 0.006, learned=True) == pytest.approx(1_666.7, abs=0.1)
    assert asked_ml(np.full(25, np.nan), none, 0.006, learned=True) == 0.0 == asked_ml(falling[::-1], none, 0.006, True)


def days_of(step_pct: float, noise: float = 0.0, days: int = 5) -> dict[str, Array]:
    """Two pots that dry by day and are watered at night; P1 gains `step_pct` on P2 each day."""
    hours, rng = np.arange(24 * days), np.random.default_rng(5)
    course = 33.0 - 0.1 * (hours % 24)
    return {
        "soil.P1": course + step_pct * hours / 24.0 + noise * rng.standard_normal(len(hours)),
        "soil.P2": np.asarray(course + 2.0, dtype=np.float64),
    }


def test_pots_that_part_day_after_day_tell_which_dripper_whatever_their_probes_say_of_shares() -> None:
    parted = parting(days_of(0.8, noise=0.3))
    assert parted is not None and (parted.wet, parted.dry) == ("soil.P1", "soil.P2")
    assert parted.pct_day == pytest.approx(0.8, abs=0.1)
    text = "even out the drippers: P1 gains 0.8 points a day on P2"
    assert advice(EVEN, parted) == text == advice(UNEVEN, parted) and DripperKnowledge(EVEN, True, parted).tasks == (
        text,
    )
    falling = parting(days_of(-0.8))
    assert falling is not None and falling.wet == "soil.P2" and falling.certain
    learned = DripperKnowledge(UNEVEN)
    assert learned.tasks == () and learned.note == advice(UNEVEN), "no task before pots have shown it"


def test_pots_that_do_not_part_have_even_drippers_unless_one_drains_what_it_does_not_use() -> None:
    still = parting(days_of(0.0))
    assert still is not None and not still.certain and still.wettest_pct == pytest.approx(33.85)
    room = DripperKnowledge(UNEVEN, True, still, drains_pct=44.0)
    assert room.tasks == () and room.note == ""
    drains = DripperKnowledge(UNEVEN, True, still, drains_pct=33.0)
    assert drains.tasks == (advice(UNEVEN),) and drains.note == advice(UNEVEN)


@pytest.mark.parametrize(
    ("levels", "why"),
    [
        (days_of(0.3), "a step that matters little"),
        (days_of(0.8, days=4), "too few days"),
        ({"soil.P1": days_of(0.8)["soil.P1"]}, "one pot"),
        ({}, "no pot"),
        (
            {**days_of(0.0), "soil.P1": np.where(np.arange(120) < 60, 33.0, 36.0)},
            "one leap is a probe's, not a dripper's",
        ),
        ({**days_of(0.8), "soil.P2": np.where(np.arange(120) // 24 == 2, np.nan, 35.0)}, "a day without readings"),
    ],
)
def test_pots_that_do_not_part_for_certain_ask_nothing_of_a_person(levels: Mapping[str, Array], why: str) -> None:
    parted = parting(levels)
    assert parted is None or not parted.certain, why
    assert DripperKnowledge(EVEN, True, parted).tasks == ()
