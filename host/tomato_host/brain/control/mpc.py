"""The planner: looks 24-36 hours ahead through the learned world model and asks for the best plan's first hours.

It rolls every candidate through the model at once, judges it by `objective`, and searches with `beam`. It starts from
what the rules would do, from its own last plan, and from a few plain plans; so it is never worse than these by its own
measure. Without a model to look through, or in a mode that asks for caution, the rules decide.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise, product
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records.plan_v1 import PlanStep, PlanV1, RejectedPlan, Score
from tomato_host.brain.control import rules
from tomato_host.brain.control.aims import Aims, aims_at
from tomato_host.brain.control.beam import Found, Search, search
from tomato_host.brain.control.climate_rules import light as light_rule
from tomato_host.brain.control.context import Decision, DecisionContext
from tomato_host.brain.control.lessons import AIR, Belief, Experience, Lesson, learn
from tomato_host.brain.control.look import Look, look
from tomato_host.brain.control.moves import MOST_DOSE_ML, Bounds, TentMoves
from tomato_host.brain.control.objective import (
    CIRCULATION,
    CO2,
    EXHAUST,
    HEATER,
    HUMIDIFIER,
    LIGHT,
    WATER,
    Aim,
    Expected,
    Terms,
    Weights,
    hourly,
    judge,
)
from tomato_host.brain.control.photoperiod import light_seconds
from tomato_host.brain.control.proposals import Wish, build_decision
from tomato_host.brain.control.score import AIR_MARGIN_C, COLD_C, DRY_MARGIN_KPA, HOT_C, WET_KPA
from tomato_host.brain.control.water_rules import PULSE_ML
from tomato_host.brain.control.water_rules import water as water_rule

Array = NDArray[np.float64]
HOUR = timedelta(hours=1)
COLUMN_OF = {"light": LIGHT, "circulation_fan": CIRCULATION, "exhaust_fan": EXHAUST, "humidifier": HUMIDIFIER,
             "heater_mat": HEATER}
EDGES_DAY_KPA, EDGES_NIGHT_KPA = (0.2, 0.19), (0.25, 0.08)
"""(wet side, dry side): the planner aims this far inside the VPD band, for neither reading nor expectation is quite the
truth: where a sensor hangs alone makes 0.2 kPa. By night the wet side is the dangerous one: mould begins there, and a
dark leaf does not mind dry air."""
LATE_PCT = 1.5
"""The soil may dry this far below the low mark, and no dose is given before: who looks ahead needs less in reserve than
the rules, which water below the mark because they cannot see when it will be reached."""
GRID_EXHAUST = (0.0, 0.1, 0.2, 0.35, 0.55, 0.8, 1.0)
GRID_MIST = (0.0, 0.05, 0.1, 0.2, 0.3, 0.42)
MIST_PRICES = (0.0, 1.0, 2.5, 5.0, 10.0, 20.0)
"""What an hour of mist costs in J of an hour."""
DAY_H = 24
MIST_H_PER_DAY = 0.98 * OUTPUT_BY_NAME["humidifier"].day_budget / 3_600.0
"""What the board allows in any 24 h; the rest is for strokes that run over."""
SEEN_ON = {"exhaust_on": EXHAUST, "humidifier_on": HUMIDIFIER}
CUT_SHORT = 0.12
"""A share of time on that differs by more than this from what was asked for was cut short by the door or the board;
less is the coarseness of samples, and the asked share is nearer to the truth."""
MOST_MIST = 0.44
"""Share of an hour: the board's half an hour, less what a stroke that runs over takes from the next one."""
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


Foresee = Callable[[DecisionContext], Foresight | None]
Clock = Callable[[], float]
"""Seconds from any origin; only differences count. A clock that stands still makes the search run to its end."""


def planner(
    foresee: Foresee, clock: Clock, weights: Weights | None = None, setting: Search | None = None
) -> Callable[[DecisionContext], Decision]:
    """A controller that plans with `foresee`; deterministic as long as the clock leaves it the time."""
    chosen, how = weights or Weights(), setting or Search(width=2, rounds=8, pairs=10)

    def decide(context: DecisionContext) -> Decision:
        context = replace(context, memory=replace(context.memory, tent=_learned(context)))
        seen = foresee(context) if context.mode in ("NORMAL", "CAUTION") else None
        if seen is None or not seen.soil or not (look(context).vpd_kpa is not None or _remembers(context)):
            return rules.decide(context)
        return _plan(context, seen, chosen, how, clock)

    return decide


def _plan(context: DecisionContext, seen: Foresight, weights: Weights, how: Search, clock: Clock) -> Decision:
    end = clock() + context.settings.planning_ms / 1_000.0
    see = look(context)
    guide = rules.decide(context)
    aim, bounds = aim_ahead(context), bounds_ahead(see, seen.mist_h)
    before = np.array([0.0, *(context.memory.duty.get(name, 0.0) for name in COLUMN_OF), 0.0])
    moves = TentMoves(bounds)

    belief = context.memory.tent
    experience = Experience(belief) if belief.at is not None else None

    def terms(plans: Array) -> Terms:
        return judge(aim, _expected(seen, plans, experience), plans, before, weights)

    starts = np.concatenate([
        _starts(context, guide.plan, bounds),
        _hour_by_hour(bounds, lambda plans: hourly(aim, _expected(seen, plans, experience), plans, weights))])
    found = search(lambda plans: terms(plans).j, moves, starts, how, lambda: clock() >= end)
    ranked = terms(found.plans)
    return _decision(context, see, found, ranked, bounds)


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


def hours_ahead(context: DecisionContext) -> list[datetime]:
    """The starts of the planned hours, from now on."""
    return [context.now + HOUR * h for h in range(context.settings.horizon_h)]


def aim_ahead(context: DecisionContext) -> Aim:
    """The aims of each hour of the horizon, in the middle of the hour."""
    settings, hours = context.settings, hours_ahead(context)
    each = [aims_at(hour + HOUR / 2, settings, context.targets) for hour in hours]
    zone, now = ZoneInfo(settings.time_zone), look(context)
    light = np.array([_light_share(hour, zone, aims.light_start_h, aims.photoperiod_h)
                      for hour, aims in zip(hours, each, strict=True)])
    short = 0.0 if now.soil_temp_c is None else max(0.0, each[0].soil_temp_low_c - now.soil_temp_c)
    return Aim(
        light=light,
        vpd_low=np.array([a.vpd_kpa[0] + _edges(a)[0] for a in each]),
        vpd_high=np.array([a.vpd_kpa[1] - _edges(a)[1] for a in each]),
        air_low=np.array([a.air_temp_c[0] for a in each]),
        air_high=np.full(len(each), max(a.air_temp_c[1] for a in each)),  # a night as warm as a good day is no harm
        soil_low_pct=each[0].soil_low_pct - LATE_PCT, soil_high_pct=each[0].soil_high_pct, soil_temp_short=short,
        water_ml_per_hour=max(1.0, each[0].water_ml_per_day / 24.0),
        co2_s_per_hour=max(1.0, each[0].co2_s_per_day / max(1.0, each[0].photoperiod_h)),
        vpd_harm=_vpd_harm(each), air_harm=_air_harm(each))


def _edges(aims: Aims) -> tuple[float, float]:
    """How far inside the VPD band to aim, wet side and dry side; a narrow band is met in its middle."""
    wet, dry = EDGES_DAY_KPA if aims.light else EDGES_NIGHT_KPA
    share = min(1.0, 0.9 * (aims.vpd_kpa[1] - aims.vpd_kpa[0]) / (wet + dry))
    return wet * share, dry * share


def _vpd_harm(each: Sequence[Aims]) -> tuple[tuple[Array, Array], ...]:
    """Lines of harm of the air's dryness: a margin around the band, and what score.py counts as stress."""
    low, high = (np.array([a.vpd_kpa[k] for a in each]) for k in (0, 1))
    wet = np.array([WET_KPA[0] if a.light else WET_KPA[1] for a in each])
    return (low - DRY_MARGIN_KPA, high + DRY_MARGIN_KPA), (wet, high + DRY_MARGIN_KPA)


def _air_harm(each: Sequence[Aims]) -> tuple[tuple[Array, Array], ...]:
    """Lines of harm of the air's warmth: a margin around the band, and what score.py counts as stress."""
    low = np.array([a.air_temp_c[0] for a in each])
    warm = max(a.air_temp_c[1] for a in each)
    ones = np.ones(len(each))
    return (low - AIR_MARGIN_C, (warm + AIR_MARGIN_C) * ones), (COLD_C * ones, HOT_C * ones)


def _light_share(hour: datetime, zone: ZoneInfo, start_h: float, length_h: float) -> float:
    return light_seconds(hour, 3_600.0, zone, start_h, length_h)[1] / 3_600.0


def _mist_left(see: Look, used_h: Array, horizon: int) -> Array:
    """Hours of mist that may be used up to the end of each hour ahead, while what was used falls out of the day."""
    known_s = see.context.mist_used_s
    now_h = float(used_h.sum()) if known_s is None else known_s / 3_600.0
    leaving = np.concatenate([np.cumsum(used_h), np.full(max(0, horizon - len(used_h)), used_h.sum())])[:horizon]
    leaving[: _first_hours(see)] = 0.0  # the door asks what is left now, whatever is freed while the duty runs
    return np.asarray(np.maximum(0.0, MIST_H_PER_DAY - now_h + np.minimum(leaving, now_h)))


def bounds_ahead(see: Look, mist_h: Array | None = None) -> Bounds:
    """What the plan may do in each hour: budgets by local day, water by daylight, gas and heat by what is known."""
    context, aims = see.context, see.aims
    settings, hours = context.settings, hours_ahead(context)
    zone = ZoneInfo(settings.time_zone)
    light = np.array([_light_share(h, zone, aims.light_start_h, aims.photoperiod_h) for h in hours])
    if aims.light and light_rule(see).amount <= 0.0:
        light[: _first_hours(see)] = 0.0  # too hot for the lamp
    days = [hour.astimezone(zone).toordinal() for hour in hours]
    day_of = np.array([d - days[0] for d in days], dtype=np.int64)
    count = int(day_of.max()) + 1
    budgets = context.state.budgets
    water_left = np.full(count, aims.water_ml_per_day)
    water_left[0] = max(0.0, aims.water_ml_per_day - budgets.water_ml_used_today)
    gas_left = np.full(count, aims.co2_s_per_day)
    gas_left[0] = max(0.0, aims.co2_s_per_day - budgets.co2_seconds_used_today)
    water = np.where(light > 0.0, MOST_DOSE_ML, 0.0)
    last = context.memory.last_water_at
    pause_h = 0.0 if last is None else (settings.water_pause_s - (context.now - last).total_seconds()) / 3_600.0
    water[: max(0, int(np.ceil(pause_h)))] = 0.0
    if see.driest is not None and (see.driest.moisture_pct or 0.0) >= aims.soil_low_pct - LATE_PCT:
        water[: _first_hours(see)] = 0.0
    gas_ok = settings.use_co2 and context.mode == "NORMAL" and see.co2_ppm is not None and see.co2_ppm < aims.co2_ppm
    gas = np.full(len(hours), 100.0 if gas_ok else 0.0)
    if context.state.devices.light != "ON":
        gas[: _first_hours(see)] = 0.0  # the door gives none before the lamp is seen to shine
    heat_ok = see.soil_temp_c is not None and see.soil_temp_c < aims.soil_temp_low_c + 1.0
    return Bounds(
        light=light, water_ml=water, day_of=day_of, day_ml=water_left,
        humidifier=MOST_MIST if see.vpd_kpa is not None else 0.0,
        mist_left_h=_mist_left(see, np.zeros(DAY_H) if mist_h is None else mist_h, len(hours)),
        heater=np.full(len(hours), 0.75 if heat_ok else 0.0), co2_s=gas,
        co2_left_s=gas_left, exhaust_most=np.ones(len(hours)), first_h=_first_hours(see))


def _first_hours(see: Look) -> int:
    """Hours until the next decision: the cycle, or the next edge of the light if that comes first."""
    cycle_h = max(1, round(see.cycle_s / 3_600.0))
    edge_s = see.aims.light_for_s if see.aims.light else see.aims.light_starts_in_s
    return int(min(cycle_h, max(1, round(edge_s / 3_600.0))))


def _starts(context: DecisionContext, guide: PlanV1, bounds: Bounds) -> Array:
    """Plans to start from: the rules held on, the last plan shifted to now, and plain ones at several exhausts."""
    horizon = len(bounds.light)
    plain = np.zeros((horizon, 7))
    plain[:, LIGHT], plain[:, CIRCULATION] = bounds.light, 1.0
    held = plain.copy()
    step = guide.steps[0]
    for name, column in COLUMN_OF.items():
        if column != LIGHT:
            held[:, column] = getattr(step, name)
    held[0, WATER] = step.water_ml
    starts = [held]
    for share in (0.0, 0.1, 0.25, 0.5, 1.0):
        other = plain.copy()
        other[:, EXHAUST] = share
        starts.append(other)
    shifted = _shifted(context, horizon, plain)
    if shifted is not None:
        starts.append(shifted)
    return np.stack(starts)


def _hour_by_hour(bounds: Bounds, gain: Callable[[Array], Array]) -> Array:
    """Plans [S, H, 7] of the duties that would be best in each stretch of hours if nothing carried over.

    The air follows its duties within minutes, so this is nearly right for the air, and keeps the search out of plans
    that every small edit makes worse. Mist has a price in each: at the right one the day's budget reaches to its end.
    """
    horizon = len(bounds.light)
    pairs = np.array(list(product(GRID_EXHAUST, GRID_MIST)))
    plans = np.zeros((len(pairs), horizon, 7))
    plans[:, :, LIGHT], plans[:, :, CIRCULATION] = bounds.light, 1.0
    plans[:, :, EXHAUST], plans[:, :, HUMIDIFIER] = pairs[:, :1], pairs[:, 1:]
    each = gain(plans)
    edges = [0, bounds.first_h, *range(bounds.first_h + 1, horizon + 1)]
    made = np.empty((len(MIST_PRICES), horizon, 7))
    for row, price in enumerate(MIST_PRICES):
        worth = each - price * pairs[:, 1:]
        for start, stop in pairwise(edges):
            best = int(worth[:, start:stop].sum(axis=1).argmax())
            made[row, start:stop] = plans[best, start:stop]
    return made


def _shifted(context: DecisionContext, horizon: int, plain: Array) -> Array | None:
    """The last plan, moved to now; hours it did not reach are plain."""
    last = context.memory.last_plan
    if last is None or last.controller != "mpc":
        return None
    past = round((context.now - last.ts).total_seconds() / 3_600.0)
    steps = last.steps[past : past + horizon]
    if not steps:
        return None
    plan = plain.copy()
    for hour, step in enumerate(steps):
        plan[hour, WATER], plan[hour, CO2] = step.water_ml, step.co2_seconds
        for name, column in COLUMN_OF.items():
            plan[hour, column] = getattr(step, name)
    if past == 0:  # the dose of this hour has been asked for already
        plan[0, WATER] = 0.0
    return plan


def _decision(context: DecisionContext, see: Look, found: Found, terms: Terms, bounds: Bounds) -> Decision:
    best, first = found.plans[0], bounds.first_h
    wishes = _wishes(see, best, first)
    steps = tuple(
        PlanStep(
            start=context.now + HOUR * hour, water_ml=round(float(row[WATER]), 1), light=_share(row[LIGHT]),
            circulation_fan=_share(row[CIRCULATION]), exhaust_fan=_share(row[EXHAUST]),
            humidifier=_share(row[HUMIDIFIER]), heater_mat=_share(row[HEATER]), co2_seconds=round(float(row[CO2]), 1))
        for hour, row in enumerate(best))
    made = build_decision(
        context, "mpc", wishes, steps=steps, horizon_h=float(len(best)), score=_score(terms, 0),
        rejected=_rejected(found, terms), explanation=_explain(wishes, terms))
    return made


def _share(value: float) -> float:
    return round(float(min(1.0, max(0.0, value))), 3)


def _wishes(see: Look, plan: Array, first: int) -> list[Wish]:
    """The first hours of the plan as wishes; the rules' own caution about water stays in force."""
    cycle_s, row = see.cycle_s, plan[0]
    wishes = [light_rule(see)]
    for name, column in COLUMN_OF.items():
        if column == LIGHT:
            continue
        share = float(row[column])
        text = f"{name.replace('_', ' ')} {share:.0%} of the time" if share > 0.0 else "not worth it in this plan"
        wishes.append(Wish(name, share * cycle_s, text, ("plan",), "vpd_in_band", spread=share < 1.0))
    wishes.append(_water_wish(see, float(plan[:first, WATER].sum())))
    gas_s = float(plan[:first, CO2].sum()) * cycle_s / (3_600.0 * first)
    text = f"{gas_s:.0f} s of gas" if gas_s else "not worth it in this plan"
    # At once, not spread: eight strokes of the valve bring no more than two.
    wishes.append(Wish("co2_solenoid", gas_s, text, ("plan",), "photosynthesis"))
    return wishes


def _water_wish(see: Look, planned_ml: float) -> Wish:
    """The plan's dose; where a probe is doubted, no more than the rules would give."""
    if planned_ml <= 0.0:
        return Wish("water_pump", 0.0, "the plan waters later or not at all")
    dose = min(planned_ml, MOST_DOSE_ML)
    if see.doubted:
        rule = water_rule(see)
        dose = min(dose, rule.amount)
        if dose <= 0.0:
            return Wish("water_pump", 0.0, f"a probe is doubted: {rule.text}")
    text = f"{dose:.0f} ml now, before the soil runs dry"
    return Wish("water_pump", dose, text, ("plan",), "reduce_water_stress", pulses=max(1, round(dose / PULSE_ML)))


def _score(terms: Terms, index: int) -> Score:
    return Score(
        j=round(float(terms.j[index]), 6), yield_proxy=round(float(terms.yield_proxy[index]), 6),
        stress=round(float(terms.stress[index]), 6), resource_use=round(float(terms.resource_use[index]), 6),
        action_churn=round(float(terms.action_churn[index]), 6))


def _rejected(found: Found, terms: Terms) -> tuple[RejectedPlan, ...]:
    """The next best plans: what differs from the chosen one, and which term decided."""
    rows = []
    for index in range(1, min(4, len(found.plans))):
        rows.append(RejectedPlan(
            summary=_difference(found.plans[0], found.plans[index]), score=_score(terms, index),
            why=_why(terms, index)))
    return tuple(rows)


def _difference(best: Array, other: Array) -> str:
    """The output and hours in which another plan differs most, in words."""
    gap = np.abs(other - best) / np.array([100.0, 1.0, 1.0, 1.0, 1.0, 1.0, 30.0])
    column = int(gap.sum(axis=0).argmax())
    hours = np.flatnonzero(gap[:, column] > 1e-9)
    if len(hours) == 0:
        return "the same but for roundings"
    name = ("water_ml", *COLUMN_OF, "co2_seconds")[column]
    mine, theirs = best[hours, column].mean(), other[hours, column].mean()
    return f"{name} {theirs:.2f} instead of {mine:.2f} in hours {hours[0]}-{hours[-1]}"


def _why(terms: Terms, index: int) -> str:
    parts = {
        "more stress": float(terms.stress[index] - terms.stress[0]),
        "less yield": float(terms.yield_proxy[0] - terms.yield_proxy[index]),
        "more use": float(terms.resource_use[index] - terms.resource_use[0]),
        "more switching": float(terms.action_churn[index] - terms.action_churn[0]) / 20.0,
    }
    name = max(parts, key=lambda key: parts[key])
    return f"J {terms.j[index]:.4f} against {terms.j[0]:.4f}: {name}"


def _explain(wishes: list[Wish], terms: Terms) -> str:
    doing = "; ".join(w.text for w in wishes if w.amount > 0.0)
    return f"J {terms.j[0]:.3f}, stress {terms.stress[0]:.3f} per hour: {doing}"


__all__ = ["Foresight", "aim_ahead", "bounds_ahead", "planner"]
