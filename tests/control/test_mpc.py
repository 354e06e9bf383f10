"""The planner on a small tent of its own: what it plans, what it records, what it does when it is unsure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tomato_host.brain.control import ControlSettings, DecisionContext, Memory, mpc, objective
from tomato_host.brain.control.balance import Duties, Tent, air_of, room_of
from tomato_host.brain.control.lessons import KEPT, Experience, Lesson, add
from tomato_host.brain.control.moves import TentMoves, blocks
from tomato_host.brain.guardrails import GuardContext, Guardrails

from tests.control.states import MIDNIGHT, NOON, state

Array = NDArray[np.float64]
SETTINGS = ControlSettings(policy="mpc", horizon_h=24)


def small_tent(soil: float = 34.0, dry_air: float = 0.0, error: float = 0.0) -> mpc.Foresight:
    """A stand-in for the world model: damp when closed, dry when vented, soil that dries and takes up water."""

    def roll(plans: Array) -> Mapping[str, Array]:
        light, exhaust, mist = plans[:, :, 1], plans[:, :, 3], plans[:, :, 4]
        vpd = 0.35 + 0.2 * light + (0.9 + dry_air) * exhaust - 0.8 * mist + dry_air + error
        air = 20.0 + 4.0 * light - 1.5 * exhaust + dry_air
        moisture = soil + np.cumsum(plans[:, :, 0] / 160.0 - 0.1 - 0.5 * light, axis=1)
        return {"vpd_kpa": np.maximum(vpd, 0.0), "air_temp_c": air, "soil.P1": moisture}

    return mpc.Foresight(roll, ("soil.P1",))


def decide(tent: mpc.Foresight | None, seen: Any = None, clock: Any = lambda: 0.0, **more: Any) -> Any:
    seen = seen if seen is not None else state()
    context = DecisionContext(now=seen.ts, state=seen, settings=more.pop("settings", SETTINGS), **more)
    return mpc.planner(lambda _: tent, clock)(context)


def test_it_brings_the_air_into_its_band() -> None:
    made = decide(small_tent())
    assert made.plan.controller == "mpc" and made.plan.horizon_h == 24.0 and len(made.plan.steps) == 24
    vpd = 0.55 + 0.9 * made.plan.steps[0].exhaust_fan - 0.8 * made.plan.steps[0].humidifier
    assert 0.65 <= vpd <= 1.25
    dry = decide(small_tent(dry_air=1.0))
    assert dry.plan.steps[0].humidifier > 0.2 and dry.plan.steps[0].exhaust_fan < 0.2


def test_it_waters_before_the_soil_is_dry_and_only_by_day() -> None:
    made = decide(small_tent(soil=31.0))
    assert sum(step.water_ml for step in made.plan.steps) > 500.0
    for step in made.plan.steps:
        local = step.start + timedelta(hours=2)
        assert step.water_ml == 0.0 or 5 <= local.hour < 22
    assert not any(a.type.value == "WATER" for a in decide(small_tent(soil=45.0)).proposals)


def test_budgets_of_the_day_hold_in_the_plan() -> None:
    tight = ControlSettings(policy="mpc", horizon_h=24, water_ml_per_day=500.0)
    made = decide(small_tent(soil=24.0), state(water_used=300.0), settings=tight)
    today = [s.water_ml for s in made.plan.steps if (s.start + timedelta(hours=2)).day == 1]
    assert sum(today) <= 200.5


def test_the_plan_records_its_score_and_three_that_lost() -> None:
    plan = decide(small_tent()).plan
    assert plan.score is not None and len(plan.rejected) >= 1
    assert all(r.score.j <= plan.score.j and r.why.startswith("J ") and r.summary for r in plan.rejected)
    weights = objective.Weights()
    j = (weights.yield_ * plan.score.yield_proxy - weights.stress * plan.score.stress
         - weights.resource * plan.score.resource_use - weights.smooth * plan.score.action_churn)
    assert plan.score.j == pytest.approx(j, abs=1e-4)


def test_a_plan_exists_when_there_is_no_time_at_all() -> None:
    ticks = count()
    made = decide(small_tent(), clock=lambda: float(next(ticks)))
    assert made.plan.controller == "mpc" and made.proposals


def test_never_worse_than_the_rules_by_its_own_measure() -> None:
    ticks = count()
    hurried, calm = decide(small_tent(), clock=lambda: float(next(ticks))), decide(small_tent())
    assert calm.plan.score.j >= hurried.plan.score.j


def test_without_foresight_trust_or_calm_the_rules_decide() -> None:
    assert decide(None).plan.controller == "rules"
    assert decide(small_tent(), state(trust={"rh_pct": 0.1})).plan.controller == "rules"
    assert decide(small_tent(), mode="SAFE").plan.controller == "safe_mode"
    assert decide(small_tent(), mode="PAUSED").plan.controller == "rules"


def test_a_doubted_probe_makes_the_plan_careful() -> None:
    sure = decide(small_tent(soil=27.0), state(probes=((27.0, 0.9), (28.0, 0.9))))
    doubted = decide(small_tent(soil=27.0), state(probes=((27.0, 0.9), (None, 0.0))))

    def dose(made: Any) -> float:
        return sum(a.params.ml or 0.0 for a in made.proposals if a.type.value == "WATER")

    assert dose(doubted) < dose(sure)
    blind = decide(small_tent(soil=20.0), state(probes=((None, 0.0), (None, 0.0))), memory=Memory(decided_at=NOON))
    assert dose(blind) <= SETTINGS.blind_dose_ml


def test_the_last_plan_is_where_the_next_begins() -> None:
    first = decide(small_tent())
    later = state(NOON + timedelta(hours=2))
    again = decide(small_tent(), later, memory=first.memory)
    assert again.plan.score.j >= first.plan.score.j - 0.3
    assert again == decide(small_tent(), later, memory=first.memory)


def test_what_the_door_thinks_of_a_plan() -> None:
    door, memory = Guardrails(), Memory()
    for hours in range(0, 26, 2):
        seen = state(NOON + timedelta(hours=hours), probes=((30.0, 0.9), (31.0, 0.9)))
        made = decide(small_tent(soil=30.0), seen, memory=memory)
        memory = made.memory
        for proposal in made.proposals:
            verdict = door.judge(proposal, GuardContext(seen.ts, seen))
            assert verdict.allowed or verdict.rule in ("day_budget", "interval"), verdict.rule


def lesson(at: datetime, exhaust: float, vpd: float, air: float, light: float = 1.0) -> Lesson:
    return Lesson(at, (0.0, light, 1.0, exhaust, 0.0, 0.0, 0.0), {"vpd_kpa": vpd, "air_temp_c": air})


def flat(horizon: int = 6, light: float = 1.0, exhaust: float = 0.0) -> Array:
    plans = np.zeros((1, horizon, 7))
    plans[:, :, 1], plans[:, :, 2], plans[:, :, 3] = light, 1.0, exhaust
    return plans


SAID = {"vpd_kpa": np.full((1, 6), 0.2), "air_temp_c": np.full((1, 6), 15.0), "soil.P1": np.full((1, 6), 30.0)}


def test_experience_says_what_was_measured_and_leaves_the_soil_alone() -> None:
    seen = Experience([lesson(NOON, 0.9, 1.3, 22.0)], NOON)
    told = seen.correct(SAID, flat(exhaust=0.9))
    assert told["vpd_kpa"][0, 0] == pytest.approx(1.3, abs=0.02)
    assert told["air_temp_c"][0, 0] == pytest.approx(22.0, abs=0.1)
    assert told["soil.P1"] is SAID["soil.P1"]
    assert told["vpd_kpa"][0, 5] < told["vpd_kpa"][0, 0], "further ahead the world model takes over"


def test_a_hot_dry_room_is_known_from_one_half_hour_and_closing_the_exhaust_follows() -> None:
    hot = Experience([lesson(NOON - timedelta(hours=3), 0.9, 0.9, 22.0), lesson(NOON, 0.9, 2.2, 29.0)], NOON)
    assert hot.room_c > 26.0
    vpd = [hot.correct(SAID, flat(exhaust=share))["vpd_kpa"][0, 0] for share in (0.0, 0.2, 0.5, 0.9)]
    assert vpd == sorted(vpd) and vpd[0] < 1.6 < vpd[-1]


def test_old_lessons_fade() -> None:
    fresh, old = lesson(NOON, 0.5, 1.0, 22.0), lesson(NOON - timedelta(days=2), 0.5, 2.0, 30.0)
    assert Experience([old, fresh], NOON).room_c == pytest.approx(Experience([fresh], NOON).room_c, abs=0.5)
    assert len(add(tuple([fresh] * KEPT), old)) == KEPT


@pytest.mark.parametrize(("exhaust", "mist", "light"), [(0.1, 0.0, 1.0), (0.5, 0.2, 1.0), (1.0, 0.5, 0.0)])
def test_the_balance_turned_round_gives_the_room_back(exhaust: float, mist: float, light: float) -> None:
    duties = Duties(*(np.array([value]) for value in (light, 1.0, exhaust, mist)))
    for _ in range(3):
        temp, vpd = air_of(20.0, 8.0, duties, Tent())
    room_c, room_g, trust = room_of(temp, vpd, duties, Tent())
    if vpd[0] > 0.1:
        assert room_c[0] == pytest.approx(20.0, abs=0.3) and room_g[0] == pytest.approx(8.0, abs=0.6)
    assert 0.0 < trust[0] <= 1.0


def test_an_error_of_the_model_does_not_last() -> None:
    """The model knows nothing of this tent's damp; after some decisions the air is in its band all the same."""
    memory, vpd = Memory(), 0.4
    for cycle in range(6):
        now = NOON + timedelta(hours=2 * cycle) if cycle < 5 else NOON + timedelta(hours=24)
        made = decide(small_tent(error=0.6), state(now, vpd=vpd), memory=memory,
                      recent={"vpd_kpa": vpd, "air_temp_c": 23.0, "rh_pct": 60.0})
        memory, step = made.memory, made.plan.steps[0]
        duties = Duties(*(np.array([v]) for v in (1.0, 1.0, step.exhaust_fan, step.humidifier)))
        vpd = float(air_of(20.0, 9.0, duties, Tent())[1][0])
    assert 0.6 <= vpd <= 1.3


@pytest.mark.parametrize("horizon", [6, 24, 36])
def test_stretches_cover_every_hour(horizon: int) -> None:
    for first in (1, 2):
        spans = blocks(horizon, first)
        assert (0, first) in spans and (0, horizon) in spans
        assert all(0 <= a < b <= horizon for a, b in spans)
        singles = [s for s in spans if s != (0, horizon)]
        assert {h for a, b in singles for h in range(a, b)} == set(range(horizon))


def test_projected_plans_are_allowed_whatever_was_asked() -> None:
    seen = state(MIDNIGHT, co2=450.0, soil_temp=15.0)
    see = mpc.look(DecisionContext(now=seen.ts, state=seen, settings=SETTINGS))
    bounds = mpc.bounds_ahead(see)
    moves, rng = TentMoves(bounds), np.random.default_rng(0)
    plans = moves.project(rng.normal(0.5, 2.0, (200, 24, 7)) * np.array([300, 1, 1, 1, 1, 1, 60]))
    assert np.array_equal(moves.project(plans)[:, :, 3:6], plans[:, :, 3:6])
    assert (plans >= 0.0).all() and (plans[:, :, 1:6] <= 1.0).all() and (plans[:, :, 4] <= 0.5).all()
    assert (plans[:, bounds.light == 0.0, 0] == 0.0).all()
    assert (plans[:, :, 6][(plans[:, :, 3] > 0.0) | (plans[:, :, 1] == 0.0)] == 0.0).all()
    for day, left in enumerate(bounds.day_ml):
        assert (plans[:, bounds.day_of == day, 0].sum(axis=1) <= left + 1e-6).all()
