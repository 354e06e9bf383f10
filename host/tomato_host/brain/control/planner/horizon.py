"""What each hour of the horizon aims at, and what a plan may do in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import LAMP, MIST, PUMP
from tomato_host.brain.control.context import DecisionContext, elapsed_s
from tomato_host.brain.control.control_inputs import SOIL_HARM_PCT, ControlInputs, read_inputs
from tomato_host.brain.control.evaluation import AIR_MARGIN_C, COLD_C, DRY_MARGIN_KPA, HOT_C, WET_KPA
from tomato_host.brain.control.photoperiod import light_seconds
from tomato_host.brain.control.plan_columns import DAY_H
from tomato_host.brain.control.planner.objective import HorizonTargets
from tomato_host.brain.control.planner.plan_edits import MAX_DOSE_ML, Bounds
from tomato_host.brain.control.planner.watering import soil_mark_pct, water_shortage
from tomato_host.brain.control.rules import light as light_rule
from tomato_host.brain.control.targets import Setpoints, setpoints_at

Array = NDArray[np.float64]
HOUR = timedelta(hours=1)
INSET_DAY_KPA, INSET_NIGHT_KPA = (0.25, 0.2), (0.17, 0.2)
"""(wet side, dry side): the planner aims this far inside the VPD band, because neither reading nor forecast is exact:
the place of a sensor alone makes 0.13 kPa (one standard deviation), and twice as much is no rare tent. By night too on
either side: mould begins on the wet one, but a sensor that reads too moist hides a night that is too dry. A night's aim
lies in the middle between what counts as stress on either side: with more on the wet one a closed tent that was well
within its band was aired in full, and where the sensor read too moist that was too dry."""
THRIFT_LOW_KPA, THRIFT_HIGH_KPA = 0.15, 0.15
"""Where a day's water cannot make good what the driest pot asks for, the day's aim moves this much towards moist air at
its low and at its high end: leaves give off water in proportion to the deficit (Monteith 1965, Symp. SEB 19),
so a tenth less dryness is a tenth less thirst. The low end stays inside the band, far from where leaves stay wet. A
night's aim stays: mould."""
AIR_SENSOR_C = 0.3
"""The air's temperature is known this well; lines of stress are kept away from by as much."""
MAX_ROOT_C = 24.0
"""Tomato roots grow best at 20 to 25 degC (Heuvelink (ed.), "Tomatoes", 2nd ed. 2018, ch. 8)."""
MIST_H_PER_DAY = 0.98 * MIST.day_budget / 3_600.0
"""What the board allows in any 24 h; the rest is for strokes that run over."""
MAX_MIST_SHARE = 0.44
"""Share of an hour: the board's half an hour, less what a stroke that runs over takes from the next one."""


def horizon_hours(context: DecisionContext) -> list[datetime]:
    """The starts of the planned hours, from now on."""
    return [context.now + HOUR * h for h in range(context.settings.horizon_h)]


def horizon_targets(context: DecisionContext, demand: float = 0.0, known: bool = True) -> HorizonTargets:
    """The setpoints of each hour of the horizon, in the middle of the hour; `known` as in `soil_mark_pct`."""
    hours = horizon_hours(context)
    each = [setpoints_at(hour + HOUR / 2, context) for hour in hours]
    zone, now = context.site.zone, read_inputs(context)
    light = np.array(
        [
            _light_share(hour, zone, setpoints.light_start_h, setpoints.photoperiod_h)
            for hour, setpoints in zip(hours, each, strict=True)
        ]
    )
    thrift = water_shortage(demand)
    short = 0.0 if now.soil_temp_c is None else max(0.0, each[0].soil_temp_low_c - now.soil_temp_c)
    return HorizonTargets(
        light_share=light,
        vpd_low=np.array([a.vpd_kpa[0] + _insets(a, thrift)[0] for a in each]),
        vpd_high=np.array([a.vpd_kpa[1] - _insets(a, thrift)[1] for a in each]),
        air_low=np.array([a.air_temp_c[0] for a in each]),
        air_high=np.full(len(each), max(a.air_temp_c[1] for a in each)),  # a night as warm as a good day is no harm
        soil_low_pct=soil_mark_pct(each[0], demand, known),
        soil_high_pct=each[0].soil_high_pct,
        soil_temp_short=short,
        soil_harm_pct=SOIL_HARM_PCT,
        water_ml_per_hour=max(1.0, each[0].water_ml_per_day / 24.0),
        co2_s_per_hour=max(1.0, each[0].co2_s_per_day / max(1.0, each[0].photoperiod_h)),
        vpd_harm=_vpd_harm(each, thrift),
        air_harm=_air_harm(each),
    )


def _insets(setpoints: Setpoints, thrift: float = 0.0) -> tuple[float, float]:
    """How far inside the VPD band to aim, wet side and dry side; a narrow band is met in its middle.

    `thrift` 0..1: how far water is too short to be given off to dry air.
    """
    wet, dry = INSET_DAY_KPA if setpoints.light_hours else INSET_NIGHT_KPA
    if setpoints.light_hours:
        wet, dry = wet - thrift * THRIFT_LOW_KPA, dry + thrift * THRIFT_HIGH_KPA
    share = min(1.0, 0.9 * (setpoints.vpd_kpa[1] - setpoints.vpd_kpa[0]) / (wet + dry))
    return wet * share, dry * share


def _vpd_harm(each: Sequence[Setpoints], thrift: float) -> tuple[tuple[Array, Array], ...]:
    """Lines of harm of the air's dryness: a margin around the band, and what score.py counts as stress.

    Where water is short the margin on the wet side moves with the aim: air a little below the band harms nobody, and a
    dry pot does. What counts as stress stays where it is.
    """
    low, high = (np.array([a.vpd_kpa[k] for a in each]) for k in (0, 1))
    low = low - np.array([thrift * THRIFT_LOW_KPA if a.light_hours else 0.0 for a in each])
    wet = np.array([WET_KPA[0] if a.light_hours else WET_KPA[1] for a in each])
    return (low - DRY_MARGIN_KPA, high + DRY_MARGIN_KPA), (wet, high + DRY_MARGIN_KPA)


def _air_harm(each: Sequence[Setpoints]) -> tuple[tuple[Array, Array], ...]:
    """Lines of harm of the air's warmth: a margin around the band, and what score.py counts as stress."""
    low = np.array([a.air_temp_c[0] for a in each])
    warm = max(a.air_temp_c[1] for a in each)
    ones = np.ones(len(each))
    lines = (COLD_C + AIR_SENSOR_C) * ones, (HOT_C - AIR_SENSOR_C) * ones
    return (low - AIR_MARGIN_C, (warm + AIR_MARGIN_C) * ones), lines


def _light_share(hour: datetime, zone: ZoneInfo, start_h: float, length_h: float) -> float:
    return light_seconds(hour, 3_600.0, zone, start_h, length_h)[1] / 3_600.0


def _left(most: float, used_now: float | None, used_h: Array, horizon: int, held_h: int) -> Array:
    """What may be used up to each hour ahead of a budget for any 24 h, while what was used falls out of the day.

    `used_h` are the last 24 hours, `used_now` what the ledger says. For `held_h` hours nothing is freed.
    """
    known = float(used_h.sum())
    now = known if used_now is None else used_now
    leaving = np.concatenate([np.cumsum(used_h), np.full(max(0, horizon - len(used_h)), known)])[:horizon]
    leaving[:held_h] = 0.0
    return np.asarray(np.maximum(0.0, most - now + np.minimum(leaving, now)))


def _mist_left(inputs: ControlInputs, used_h: Array, horizon: int) -> Array:
    """Hours of mist; the guardrails asks what is left now, whatever is freed while the first duty runs."""
    known_s = inputs.context.used.get(MIST.name)
    return _left(MIST_H_PER_DAY, None if known_s is None else known_s / 3_600.0, used_h, horizon, first_hours(inputs))


def _water_left(inputs: ControlInputs, used_h: Array, horizon: int) -> Array:
    """Millilitres; a dose is asked for at the beginning of its hour, so what falls out within it comes too late."""
    late = np.concatenate([[0.0], used_h[:-1]])
    context = inputs.context
    used = context.used.get(PUMP.name, context.state.budgets.water_ml_used_today)
    return _left(inputs.setpoints.water_ml_per_day, used, late, horizon, 1)


def plan_bounds(
    inputs: ControlInputs,
    mist_h: Array | None = None,
    water_h: Array | None = None,
    demand: float = 0.0,
    room_ml: float = MAX_DOSE_ML,
    known: bool = True,
) -> Bounds:
    """What the plan may do in each hour: gas by local day, water by daylight and by any 24 h, heat by what is known.

    `room_ml`: how much may be pumped now before a pot is too wet. `known`: whether the drippers' shares are.
    """
    context, setpoints = inputs.context, inputs.setpoints
    settings, hours = context.settings, horizon_hours(context)
    zone = context.site.zone
    light = np.array([_light_share(h, zone, setpoints.light_start_h, setpoints.photoperiod_h) for h in hours])
    if setpoints.light_hours and light_rule(inputs).amount <= 0.0:
        light[: first_hours(inputs)] = 0.0  # too hot for the lamp
    days = [hour.astimezone(zone).toordinal() for hour in hours]
    day_of = np.array([d - days[0] for d in days], dtype=np.int64)
    count = int(day_of.max()) + 1
    budgets = context.state.budgets
    gas_left = np.full(count, setpoints.co2_s_per_day)
    gas_left[0] = max(0.0, setpoints.co2_s_per_day - budgets.co2_seconds_used_today)
    water = np.where(light > 0.0, MAX_DOSE_ML, 0.0)
    since_s = elapsed_s(context.now, context.memory.last_water_at)
    pause_h = 0.0 if since_s is None else (settings.water_pause_s - since_s) / 3_600.0
    water[: max(0, int(np.ceil(pause_h)))] = 0.0
    if inputs.driest is not None and (inputs.driest.moisture_pct or 0.0) >= soil_mark_pct(setpoints, demand, known):
        water[: first_hours(inputs)] = 0.0
    water[: first_hours(inputs)] = np.minimum(water[: first_hours(inputs)], room_ml)
    gas_ok = (
        settings.use_co2
        and context.mode == "NORMAL"
        and inputs.co2_ppm is not None
        and inputs.co2_ppm < setpoints.co2_ppm
    )
    gas = np.full(len(hours), 100.0 if gas_ok else 0.0)
    if getattr(context.state.devices, LAMP.name) != "ON":
        gas[: first_hours(inputs)] = 0.0  # the guardrails gives none before the lamp is seen to shine
    return Bounds(
        light_share=light,
        water_ml=water,
        day_of=day_of,
        water_left_ml=_water_left(inputs, np.zeros(DAY_H) if water_h is None else water_h, len(hours)),
        mist_most=MAX_MIST_SHARE if inputs.vpd_kpa is not None else 0.0,
        mist_left_h=_mist_left(inputs, np.zeros(DAY_H) if mist_h is None else mist_h, len(hours)),
        heater=np.full(len(hours), 0.75 if _may_heat(inputs) else 0.0),
        co2_s=gas,
        co2_left_s=gas_left,
        exhaust_most=np.ones(len(hours)),
        first_h=first_hours(inputs),
    )


def _may_heat(inputs: ControlInputs) -> bool:
    """Root heat for cold roots; for cold air too, as far as the roots bear it."""
    cold = inputs.air_temp_c is not None and inputs.air_temp_c < inputs.setpoints.air_temp_c[0]
    most = MAX_ROOT_C if cold else inputs.setpoints.soil_temp_low_c + 1.0
    return inputs.soil_temp_c is not None and inputs.soil_temp_c < most


def first_hours(inputs: ControlInputs) -> int:
    """Hours until the next decision: the cycle, or the next edge of the light if that comes first."""
    cycle_h = max(1, round(inputs.cycle_s / 3_600.0))
    edge_s = inputs.setpoints.light_for_s if inputs.setpoints.light_hours else inputs.setpoints.light_starts_in_s
    return int(min(cycle_h, max(1, round(edge_s / 3_600.0))))
