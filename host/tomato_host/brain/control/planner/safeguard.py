"""The safeguard: a plan is taken only where it is not expected to cost the plants more stress than the rules would.

The idea is policy improvement by rollout (Bertsekas, "Reinforcement Learning and Optimal Control", 2019, ch. 2), with
two policies of known conduct, the *base policies*: the rules, and going on with the duties in force. At every decision
futures are rolled through the same model: both policies from now on, and the plan's first hours followed by either.
Their difference D is what the choice of now is worth, in hours of stress, whatever the planner hopes to do later. With
the rules as the only base policy a plan was charged with their conduct: little mist in a closed tent brings a night
into its band, the rules see it there and end the mist, and the dry hour that followed counted against the plan.

**What is proven.** Let V(x) be the stress hours from state x on, the duties in force included, under the better of the
base policies, so never more than under the rules; Q(x, u) those when u is done first and the better one follows;
D = Q - V. Any policy that takes u_1, u_2 ... in the states x_1, x_2 ... costs V(x_1) + D_1 + D_2 and
so on (the performance difference lemma, Kakade and Langford 2002, Proc. ICML). Proof: the cost of step k is
Q(x_k, u_k) - V(x_k+1), which is D_k + V(x_k) - V(x_k+1), and the sum of these telescopes. So it is enough to bound the
sum of D. It is kept as a *debt*: D is added to it, a gain pays it back but is never saved up to be spent on harm, and
it fades within a week. A way is taken where D is at most EACH_H and the debt stays at most DEBT_H. So while plans are
taken a week costs about one hour more than it would have under the rules, at most. Not covered are decisions of the
rules where going on would be better (no plan holds, their D is above 0 and not counted), and plans that are taken
because the rules would be worse still (counted, without a bound).

**Under which assumptions.**

1. *The belief is calibrated.* The truth is one of SCENARIOS draws: of the tent's parameters by their learned
   covariance (`parameter_estimation`), of this tent's own model error as past plans have shown it (`model_error`), and
   of what the place of a sensor makes. D is taken at the pessimistic quantile QUANTILE of the draws, paired: the same
   draw for both futures, for what is wrong with the model is wrong with both. Its mean must hold as well, for rare
   great harm hides behind a quantile. With an exact model the bound holds as it stands. With a calibrated belief it
   holds in expectation, and each decision by itself with probability QUANTILE. Where the belief is not calibrated
   nothing is promised.
2. *What a choice does is over within ROLLOUT_H hours.* The air forgets its duties within minutes. Soil does not: but a
   dose is never smaller than the rules' once a zone is overdue (`watering`), and the rules' own dose is among what is
   rolled.
3. *The rules see what the model says they see*, hourly means without sensor noise, every two hours.

**When it fails** the rules decide, with their own plan, and the record says by how much the plan was worse; but where
the rules would be worse still (what is in force is better than both), the plan is taken and charged. Before the rules
the half of the plan is tried that gives more water: its water with the rules' air, or its air with the rules' water.
Air and water are judged apart because a dose that is not given is missing for days, which no rollout of hours shows.

Alternatives considered. Comparing whole plans, open loop, favours the planner: rules react to what they see, and a
fixed plan stands for them badly. A margin on the objective J is a margin in its unit, not in hours of stress. Comparing
both futures by their own quantile is blind to what both have in common.

All is deterministic: the draws are a table made once from a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import PUMP
from tomato_host.brain.control import rules
from tomato_host.brain.control.control_inputs import ControlInputs
from tomato_host.brain.control.model_error import SENSOR_SD, ModelError
from tomato_host.brain.control.parameter_estimation import KNOWN, DrawnTents, ParameterEstimate
from tomato_host.brain.control.plan_columns import COLUMN_OF, COLUMNS, DOSE_K, GAS_K, LAMP_K
from tomato_host.brain.control.planner.objective import AIR_RAMP_C, SOIL_RAMP_PCT, VPD_RAMP_KPA, HorizonTargets, beyond
from tomato_host.brain.control.proposals import OutputRequest
from tomato_host.brain.control.targets import Setpoints, setpoints_at
from tomato_host.brain.psychrometric_arrays import rh_array_pct

Array = NDArray[np.float64]
ROLLOUT_H = 6
"""Hours that both futures are rolled."""
QUANTILE = 0.8
EACH_H = 0.25
"""Most that one decision may cost, in stress hours ..."""
DEBT_H = 1.0
"""... and all of about a week together."""
FADES_H = 168.0
ERROR_DIMENSIONS = 4
"""Model and sensor, air and VPD."""


STRATA = (0.13, 0.39, 0.67, 1.04, 1.64)
"""Middles of five equally probable strata of the absolute value of a standard normal number."""


def _draws() -> Array:
    """[11, 9 + ERROR_DIMENSIONS] of standard normal numbers, the first row zero, always the same.

    A Latin hypercube (McKay, Beckman and Conover 1979, Technometrics 21): in each dimension every stratum once on
    either side, so that few draws reach the tails of all.
    """
    rng, dimensions = np.random.default_rng(22), KNOWN + ERROR_DIMENSIONS
    half = np.stack([rng.permutation(STRATA) * rng.choice((-1.0, 1.0), len(STRATA)) for _ in range(dimensions)], axis=1)
    return np.concatenate([np.zeros((1, dimensions)), half, -half])


SCENARIOS = _draws()


@dataclass(frozen=True, slots=True)
class Belief:
    """What is drawn from: the tent's parameters, and how far the model has been from this tent."""

    tent: ParameterEstimate
    error: ModelError


@dataclass(frozen=True, slots=True)
class Comparison:
    """Stress hours within ROLLOUT_H of one way to begin, less those of the best base policy."""

    mean_h: float
    pessimistic_h: float
    """At QUANTILE of the draws."""

    @property
    def worse_h(self) -> float:
        """What is charged: rare great harm must not hide behind a quantile, nor common harm behind a mean."""
        return max(self.mean_h, self.pessimistic_h)

    def holds(self, debt_h: float) -> bool:
        """Whether the way may be taken when so much is owed already."""
        return self.worse_h <= EACH_H and (self.worse_h <= 0.0 or debt_h + self.worse_h <= DEBT_H)


def _compared(worse: Array) -> Comparison:
    """What is said of the differences [S] of all draws."""
    return Comparison(float(worse.mean()), float(np.quantile(worse, QUANTILE, method="higher")))


def _worse(comparison: Comparison) -> float:
    return comparison.worse_h


def debt_after(debt_h: float, worse_h: float, hours: float) -> float:
    """The debt `hours` after the last decision and with this one, in stress hours."""
    return max(0.0, debt_h * math.exp(-max(0.0, hours) / FADES_H) + worse_h)


class PolicyRollout:
    """Rolls ways to begin, followed by the base policies, through every draw of the belief."""

    def __init__(
        self,
        roll: Callable[[Array], Mapping[str, Array]],
        zones: Sequence[str],
        inputs: ControlInputs,
        aim: HorizonTargets,
        belief: Belief,
        first_h: int,
    ) -> None:
        self._roll, self._zones, self._inputs, self._aim = roll, tuple(zones), inputs, aim
        self._first_h, self._hours = first_h, min(ROLLOUT_H, len(aim.light_share))
        shift = SCENARIOS[:, KNOWN:]
        model, sensor = np.array(belief.error.sd), np.array(SENSOR_SD)
        self._model_shift = shift[:, :2] * model
        self._sensor_shift = shift[:, 2:] * sensor
        self._tents = DrawnTents(_drawn(belief.tent)) if belief.tent.at is not None else None

    def compare(self, ways: Array) -> list[Comparison]:
        """Ways [W, K] of the first hours, the last one the rules': each, going on as is best, against both policies."""
        present = np.zeros((1, COLUMNS))
        for name, share in self._inputs.context.memory.duty.items():
            if name in COLUMN_OF:
                present[0, COLUMN_OF[name]] = share
        ruled = self._harm(self._rolled(ways)).reshape(len(ways), len(SCENARIOS))
        held = self._harm(self._held(np.concatenate([ways, present]))).reshape(len(ways) + 1, len(SCENARIOS))
        known = min(ruled[-1], held[-1], key=lambda harm: float(harm.mean()))
        return [
            min((_compared(harm - known) for harm in each), key=_worse) for each in zip(ruled, held[:-1], strict=True)
        ]

    def _held(self, ways: Array) -> Array:
        """Plans [W S, H, K] in which each way goes on to the end, under each draw; its dose is given once."""
        plans = np.repeat(ways, len(SCENARIOS), axis=0)[:, None].repeat(self._hours, axis=1)
        plans[:, 1:, DOSE_K] = 0.0
        plans[:, :, LAMP_K] = self._aim.light_share[: self._hours]
        return plans

    def _rolled(self, ways: Array) -> Array:
        """Plans [W S, H, K]: each way under each draw, its first hours, then what the rules do with what they see."""
        count = len(SCENARIOS)
        plans = np.zeros((len(ways) * count, self._hours, COLUMNS))
        begin = np.repeat(ways, count, axis=0)
        plans[:, : self._first_h] = begin[:, None]
        plans[:, 1 : self._first_h, DOSE_K] = 0.0
        plans[:, :, LAMP_K] = self._aim.light_share[: self._hours]
        cycle_h = max(1, round(self._inputs.cycle_s / 3_600.0))
        for start in range(self._first_h, self._hours, cycle_h):
            seen, context = self._courses(plans), self._inputs.context
            now = context.now + timedelta(hours=start)
            setpoints, read = setpoints_at(now, context), (*self._zones, "air_temp_c", "vpd_kpa", "rh_pct")
            for row in range(len(plans)):
                for request in self._rules_at(
                    now, setpoints, plans[row, :start], {name: seen[name][row] for name in read}
                ):
                    self._enter(plans[row, start : start + cycle_h], request)
        return plans

    def _enter(self, hours: Array, request: OutputRequest) -> None:
        if request.output == PUMP.name:
            hours[0, DOSE_K] = request.amount
        elif request.output in COLUMN_OF and COLUMN_OF[request.output] != LAMP_K:
            hours[:, COLUMN_OF[request.output]] = min(1.0, request.amount / self._inputs.cycle_s)

    def _rules_at(
        self, now: datetime, setpoints: Setpoints, past: Array, seen: Mapping[str, Array]
    ) -> list[OutputRequest]:
        """What the rules ask for at `now` after the hours `past` [h, K] of a plan, by the last hour of its courses."""
        inputs, context, last_hour = self._inputs, self._inputs.context, len(past) - 1
        duty = {name: float(past[-1, column]) for name, column in COLUMN_OF.items()}
        watered = np.flatnonzero(past[:, DOSE_K])
        given = float(past[:, DOSE_K].sum())
        last = context.memory.last_water_at
        if len(watered):
            last = context.now + timedelta(hours=int(watered[-1]))
        budgets = context.state.budgets
        used = budgets.water_ml_used_today
        if now.astimezone(context.site.zone).date() != context.now.astimezone(context.site.zone).date():
            used = given = 0.0
        state = context.state
        if given > 0.0 or used != budgets.water_ml_used_today:
            budgets = budgets.model_copy(update={"water_ml_used_today": used + given})
            state = state.model_copy(update={"budgets": budgets})
        memory = replace(context.memory, duty=duty, last_water_at=last, decided_at=now)
        driest = inputs.driest
        if driest is not None:
            level = min(float(seen[name][last_hour]) for name in self._zones)
            driest = driest.model_copy(update={"moisture_pct": level})
        return rules.requests(
            replace(
                inputs,
                context=replace(context, now=now, state=state, memory=memory),
                setpoints=setpoints,
                air_temp_c=float(seen["air_temp_c"][last_hour]),
                vpd_kpa=float(seen["vpd_kpa"][last_hour]),
                rh_pct=float(seen["rh_pct"][last_hour]),
                driest=driest,
            )
        )

    def _courses(self, plans: Array) -> dict[str, Array]:
        """What the sensors would show under plans [W S, H, K], the draws in turn."""
        series = dict(self._roll(plans))
        if self._tents is not None:
            series |= self._tents.correct(series, plans)
        shift = np.tile(self._model_shift, (len(plans) // len(SCENARIOS), 1))
        series["air_temp_c"] = series["air_temp_c"] + shift[:, :1]
        series["vpd_kpa"] = np.maximum(series["vpd_kpa"] + shift[:, 1:], 0.02)
        series["rh_pct"] = rh_array_pct(series["air_temp_c"], series["vpd_kpa"])
        return series

    def _harm(self, plans: Array) -> Array:
        """Stress hours [W S] of what the plants feel: beyond the lines that count as stress, each with its ramp."""
        seen, aim, hours = self._courses(plans), self._aim, slice(0, self._hours)
        shift = np.tile(self._sensor_shift, (len(plans) // len(SCENARIOS), 1))
        spared = np.ones(plans.shape[:2])
        for name, lines, ramp, offset in (
            ("vpd_kpa", aim.vpd_harm, VPD_RAMP_KPA, shift[:, 1:]),
            ("air_temp_c", aim.air_harm, AIR_RAMP_C, shift[:, :1]),
        ):
            for low, high in lines[1:]:
                spared *= 1.0 - beyond(seen[name] + offset, low[hours], high[hours], ramp)
        driest = np.min([seen[name] for name in self._zones], axis=0)
        nowhere = np.full_like(driest, np.inf)
        spared *= 1.0 - beyond(driest, np.full_like(driest, aim.soil_harm_pct), nowhere, SOIL_RAMP_PCT)
        return np.asarray((1.0 - spared).sum(axis=1))


def way(requests: Sequence[OutputRequest], cycle_s: float) -> Array:
    """The row [K] of a cycle's hours that requests amount to; the dose belongs to the first of them."""
    row = np.zeros(COLUMNS)
    for request in requests:
        if request.output == PUMP.name:
            row[DOSE_K] = request.amount
        elif request.output in COLUMN_OF:
            row[COLUMN_OF[request.output]] = min(1.0, request.amount / cycle_s)
    row[GAS_K] = 0.0  # harms no plant by these lines
    return row


def _drawn(tent: ParameterEstimate) -> Array:
    """Room and figures [S, 9] under each draw, by the square root of their covariance."""
    values, vectors = np.linalg.eigh(np.array(tent.covariance)[:KNOWN, :KNOWN])
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(np.array(tent.mean[:KNOWN]) + SCENARIOS[:, :KNOWN] @ root.T)
