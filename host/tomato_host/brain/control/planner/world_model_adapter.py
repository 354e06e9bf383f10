"""Binds the learned world model to the present, so that the planner can look through it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import MIST, PUMP
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.control_inputs import good_probes, heard_probes
from tomato_host.brain.control.plan_columns import DAY_H
from tomato_host.brain.control.planner.crop_horizon import RecentHours
from tomato_host.brain.control.planner.drippers import parting
from tomato_host.brain.control.planner.mpc import PlannerModel, near_term
from tomato_host.brain.control.planner.watering import among_the_driest, asked_ml
from tomato_host.brain.world_model.data import HORIZON_H, HourlyLog
from tomato_host.brain.world_model.hourly_history import known_ahead, rollout_start, weather_ahead
from tomato_host.brain.world_model.model import WorldModel
from tomato_host.brain.world_model.soil_dynamics import WATER_UNIT_ML

Array = NDArray[np.float64]
GAIN_KNOWN = 0.25
"""A pot's gain by water is known once its standard deviation is at most this share of it: after some 500 ml."""
MIN_DAYS_LEARNED = 1
"""Days the model must have learned before the planner trusts it more than the rules."""


def bind_model(model: WorldModel, log: HourlyLog, context: DecisionContext) -> PlannerModel | None:
    """What the planner may look through now; None while the model knows this tent too little or no probe is heard.

    The planner rolls the bare physics and takes off its present error itself: what the blended forecast adds belongs to
    the plan it was made for and to yesterday's weather, and would lead astray a plan that does otherwise.
    """
    if model.days_learned < MIN_DAYS_LEARNED or log.hours < 24:
        return None
    zones = _zones(context, model.zones)
    if not zones:
        return None
    horizon = min(context.settings.horizon_h, HORIZON_H)
    start = rollout_start(context.state, model.zones, log)
    weather = weather_ahead(context.forecast, context.now)
    steps = context.memory.last_plan.steps if context.memory.last_plan is not None else ()
    ahead = known_ahead(context.forecast, steps, context.now)
    forecast = model.forecast(log, ahead)
    outside = {name: values[:horizon] for name, values in weather.items()}

    near = near_term(context)

    def roll(plans: Array) -> Mapping[str, Array]:
        weather_then = {name: values[: plans.shape[1]] for name, values in outside.items()}
        if near is None:
            return model.rollout(start, plans, weather_then, derived=False)
        # Pots dry in the air that the plan is judged by; else mist saves water in a law of air that is not believed.
        steady = near.steady(plans)

        def pots_vpd(air: Mapping[str, Array]) -> Array:
            return near.correct({**air, **steady}, plans)["vpd_kpa"]

        return model.rollout(start, plans, weather_then, pots_vpd=pots_vpd, derived=False) | steady

    spread: dict[str, tuple[Array, Array]] = {}
    for name in ("vpd_kpa", "air_temp_c", "soil.avg"):
        if name in forecast.series:
            mean, low, high = forecast.best(name)[:, 0, :horizon]
            spread["soil" if name == "soil.avg" else name] = (np.nan_to_num(low - mean), np.nan_to_num(high - mean))
    mist_h, water_ml = (np.nan_to_num(log.column(name)[-DAY_H:]) for name in (MIST.column, PUMP.column))
    gains = _gains(model)
    known = all(gains[name][1] for name in zones)
    asked = _asked_ml(gains, log, zones)
    parted = parting({name: log.column(name) for name in zones})
    return PlannerModel(roll, zones, spread, mist_h, water_ml, known, asked, _past(log, zones), parted)


def _gains(model: WorldModel) -> dict[str, tuple[float, bool]]:
    """How many points a ml of pumped water raises each pot by, and whether that has been learned."""
    learned = {name: law.gain for name, law in zip(model.zones, model.dynamics.soil, strict=True)}
    return {name: (gain / WATER_UNIT_ML, sd <= GAIN_KNOWN * gain) for name, (gain, sd) in learned.items()}


def _asked_ml(gains: Mapping[str, tuple[float, bool]], log: HourlyLog, zones: tuple[str, ...]) -> float:
    """What the thirstiest pot has asked for in the last day; after a dose only the driest ones count: others drain."""
    water = np.nan_to_num(log.column(PUMP.column))
    levels = {name: log.column(name)[-DAY_H - 1 :] for name in zones}
    counted = list(zones)
    if water[-DAY_H:].any():
        counted = among_the_driest({name: float(np.nan_to_num(levels[name][-1], nan=np.inf)) for name in zones})
    return max(asked_ml(levels[name], water[-len(levels[name]) + 1 :], *gains[name]) for name in counted)


def _past(log: HourlyLog, zones: tuple[str, ...]) -> RecentHours:
    """The last day's air and its driest zone."""
    with np.errstate(all="ignore"):
        driest = np.min(np.stack([log.column(zone)[-DAY_H:] for zone in zones]), axis=0)
    return RecentHours(log.column("air_temp_c")[-DAY_H:], driest)


def _zones(context: DecisionContext, zones: tuple[str, ...]) -> tuple[str, ...]:
    """The zones whose probe is trusted; where none is, those that are heard: doubt about soil is none about the air.

    How much may be given while a probe is doubted is for `watering` to say.
    """
    found = {f"soil.{p.id}" for p in good_probes(context) or heard_probes(context)}
    return tuple(zone for zone in zones if zone in found)
