"""Relays: a duty is given in few strokes, the plan says in how many, and nobody makes a relay chatter."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from tomato_host.brain.control import DecisionContext, rules
from tomato_host.brain.control.planner import mpc
from tomato_host.brain.control.strokes import LEAST_STROKE_S, stroke_count, strokes_an_hour
from tomato_host.brain.execution.output_job import plan_segments

from shared_schemas.devices import MAT, MIST, OUTPUT_BY_NAME, VENT, Output
from shared_schemas.records.action_v1 import OUTPUT_OF
from tests.control.states import state
from tests.control.test_mpc import SETTINGS, small_tent

CYCLE_S = 7_200.0


@pytest.mark.parametrize(
    ("output", "share", "strokes"),
    [
        (VENT, 0.1, 4),
        (VENT, 0.5, 4),
        (VENT, 0.02, 2),
        (VENT, 0.005, 1),
        (MAT, 0.5, 1),
        (MIST, 0.03, 3),
        (MIST, 0.06, 4),
        (MIST, 0.1, 6),
        (MIST, 0.33, 8),
        (MIST, 0.4, 10),
    ],
)
def test_how_many_strokes_a_duty_of_two_hours_has(output: Output, share: float, strokes: int) -> None:
    """Half an hour apart; mist oftener once a stroke would be longer than the air can take up; none below a minute; the
    mat's at once, for pots take hours to warm."""
    assert stroke_count(output, share * CYCLE_S, CYCLE_S) == strokes
    assert strokes == 1 or share * CYCLE_S / strokes >= LEAST_STROKE_S


def test_the_mats_heat_is_counted_and_given_in_the_longest_pulses_of_the_board() -> None:
    """Half a cycle's heat: six pulses of ten minutes, where three strokes of twenty minutes make nine."""
    on_s = 0.5 * CYCLE_S
    counted = strokes_an_hour(MAT, np.array([0.5]))[0] * CYCLE_S / 3_600.0
    assert counted == pytest.approx(on_s * 1_000.0 / MAT.max_on_ms) and stroke_count(MAT, on_s, CYCLE_S) == 1


@pytest.mark.parametrize("output", [VENT, MIST])
def test_what_the_objective_counts_is_what_the_executor_switches(output: Output) -> None:
    """For shares whose strokes are longer than a minute and no longer than the longest pulse of the board."""
    shares = np.array([0.08, 0.15, 0.25, 0.33])
    counted = strokes_an_hour(output, shares) * CYCLE_S / 3_600.0
    given = [stroke_count(output, share * CYCLE_S, CYCLE_S) for share in shares]
    assert np.ceil(counted).tolist() == given
    assert not strokes_an_hour(output, np.array([0.0, 0.01, 0.96, 1.0])).any(), "off or on: nothing moves"


def test_a_plan_asks_for_its_strokes_and_gets_as_many() -> None:
    now = state()
    made = mpc.planner(lambda _: small_tent(), lambda: 0.0)(DecisionContext(now=now.ts, state=now, settings=SETTINGS))
    spread = [a for a in made.proposals if a.params.period_s is not None]
    assert spread
    for action in spread:
        row = OUTPUT_BY_NAME[OUTPUT_OF[action.type]]
        assert action.params.seconds is not None
        strokes = stroke_count(row, action.params.seconds, CYCLE_S)
        assert action.params.pulses == strokes == len(plan_segments(action, row, 0)) < 8


def test_the_rules_decisions_under_the_planner_have_its_strokes_and_their_own_amounts() -> None:
    """No model yet: the rules decide. On their own they keep one stroke a quarter of an hour."""
    now = state(vpd=0.5, probes=((43.0, 0.9), (43.0, 0.9)))
    context = DecisionContext(now=now.ts, state=now, settings=SETTINGS)
    ours, theirs = mpc.planner(lambda _: None, lambda: 0.0)(context), rules.decide(context)
    assert ours.plan.controller == "rules" and ours.memory.duty == theirs.memory.duty
    pairs = [(a, b) for a, b in zip(ours.proposals, theirs.proposals, strict=True) if a.params.period_s]
    assert pairs
    for a, b in pairs:
        assert a.params.seconds == b.params.seconds and b.params.pulses is None
        assert a.params.pulses == 4


@pytest.mark.parametrize("model", [None, small_tent(dry_air=1.5)], ids=["rules under the planner", "planner"])
def test_a_stroke_of_mist_is_one_pulse_of_the_board(model: mpc.PlannerModel | None) -> None:
    """In very dry air the rules ask for half of the time, 450 s a quarter of an hour: the board gives 300 s, a pause,
    and a second stroke of the rest. Under the planner each stroke is one pulse, and the board's pause lies between."""
    now = state(vpd=2.6, rh=30.0, air=29.0, probes=((43.0, 0.9), (43.0, 0.9)))
    context = DecisionContext(now=now.ts, state=now, settings=SETTINGS)
    made = mpc.planner(lambda _: model, lambda: 0.0)(context)
    action = next(a for a in made.proposals if a.type.value == "SET_HUMIDIFIER")
    strokes = plan_segments(action, MIST, 0)
    assert max(s.left for s in strokes) <= MIST.max_on_ms
    gaps = [b.start_ms - a.start_ms - a.left for a, b in pairwise(strokes)]
    assert min(gaps) >= MIST.min_off_ms
    assert made.memory.duty[MIST.name] * CYCLE_S * 1_000.0 == pytest.approx(sum(s.left for s in strokes))
    assert sum(s.left for s in strokes) > 0.4 * CYCLE_S * 1_000.0, "no mist is given up"


def test_the_rules_gas_under_the_planner_comes_at_once() -> None:
    """Eight openings of the valve bring no more than one of the same length. Before the first half hour is learned."""
    now = state(vpd=1.3, probes=((43.0, 0.9), (43.0, 0.9)))
    context = DecisionContext(now=now.ts, state=now, settings=SETTINGS)
    ours, theirs = (
        next(a for a in decide(context).proposals if a.type.value == "CO2_INJECT")
        for decide in (mpc.planner(lambda _: None, lambda: 0.0), rules.decide)
    )
    assert ours.params.seconds == theirs.params.seconds and theirs.params.period_s == CYCLE_S
    assert ours.params.period_s is None


def test_nobody_makes_a_relay_chatter() -> None:
    """A hundred strokes are asked for: it gets one each quarter of an hour, as without a word about strokes."""
    now = state()
    made = mpc.planner(lambda _: small_tent(), lambda: 0.0)(DecisionContext(now=now.ts, state=now, settings=SETTINGS))
    action = next(a for a in made.proposals if a.params.period_s is not None)
    row = OUTPUT_BY_NAME[OUTPUT_OF[action.type]]
    for pulses, strokes in ((100, 8), (None, 8), (3, 3)):
        params = action.params.model_copy(update={"pulses": pulses, "seconds": 1_800.0})
        segments = plan_segments(action.model_copy(update={"params": params}), row, 0)
        assert len(segments) == strokes and sum(s.left for s in segments) == 1_800_000
