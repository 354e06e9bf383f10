"""A planner that is told the truth: the twin's own parameters, and the weather to come. For the ladder in `ladder.py`.

Only the model that the planner looks through is another one; search, objective, requests, guardrails and board are
those of every run. Its air is that of the planner's own two balances (`tent_balance.py`) with the twin's parameters in
the place of learned ones, its soil a water balance with the twin's pots, drippers and roots. What the plants transpire
is asked of the twin itself, at the balance's own reference of 1 kPa, and again at each decision, for plants grow. So
what is wrong with the laws of the model stays wrong: the ladder tells what knowing is worth, not what is possible.

Without the weather the air around the tent stays as it is now; with it, it is what the twin will have, the scenario's
adversities included. Soil moisture begins where the probes say. The oracle needs no day of learning.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import MIST, PUMP
from tomato_host.brain.control.context import ControlDecision, DecisionContext
from tomato_host.brain.control.control_inputs import good_probes
from tomato_host.brain.control.model_error import AIR
from tomato_host.brain.control.parameter_estimation import PRIOR_SD, ParameterEstimate, plan_duties
from tomato_host.brain.control.plan_columns import DAY_H, DOSE_K
from tomato_host.brain.control.planner.mpc import PlannerModel, planner
from tomato_host.brain.control.tent_balance import BalanceParameters, steady_state_air, transpiration_g_h
from tomato_host.brain.psychrometrics import saturation_pa
from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import LAMP_ON, STIRRING, Outside, TentPhysics, saturation_g_m3
from tomato_host.twin.world import World

Array = NDArray[np.float64]
STEP_S = 600.0
"""Of the course of the weather."""
HOUR_STEPS = round(3_600.0 / STEP_S)
LIT_C, DARK_C = 25.0, 20.0
"""Air at which the plants are asked what they transpire."""
REFERENCE_PA = 1_000.0
"""Deficit at which the balances' figures of leaves hold."""
SOIL_OF_PROBE = {"P1": 0, "P2": 1}
"""Zone of the twin that each probe stands in."""


@dataclass(frozen=True, slots=True)
class SurroundingsCourse:
    """The air around the tent every STEP_S from the start of a run: degC, g/m3, factor on the leakage, [T] each."""

    temp_c: Array
    vapour_g_m3: Array
    leak_factor: Array

    def hours(self, t_s: float, count: int) -> tuple[Array, Array, Array]:
        """Means of `count` hours from `t_s` seconds after the start, [count] each; after its end the last value."""
        first = round(t_s / STEP_S)
        index = np.minimum(first + np.arange(count * HOUR_STEPS), len(self.temp_c) - 1)
        temp, vapour, leak = (
            column[index].reshape(count, HOUR_STEPS).mean(axis=1)
            for column in (self.temp_c, self.vapour_g_m3, self.leak_factor)
        )
        return temp, vapour, leak


def surroundings_course(
    seed: int, params: TentParams, scenario: str, start: datetime, hours: float
) -> SurroundingsCourse:
    """What the tent's surroundings will be: those of a world of the same seed and scenario in which nobody acts."""
    world = World(seed, params, Scenario.parse(scenario), start)
    rows = []
    for step in range(round(hours * 3_600.0 / STEP_S) + 1):
        world.advance_to(round(step * STEP_S * 1_000.0))
        outside = world.surroundings.at(step * STEP_S)
        rows.append((outside.temp_c, outside.vapour_g_m3, outside.leak_factor))
    return SurroundingsCourse(*np.array(rows).T)


class TwinOracle:
    """The controller of one run that knows its twin. `decide` has the place of the planner."""

    def __init__(self, run: TentRun, course: SurroundingsCourse | None = None) -> None:
        """`course`: the weather to come; without it the surroundings stay as they are."""
        self._run, self._course = run, course
        self._plan = planner(self._bind, lambda: 0.0)

    def decide(self, context: DecisionContext) -> ControlDecision:
        """The planner's decision, with nothing left to be learned from readings of the air."""
        known = replace(context.memory, tent=self._estimate())
        recent = {name: value for name, value in context.recent.items() if name not in AIR}
        return self._plan(replace(context, memory=known, recent=recent))

    def parameters(self) -> BalanceParameters:
        """The twin's parameters as the planner's balances have them, the plants as they are grown now."""
        tent, outside = self._run.tent.world.tent, self._outside()
        p = tent.params
        lit, dark = transpired_g_h(tent, LAMP_ON | STIRRING, LIT_C), transpired_g_h(tent, STIRRING, DARK_C)
        return BalanceParameters(
            wall_w_k=p.wall_u_w_m2k * p.wall_m2,
            leak_m3_h=p.leak_m3_h * outside.leak_factor,
            exhaust_m3_h=p.exhaust_m3_h,
            lamp_w=p.lamp_w,
            fan_w=p.circulation_w,
            mat_w=p.heater_w,
            mist_g_h=p.humidifier_g_h,
            leaves_light_g_h=lit - dark,
            leaves_dark_g_h=dark,
        )

    def _outside(self) -> Outside:
        world = self._run.tent.world
        return world.surroundings.at(world.now_ms / 1_000.0)

    def _estimate(self) -> ParameterEstimate:
        """The truth in the form of an estimate, without spread; no lesson ever came."""
        outside, found = self._outside(), self.parameters()
        factors = [float(np.log(getattr(found, name) / getattr(BalanceParameters, name))) for name in PRIOR_SD]
        size = 2 + len(factors)
        nothing = tuple(tuple(0.0 for _ in range(size)) for _ in range(size))
        return ParameterEstimate((outside.temp_c, outside.vapour_g_m3, *factors), nothing)

    def _bind(self, context: DecisionContext) -> PlannerModel | None:
        start = {f"soil.{probe.id}": float(probe.moisture_pct or 0.0) / 100.0 for probe in good_probes(context)}
        if not start:
            return None
        horizon = context.settings.horizon_h
        room = self._room(horizon)
        found = self.parameters()
        tent = replace(found, leak_m3_h=self._run.tent.world.tent.params.leak_m3_h * room[2])

        def roll(plans: Array) -> Mapping[str, Array]:
            hours = plans.shape[1]
            cut = replace(tent, leak_m3_h=np.asarray(tent.leak_m3_h)[:hours])
            duties = plan_duties(plans)
            air, vpd = steady_state_air(room[0][:hours], room[1][:hours], duties, cut)
            soil = self._soil(start, transpiration_g_h(duties, vpd, cut), plans[..., DOSE_K])
            return {"air_temp_c": air, "vpd_kpa": vpd, **soil}

        mist_h, water_ml = (self._day_of(name, context.now) for name in (MIST.column, PUMP.column))
        return PlannerModel(roll, tuple(start), {}, mist_h, water_ml)

    def _room(self, horizon: int) -> tuple[Array, Array, Array]:
        if self._course is not None:
            return self._course.hours(self._run.tent.world.now_ms / 1_000.0, horizon)
        outside = self._outside()
        now = (outside.temp_c, outside.vapour_g_m3, outside.leak_factor)
        temp, vapour, leak = (np.full(horizon, value) for value in now)
        return temp, vapour, leak

    def _soil(self, start: Mapping[str, float], leaves_g_h: Array, dose_ml: Array) -> dict[str, Array]:
        """Moisture at the end of each hour in %, [B, H] for each zone: what drips in, what roots and air take."""
        p = self._run.tent.world.tent.params
        pot_ml, courses = 1_000.0 * p.pot_l, {}
        for name, theta_0 in start.items():
            first = SOIL_OF_PROBE[name.removeprefix("soil.")] == 0
            drip, roots = (p.drip_share_1, p.root_share_1) if first else (1.0 - p.drip_share_1, 1.0 - p.root_share_1)
            theta, course = np.full(len(dose_ml), theta_0), np.empty_like(dose_ml)
            for hour in range(dose_ml.shape[1]):
                lost = roots * leaves_g_h[:, hour] + 0.5 * p.soil_evaporation_g_h
                theta = theta + (drip * dose_ml[:, hour] - lost) / pot_ml
                # Within an hour most of what is above the container's capacity has drained.
                theta = np.clip(theta, 0.02, np.maximum(p.theta_capacity, theta_0))
                course[:, hour] = theta
            courses[name] = 100.0 * course
        return courses

    def _day_of(self, column: str, now: datetime) -> Array:
        """A column of the last 24 whole hours [24], the newest last; zero where nothing is known yet."""
        log = self._run.brain.forecast_state.history.log(now)
        known = np.nan_to_num(log.values.get(column, np.zeros(0)))[-DAY_H:]
        return np.concatenate([np.zeros(DAY_H - len(known)), known])


def transpired_g_h(tent: TentPhysics, outputs: int, air_c: float) -> float:
    """What the twin's plants transpire at 1 kPa under `outputs`, in g/h; a copy is asked, the tent stays as it is."""
    other = copy.deepcopy(tent)
    truth = other.truth()
    truth.air_c, truth.vapour_g_m3 = air_c, saturation_g_m3(air_c) * (1.0 - REFERENCE_PA / saturation_pa(air_c))
    before = truth.transpired_ml
    other.advance(1.0, outputs, Outside(air_c, truth.vapour_g_m3))
    return 3_600.0 * (other.truth().transpired_ml - before)
