"""The planner: looks 24-36 hours ahead through the learned world model and asks for the best plan's first hours.

The idea is model predictive control (Rawlings, Mayne and Diehl, "Model Predictive Control", 2nd ed. 2017): predict what
a whole plan would do, judge it by an objective, ask for its first hours only, and plan again when two hours have passed
or something has happened. Feedback comes from planning anew, so a model that is a little wrong does not drift away.

One decision:

1. `parameter_estimation` learns from the last half hour, if its duties were in force long enough to mean something.
2. `world_model_adapter` binds the learned model to the present state and the weather: plans in, courses of VPD, air
   temperature and soil moisture out, with the forecast's intervals.
3. `horizon` says what each hour aims at and what is allowed in it: light hours, what is left of rolling 24 h budgets,
   pauses. `watering` says from which moisture on the driest pot is watered.
4. `initial_plans` gives plans to begin from: what the rules would do, the last plan moved to now, plain ones, and the
   duties that are best hour by hour. `beam_search` improves them by the edits of `plan_edits`, scored by `objective`.
5. The first hours of the best plan become requests, with the reason in the grower's terms; `plan_explanation` records
   the score and the next best plans.

What holds whatever the search finds: the chosen plan is never worse than the rules' plan by the planner's own measure,
because that plan is scored first; a plan exists before the first round ends (anytime); every plan is inside its bounds,
because edits are projected onto them; and the guardrails judge each request again, they trust no planner. With a
doubted probe no dose fills a pot that may be wet (`watering`). Without a model that has learned a day, or without any
probe that is heard, the tent's balances decide on exhaust and mist and the rules on the rest, water for full pots
included (`_without_model`). In the modes SAFE and PAUSED the rules decide.

Alternatives considered. Gradient methods and quadratic programmes want a smooth objective; doses, relay strokes and
lines of harm are not. Dynamic programming wants a small state; two soil zones, air and three budgets are not. Random
shooting and the cross-entropy method need thousands of rollouts to place a dose to the hour, and their answer changes
with the seed. A beam over structured edits is deterministic, stops whenever it must, and reaches the counted optimum
within 1 % on problems small enough to count (`tests/control/test_beam.py`).

Determinism: with a clock that stands still the search runs to its end, and equal inputs give equal plans to the last
bit; replay and simulation depend on that. A real clock only ever ends it earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import GAS, MIST, OUTPUT_BY_NAME, PUMP, VENT
from shared_schemas.records.plan_v1 import CropCost, PlanStep
from tomato_host.brain.control import rules
from tomato_host.brain.control.context import ControlDecision, ControllerMemory, DecisionContext, elapsed_s
from tomato_host.brain.control.control_inputs import PROBE_ERROR_PCT, ControlInputs, read_inputs
from tomato_host.brain.control.model_error import AIR, SENSOR_SD, compare
from tomato_host.brain.control.parameter_estimation import (
    SD_80,
    DutyMeasurement,
    NearTermModel,
    learn,
    without_daily_course,
)
from tomato_host.brain.control.plan_columns import (
    AMOUNTS,
    COLUMN_OF,
    COLUMNS,
    DAY_H,
    DOSE_K,
    GAS_K,
    INDEX,
    LAMP_K,
    MEASURED_ON,
)
from tomato_host.brain.control.planner.beam_search import SearchResult, SearchSettings, search
from tomato_host.brain.control.planner.crop_decision import decided_costs
from tomato_host.brain.control.planner.crop_horizon import RecentHours, crop_aim
from tomato_host.brain.control.planner.drippers import DripperKnowledge, Parting, dripper_shares, room_ml
from tomato_host.brain.control.planner.horizon import HOUR, MAX_MIST_SHARE, horizon_targets, plan_bounds
from tomato_host.brain.control.planner.initial_plans import baseline_plans, hourwise_plans, plain_plan, shifted
from tomato_host.brain.control.planner.objective import Expected, HorizonTargets, Terms, Weights, hourly, judge
from tomato_host.brain.control.planner.plan_edits import Bounds, TentPlanEdits
from tomato_host.brain.control.planner.plan_explanation import duty_reason, explain, gas_reason, rejected, score_of
from tomato_host.brain.control.planner.safeguard import Belief, Comparison, PolicyRollout, debt_after, way
from tomato_host.brain.control.planner.watering import (
    first_water,
    water_demand,
    water_request,
    water_shortage,
    wettest_pct,
)
from tomato_host.brain.control.proposals import OutputRequest, build_decision
from tomato_host.brain.control.rules import light as light_rule
from tomato_host.brain.control.strokes import stroke_count

Array = NDArray[np.float64]
CUT_SHORT = 0.12
"""A share of time on that differs by more than this from what was asked for was cut short by the guardrails or the
board; less is the coarseness of samples, and the asked share is nearer to the truth."""
ESTIMATE_VALID_FOR = 4 * HOUR
"""So long the planner goes on by what it has learned while a doubted reading of the air teaches nothing new."""
SAFEGUARD_SHARE = 1.2
"""Of the planning time is kept for the safeguard, and for the batch during which the deadline comes, this many times
what the decision took until the search began: both are rollouts of one model on one machine, slow or fast."""
STEADY_AFTER_S = 1_500.0
"""Duties must have been in force this long before the last half hour tells anything of them."""


@dataclass(frozen=True, slots=True)
class PlannerModel:
    """What the planner may look through at this moment: the learned model, bound to the present and the weather."""

    roll: Callable[[Array], Mapping[str, Array]]
    """Plans [B, H, K] (columns as in objective, any H up to the horizon) -> courses [B, H]: vpd_kpa, air_temp_c and
    each name in `soil`."""
    soil: tuple[str, ...]
    """Names of the soil zones in the courses, those whose probe is trusted; heard, where none is."""
    spread: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    """Forecast intervals as offsets (low, high) [H] from the mean: vpd_kpa, air_temp_c, soil."""
    mist_h: Array = field(default_factory=lambda: np.zeros(DAY_H))
    """Hours of mist in each of the last 24 whole hours, the newest last."""
    water_h: Array = field(default_factory=lambda: np.zeros(DAY_H))
    """Water in these hours, in ml."""
    drippers_known: bool = True
    """Whether the model has learned how much each dripper gives; until then pots are kept full."""
    asked_ml: float = 0.0
    """What the thirstiest pot has asked for in the last day, in ml of pumped water, as measured; 0: not known."""
    past: RecentHours = field(default_factory=RecentHours)
    """Air and soil of these hours, which fruit remembers."""
    parted: Parting | None = None
    """What the last days' readings say of the drippers."""


ModelBinder = Callable[[DecisionContext], PlannerModel | None]
Clock = Callable[[], float]
"""Seconds from any origin; only differences count. A clock that stands still makes the search run to its end."""


def planner(
    bind_model: ModelBinder, clock: Clock, weights: Weights | None = None, setting: SearchSettings | None = None
) -> Callable[[DecisionContext], ControlDecision]:
    """A controller that plans with `bind_model`; deterministic as long as the clock leaves it the time."""
    chosen, how = weights or Weights(), setting or SearchSettings(width=2, rounds=8, pairs=10)

    def decide(context: DecisionContext) -> ControlDecision:
        began = clock()
        context = replace(context, memory=_learned(context))
        seen = bind_model(context) if context.mode in ("NORMAL", "CAUTION") else None
        if seen is None or not seen.soil or not (read_inputs(context).vpd_kpa is not None or _remembers(context)):
            return _without_model(context, chosen) if seen is None else _ruled(context)
        return _plan(context, seen, chosen, how, clock, began)

    return decide


def _plan(
    context: DecisionContext, seen: PlannerModel, weights: Weights, how: SearchSettings, clock: Clock, began: float
) -> ControlDecision:
    inputs = read_inputs(context)
    guide = rules.decide(context)
    plain = plain_plan(horizon_targets(context).light_share)
    last = shifted(context, len(plain), plain)
    duties, day_ml = plain if last is None else last, float(context.budgets.water_ml_per_day)
    foreseen = water_demand(seen.roll, seen.soil, duties, day_ml)
    demand = max(foreseen, seen.asked_ml / max(1.0, day_ml))
    drippers = _dripper_knowledge(inputs, seen, duties)
    wettest = wettest_pct(inputs.setpoints, drippers.known)
    room = room_ml(inputs, drippers.shares, water_shortage(demand) > 0.0, wettest)
    aim = replace(horizon_targets(context, demand, drippers.known), crop=crop_aim(context, seen.past))
    bounds = plan_bounds(inputs, seen.mist_h, seen.water_h, demand, room, drippers.known)
    before = np.zeros(COLUMNS)
    for name, column in COLUMN_OF.items():
        before[column] = context.memory.duty.get(name, 0.0)
    moves = TentPlanEdits(bounds)

    experience = near_term(context)

    def terms(plans: Array) -> Terms:
        return judge(aim, _expected(seen, plans, experience), plans, before, weights)

    starts = np.concatenate(
        [
            baseline_plans(context, guide.plan, bounds),
            hourwise_plans(bounds, lambda plans: hourly(aim, _expected(seen, plans, experience), plans, weights)),
        ]
    )
    end = began + context.settings.planning_ms / 1_000.0 - SAFEGUARD_SHARE * (clock() - began)
    found = search(lambda plans: terms(plans).j, moves, starts, how, lambda: clock() >= end)
    requests = _requests(inputs, found.plans[0], bounds.first_h, demand, drippers)
    chosen = _safeguarded(inputs, seen, aim, bounds, requests)
    if chosen.requests is None:
        # The rules' steps end with the first hours: what the plan would have done later is not announced.
        near = found.plans[0][: bounds.first_h]
        water = _plan_water(inputs, near, bounds.first_h, demand, drippers) if chosen.waters else None
        made = _ruled(context, _not_taken(chosen), water, drippers.tasks)
    else:
        crop = decided_costs(found.plans, starts, moves, terms, weights, lambda: clock() >= end)
        made = _decision(context, chosen.requests, found, terms(found.plans), crop, drippers.tasks)
    memory = replace(made.memory, debt_h=chosen.debt_h)
    return replace(made, memory=_expecting(memory, seen, found.plans[0], experience))


def _dripper_knowledge(inputs: ControlInputs, seen: PlannerModel, duties: Array) -> DripperKnowledge:
    """What is known of the drippers, their shares by the model under `duties` [H, K]."""
    shares = dripper_shares(seen.roll, seen.soil, duties)
    drains_pct = inputs.setpoints.soil_high_pct - 2.0 * PROBE_ERROR_PCT
    return DripperKnowledge(shares, seen.drippers_known, seen.parted, drains_pct)


def _ruled(
    context: DecisionContext,
    explanation: str = "",
    water: OutputRequest | None = None,
    tasks: tuple[str, ...] = (),
) -> ControlDecision:
    """What the rules decide, in as few strokes as the planner's, the means are the same.

    `water`: what is asked for in place of the rules' water. `tasks`: as in the plan's record.
    """
    if context.mode not in ("NORMAL", "CAUTION"):
        return rules.decide(context)
    cycle_s = float(context.settings.cycle_s)
    requests = [_few_strokes(one, cycle_s) for one in _with_water(rules.requests(read_inputs(context)), water)]
    return build_decision(context, "rules", requests, explanation=explanation, tasks=tasks)


def _without_model(context: DecisionContext, weights: Weights) -> ControlDecision:
    """While there is nothing to look through: air by the tent's balances, pots kept full, the rest as the rules decide.

    The rules are content at the edge of the band, and a sensor's place alone makes more than what parts that from
    outside it. The balances know a tent by its nameplate and by each half hour since, so the air can be aimed at the
    middle from the first hour on. Before the first half hour they know no room: air outside its bands is the rules'.
    """
    inputs = read_inputs(context)
    water = first_water(inputs)
    if context.mode not in ("NORMAL", "CAUTION") or not _balances_know(inputs):
        return _ruled(context, water=water)
    aim, bounds = horizon_targets(context), plan_bounds(inputs)
    tent = NearTermModel(context.memory.tent, context.memory.model_error.sd)

    def gain(plans: Array) -> Array:
        return hourly(aim, _by_balances(tent, aim, plans), plans, weights)

    plans = TentPlanEdits(bounds).project(hourwise_plans(bounds, gain))
    best = plans[int(gain(plans).mean(axis=1).argmax())]
    air = {one.output: one for one in _duty_requests(inputs, best[0])}
    requests = _with_water(rules.requests(inputs, air[VENT.name], air[MIST.name]), water)
    return build_decision(context, "rules", [_few_strokes(one, inputs.cycle_s) for one in requests])


def _balances_know(inputs: ControlInputs) -> bool:
    """Whether the balances may decide on the air: it is measured, and a half hour was learned or all is well."""
    if inputs.vpd_kpa is None or inputs.air_temp_c is None:
        return False
    low, high = inputs.setpoints.vpd_kpa
    cold, warm = inputs.setpoints.air_temp_c
    well = low <= inputs.vpd_kpa <= high and cold <= inputs.air_temp_c <= warm
    return well or inputs.context.memory.tent.at is not None


def _by_balances(tent: NearTermModel, aim: HorizonTargets, plans: Array) -> Expected:
    """What the balances alone expect of plans [B, H, K]; of the soil they know nothing, so it counts for nothing."""
    air, still = tent.expected(plans), np.zeros(plans.shape[1])
    spread = tent.spread(dict.fromkeys(air, (still, still)), plans.shape[1])
    moist = np.full(plans.shape[:2], aim.soil_low_pct)
    return Expected(air, moist, moist, spread, _felt(spread))


def _few_strokes(request: OutputRequest, cycle_s: float) -> OutputRequest:
    """The same amount in few strokes; gas at once, for eight openings of the valve bring no more than one.

    Mist up to what a plan may ask for: more meets the board's budget of an hour, which gives it in short pieces.
    """
    if request.output == GAS.name:
        return replace(request, spread=False)
    if not request.spread or request.output not in COLUMN_OF:
        return request
    amount = min(request.amount, MAX_MIST_SHARE * cycle_s) if request.output == MIST.name else request.amount
    return replace(request, amount=amount, strokes=stroke_count(OUTPUT_BY_NAME[request.output], amount, cycle_s))


def _water_of(requests: list[OutputRequest]) -> OutputRequest:
    return next(one for one in requests if one.output == PUMP.name)


def _with_water(requests: list[OutputRequest], water: OutputRequest | None) -> list[OutputRequest]:
    return [water if water is not None and one.output == PUMP.name else one for one in requests]


def near_term(context: DecisionContext) -> NearTermModel | None:
    """What the tent's own lessons say of plans; None before the first one."""
    belief = context.memory.tent
    return None if belief.at is None else NearTermModel(belief, context.memory.model_error.sd)


@dataclass(frozen=True, slots=True)
class _Safeguarded:
    """What may be asked for, how the plan compared, and what is owed then."""

    requests: list[OutputRequest] | None
    """None: what the rules ask for, except for water where `waters`."""
    waters: bool
    """Whether the plan waters where its air is not what may be asked for; else the rules do."""
    plan: Comparison
    debt_h: float


def _safeguarded(
    inputs: ControlInputs, seen: PlannerModel, aim: HorizonTargets, bounds: Bounds, requests: list[OutputRequest]
) -> _Safeguarded:
    """The plan's requests, else those of its halves that give the most water, else the rules: the first that holds.

    Air and water are judged apart, for a plan whose air is doubted may be right about the water, and what a pot does
    not get today is missing for days: no rollout of hours shows that.
    """
    ruled = rules.requests(inputs)
    planned, usual = _water_of(requests), _water_of(ruled)
    plan_waters = planned.amount >= usual.amount
    mixed = _with_water(ruled, planned) if plan_waters else _with_water(requests, usual)
    memory = inputs.context.memory
    hours = (elapsed_s(inputs.now, memory.decided_at) or 0.0) / 3_600.0
    owed = debt_after(memory.debt_h, 0.0, hours)
    rollout = PolicyRollout(seen.roll, seen.soil, inputs, aim, Belief(memory.tent, memory.model_error), bounds.first_h)
    plan, half, rule = rollout.compare(np.stack([way(each, inputs.cycle_s) for each in (requests, mixed, ruled)]))
    if plan.holds(owed) or plan.worse_h <= rule.worse_h:
        return _Safeguarded(requests, True, plan, debt_after(owed, plan.worse_h, 0.0))
    if half.holds(owed) or half.worse_h <= rule.worse_h:
        debt_h = debt_after(owed, half.worse_h, 0.0)
        return _Safeguarded(None if plan_waters else mixed, plan_waters, plan, debt_h)
    return _Safeguarded(None, False, plan, owed)


def _not_taken(chosen: _Safeguarded) -> str:
    cost = f"safeguard: the plan could cost {chosen.plan.worse_h:.2f} h more stress than the rules"
    return f"{cost}, so the rules decide" + (", except on the water" if chosen.waters else "")


def _expecting(
    memory: ControllerMemory, seen: PlannerModel, plan: Array, experience: NearTermModel | None
) -> ControllerMemory:
    """The memory with what is expected of the first hour under the duties that are asked for."""
    asked = plan.copy()
    for name, column in COLUMN_OF.items():
        asked[0, column] = memory.duty.get(name, 0.0) if column != LAMP_K else plan[0, column]
    series = seen.roll(asked[None])
    if experience is not None:
        series = experience.correct(series, asked[None])
    expected = float(series["air_temp_c"][0, 0]), float(series["vpd_kpa"][0, 0])
    return replace(memory, model_error=replace(memory.model_error, expected=expected))


def _expected(seen: PlannerModel, plans: Array, experience: NearTermModel | None) -> Expected:
    series, spread = seen.roll(plans), seen.spread
    if experience is not None:
        series, spread = experience.correct(series, plans), experience.spread(spread, plans.shape[1])
    zones = np.stack([series[name] for name in seen.soil])
    return Expected(series, zones.min(axis=0), zones.max(axis=0), spread, _felt(spread))


def _felt(spread: Mapping[str, tuple[Array, Array]]) -> dict[str, tuple[Array, Array]]:
    """Intervals of what the plants feel: those of what will be measured, and what the place of a sensor makes."""
    wide = dict(spread)
    for name, sd in zip(AIR, SENSOR_SD, strict=True):
        if name in wide:
            low, high = wide[name]
            wide[name] = (-np.hypot(low, SD_80 * sd), np.hypot(high, SD_80 * sd))
    return wide


def _remembers(context: DecisionContext) -> bool:
    """Whether the belief is fresh enough to plan by while the air's reading is doubted; without mist, then."""
    at = context.memory.tent.at
    return at is not None and timedelta(0) <= context.now - at <= ESTIMATE_VALID_FOR  # ahead: a clock was set


def _learned(context: DecisionContext) -> ControllerMemory:
    """The memory with what the last half hour teaches of tent and model, when its duties were in force long enough."""
    memory, inputs = context.memory, read_inputs(context)
    if memory.decided_at is None or (context.now - memory.decided_at).total_seconds() < STEADY_AFTER_S:
        return memory
    air = {name: value for name, value in context.recent.items() if name in AIR}
    if len(air) < len(AIR) or inputs.vpd_kpa is None:
        return memory
    duty = [0.0] * COLUMNS
    for name, column in COLUMN_OF.items():
        duty[column] = memory.duty.get(name, 0.0)
    duty[LAMP_K] = 1.0 if duty[LAMP_K] > 0.0 else 0.0
    cut = False
    for name, column in MEASURED_ON.items():
        seen = context.recent.get(name, duty[column])
        if abs(seen - duty[column]) > CUT_SHORT:
            duty[column], cut = seen, True
    error, felt = memory.model_error, without_daily_course(memory.tent, context.now, air)
    return replace(
        memory,
        tent=learn(memory.tent, DutyMeasurement(context.now, tuple(duty), air)),
        model_error=replace(error, expected=None) if cut else compare(error, felt),
    )


def _decision(
    context: DecisionContext,
    requests: list[OutputRequest],
    found: SearchResult,
    terms: Terms,
    crop: tuple[CropCost, ...],
    tasks: tuple[str, ...],
) -> ControlDecision:
    best = found.plans[0]
    steps = tuple(
        PlanStep(start=context.now + HOUR * hour, **{name: _rounded(name, float(row[k])) for name, k in INDEX.items()})
        for hour, row in enumerate(best)
    )
    return build_decision(
        context,
        "mpc",
        requests,
        steps=steps,
        horizon_h=float(len(best)),
        score=score_of(terms, 0),
        rejected=rejected(found, terms),
        crop_costs=crop,
        tasks=tasks,
        explanation=explain(requests, terms, crop),
    )


def _rounded(column: str, value: float) -> float:
    """As it is recorded: tenths of a ml or a second, thousandths of a share."""
    return round(value, 1) if column in AMOUNTS else round(min(1.0, max(0.0, value)), 3)


def _plan_water(
    inputs: ControlInputs, plan: Array, first: int, demand: float, drippers: DripperKnowledge
) -> OutputRequest:
    """The water of the plan's first hours; the sentence knows of the doses in `plan`, and of none after it."""
    doses = np.flatnonzero(plan[:, DOSE_K])
    next_h = int(doses[0]) if len(doses) else None
    return water_request(inputs, float(plan[:first, DOSE_K].sum()), demand, next_h, drippers)


def _requests(
    inputs: ControlInputs, plan: Array, first: int, demand: float, drippers: DripperKnowledge
) -> list[OutputRequest]:
    """The first hours of the plan as requests; the rules' own caution about water stays in force."""
    cycle_s = inputs.cycle_s
    requests = [light_rule(inputs), *_duty_requests(inputs, plan[0])]
    requests.append(_plan_water(inputs, plan, first, demand, drippers))
    gas_s = float(plan[:first, GAS_K].sum()) * cycle_s / (3_600.0 * first)
    requests.append(OutputRequest(GAS.name, gas_s, gas_reason(inputs, gas_s, plan[0]), ("plan",), "photosynthesis"))
    return requests


def _duty_requests(inputs: ControlInputs, row: Array) -> list[OutputRequest]:
    """The duties of a plan's hour [K], the lamp's left out."""
    requests, cycle_s = list[OutputRequest](), inputs.cycle_s
    for name, column in COLUMN_OF.items():
        if column == LAMP_K:
            continue
        share = float(row[column])
        text = duty_reason(inputs, name, share)
        strokes = stroke_count(OUTPUT_BY_NAME[name], share * cycle_s, cycle_s)
        requests.append(
            OutputRequest(name, share * cycle_s, text, ("plan",), "vpd_in_band", spread=share < 1.0, strokes=strokes)
        )
    return requests
