"""The planner: looks 24-36 hours ahead through the learned world model and asks for the best plan's first hours.

It rolls every candidate through the model at once, judges it by `objective`, and searches with `beam`. It starts from
what the rules would do, from its own last plan, and from a few plain plans; so it is never worse than these by its own
measure. Without a model to look through, or in a mode that asks for caution, the rules decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from shared_schemas.records.plan_v1 import PlanStep
from tomato_host.brain.control import rules
from tomato_host.brain.control.beam import Found, Search, search
from tomato_host.brain.control.climate_rules import light as light_rule
from tomato_host.brain.control.context import ControlDecision, DecisionContext
from tomato_host.brain.control.control_inputs import Look, look
from tomato_host.brain.control.horizon import DAY_H, HOUR, aim_ahead, bounds_ahead
from tomato_host.brain.control.initial_plans import hour_by_hour, plain_plan, rough_plans, shifted
from tomato_host.brain.control.objective import (
    CIRCULATION,
    CO2,
    COLUMN_OF,
    EXHAUST,
    HEATER,
    HUMIDIFIER,
    LIGHT,
    WATER,
    Expected,
    Terms,
    Weights,
    hourly,
    judge,
)
from tomato_host.brain.control.parameter_estimation import AIR, Belief, Experience, Lesson, learn
from tomato_host.brain.control.plan_edits import Bounds, TentMoves
from tomato_host.brain.control.plan_explanation import explain, rejected, score_of
from tomato_host.brain.control.proposals import Wish, build_decision
from tomato_host.brain.control.watering import thirst, water_wish

Array = NDArray[np.float64]
SEEN_ON = {"exhaust_on": EXHAUST, "humidifier_on": HUMIDIFIER}
CUT_SHORT = 0.12
"""A share of time on that differs by more than this from what was asked for was cut short by the guardrails or the
board; less is the coarseness of samples, and the asked share is nearer to the truth."""
REMEMBERED = 4 * HOUR
"""So long the planner goes on by what it has learned while a doubted reading of the air teaches nothing new."""
SETTLED_S = 1_500.0
"""Duties must have been in force this long before the last half hour tells anything of them."""


@dataclass(frozen=True, slots=True)
class Foresight:
    """What the planner may look through at this moment: the learned model, bound to the present and the weather."""

    roll: Callable[[Array], Mapping[str, Array]]
    """Plans [B, H, 7] (columns as in objective) -> courses [B, H]: vpd_kpa, air_temp_c and each name in `soil`."""
    soil: tuple[str, ...]
    """Names of the soil zones in the courses, those whose probe is trusted."""
    spread: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    """Forecast intervals as offsets (low, high) [H] from the mean: vpd_kpa, air_temp_c, soil."""
    mist_h: Array = field(default_factory=lambda: np.zeros(DAY_H))
    """Hours of mist in each of the last 24 whole hours, the newest last."""
    water_h: Array = field(default_factory=lambda: np.zeros(DAY_H))
    """Water in these hours, in ml."""


Foresee = Callable[[DecisionContext], Foresight | None]
Clock = Callable[[], float]
"""Seconds from any origin; only differences count. A clock that stands still makes the search run to its end."""


def planner(
    foresee: Foresee, clock: Clock, weights: Weights | None = None, setting: Search | None = None
) -> Callable[[DecisionContext], ControlDecision]:
    """A controller that plans with `foresee`; deterministic as long as the clock leaves it the time."""
    chosen, how = weights or Weights(), setting or Search(width=2, rounds=8, pairs=10)

    def decide(context: DecisionContext) -> ControlDecision:
        context = replace(context, memory=replace(context.memory, tent=_learned(context)))
        seen = foresee(context) if context.mode in ("NORMAL", "CAUTION") else None
        if seen is None or not seen.soil or not (look(context).vpd_kpa is not None or _remembers(context)):
            return rules.decide(context)
        return _plan(context, seen, chosen, how, clock)

    return decide


def _plan(context: DecisionContext, seen: Foresight, weights: Weights, how: Search, clock: Clock) -> ControlDecision:
    end = clock() + context.settings.planning_ms / 1_000.0
    see = look(context)
    guide = rules.decide(context)
    plain = plain_plan(aim_ahead(context).light)
    last = shifted(context, len(plain), plain)
    thirsty = thirst(seen.roll, seen.soil, plain if last is None else last, context.settings.water_ml_per_day)
    aim, bounds = aim_ahead(context, thirsty), bounds_ahead(see, seen.mist_h, seen.water_h, thirsty)
    before = np.array([0.0, *(context.memory.duty.get(name, 0.0) for name in COLUMN_OF), 0.0])
    moves = TentMoves(bounds)

    belief = context.memory.tent
    experience = Experience(belief) if belief.at is not None else None

    def terms(plans: Array) -> Terms:
        return judge(aim, _expected(seen, plans, experience), plans, before, weights)

    starts = np.concatenate(
        [
            rough_plans(context, guide.plan, bounds),
            hour_by_hour(bounds, lambda plans: hourly(aim, _expected(seen, plans, experience), plans, weights)),
        ]
    )
    found = search(lambda plans: terms(plans).j, moves, starts, how, lambda: clock() >= end)
    ranked = terms(found.plans)
    return _decision(context, see, found, ranked, bounds, thirsty)


def _expected(seen: Foresight, plans: Array, experience: Experience | None) -> Expected:
    series, spread = seen.roll(plans), seen.spread
    if experience is not None:
        series, spread = experience.correct(series, plans), experience.spread(spread, plans.shape[1])
    zones = np.stack([series[name] for name in seen.soil])
    return Expected(series, zones.min(axis=0), zones.max(axis=0), spread)


def _remembers(context: DecisionContext) -> bool:
    """Whether the belief is fresh enough to plan by while the air's reading is doubted; without mist, then."""
    at = context.memory.tent.at
    return at is not None and context.now - at <= REMEMBERED


def _learned(context: DecisionContext) -> Belief:
    """The belief about the tent, with what the last half hour teaches when its duties were in force long enough."""
    memory, see = context.memory, look(context)
    if memory.decided_at is None or (context.now - memory.decided_at).total_seconds() < SETTLED_S:
        return memory.tent
    air = {name: value for name, value in context.recent.items() if name in AIR}
    if len(air) < len(AIR) or see.vpd_kpa is None:
        return memory.tent
    duty = [0.0] * 7
    for name, column in COLUMN_OF.items():
        duty[column] = memory.duty.get(name, 0.0)
    duty[LIGHT] = 1.0 if duty[LIGHT] > 0.0 else 0.0
    for name, column in SEEN_ON.items():
        seen = context.recent.get(name, duty[column])
        if abs(seen - duty[column]) > CUT_SHORT:
            duty[column] = seen
    return learn(memory.tent, Lesson(context.now, tuple(duty), air))


def _decision(
    context: DecisionContext, see: Look, found: Found, terms: Terms, bounds: Bounds, thirsty: float
) -> ControlDecision:
    best, first = found.plans[0], bounds.first_h
    wishes = _wishes(see, best, first, thirsty)
    steps = tuple(
        PlanStep(
            start=context.now + HOUR * hour,
            water_ml=round(float(row[WATER]), 1),
            light=_share(row[LIGHT]),
            circulation_fan=_share(row[CIRCULATION]),
            exhaust_fan=_share(row[EXHAUST]),
            humidifier=_share(row[HUMIDIFIER]),
            heater_mat=_share(row[HEATER]),
            co2_seconds=round(float(row[CO2]), 1),
        )
        for hour, row in enumerate(best)
    )
    made = build_decision(
        context,
        "mpc",
        wishes,
        steps=steps,
        horizon_h=float(len(best)),
        score=score_of(terms, 0),
        rejected=rejected(found, terms),
        explanation=explain(wishes, terms),
    )
    return made


def _share(value: float) -> float:
    return round(float(min(1.0, max(0.0, value))), 3)


def _wishes(see: Look, plan: Array, first: int, thirsty: float) -> list[Wish]:
    """The first hours of the plan as wishes; the rules' own caution about water stays in force."""
    cycle_s, row = see.cycle_s, plan[0]
    wishes = [light_rule(see)]
    for name, column in COLUMN_OF.items():
        if column == LIGHT:
            continue
        share = float(row[column])
        text = f"{name.replace('_', ' ')} {share:.0%} of the time" if share > 0.0 else "not worth it in this plan"
        wishes.append(Wish(name, share * cycle_s, text, ("plan",), "vpd_in_band", spread=share < 1.0))
    wishes.append(water_wish(see, float(plan[:first, WATER].sum()), thirsty))
    gas_s = float(plan[:first, CO2].sum()) * cycle_s / (3_600.0 * first)
    text = f"{gas_s:.0f} s of gas" if gas_s else "not worth it in this plan"
    # At once, not spread: eight strokes of the valve bring no more than two.
    wishes.append(Wish("co2_solenoid", gas_s, text, ("plan",), "photosynthesis"))
    return wishes
