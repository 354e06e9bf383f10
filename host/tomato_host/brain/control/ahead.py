"""What each hour of the horizon aims at, and what a plan may do in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import OUTPUT_BY_NAME
from tomato_host.brain.control.aims import Aims, aims_at
from tomato_host.brain.control.climate_rules import light as light_rule
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.look import Look, look
from tomato_host.brain.control.moves import MOST_DOSE_ML, Bounds
from tomato_host.brain.control.objective import Aim
from tomato_host.brain.control.photoperiod import light_seconds
from tomato_host.brain.control.score import AIR_MARGIN_C, COLD_C, DRY_MARGIN_KPA, HOT_C, WET_KPA

Array = NDArray[np.float64]
HOUR = timedelta(hours=1)
EDGES_DAY_KPA, EDGES_NIGHT_KPA = (0.2, 0.19), (0.25, 0.08)
"""(wet side, dry side): the planner aims this far inside the VPD band, for neither reading nor expectation is quite the
truth: where a sensor hangs alone makes 0.2 kPa. By night the wet side is the dangerous one: mould begins there, and a
dark leaf does not mind dry air."""
LATE_PCT = 1.5
"""The soil may dry this far below the low mark, and no dose is given before: who looks ahead needs less in reserve than
the rules, which water below the mark because they cannot see when it will be reached."""
DAY_H = 24
MIST_H_PER_DAY = 0.98 * OUTPUT_BY_NAME["humidifier"].day_budget / 3_600.0
"""What the board allows in any 24 h; the rest is for strokes that run over."""
MOST_MIST = 0.44
"""Share of an hour: the board's half an hour, less what a stroke that runs over takes from the next one."""


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
    leaving[: first_hours(see)] = 0.0  # the door asks what is left now, whatever is freed while the duty runs
    return np.asarray(np.maximum(0.0, MIST_H_PER_DAY - now_h + np.minimum(leaving, now_h)))


def bounds_ahead(see: Look, mist_h: Array | None = None) -> Bounds:
    """What the plan may do in each hour: budgets by local day, water by daylight, gas and heat by what is known."""
    context, aims = see.context, see.aims
    settings, hours = context.settings, hours_ahead(context)
    zone = ZoneInfo(settings.time_zone)
    light = np.array([_light_share(h, zone, aims.light_start_h, aims.photoperiod_h) for h in hours])
    if aims.light and light_rule(see).amount <= 0.0:
        light[: first_hours(see)] = 0.0  # too hot for the lamp
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
        water[: first_hours(see)] = 0.0
    gas_ok = settings.use_co2 and context.mode == "NORMAL" and see.co2_ppm is not None and see.co2_ppm < aims.co2_ppm
    gas = np.full(len(hours), 100.0 if gas_ok else 0.0)
    if context.state.devices.light != "ON":
        gas[: first_hours(see)] = 0.0  # the door gives none before the lamp is seen to shine
    heat_ok = see.soil_temp_c is not None and see.soil_temp_c < aims.soil_temp_low_c + 1.0
    return Bounds(
        light=light, water_ml=water, day_of=day_of, day_ml=water_left,
        humidifier=MOST_MIST if see.vpd_kpa is not None else 0.0,
        mist_left_h=_mist_left(see, np.zeros(DAY_H) if mist_h is None else mist_h, len(hours)),
        heater=np.full(len(hours), 0.75 if heat_ok else 0.0), co2_s=gas,
        co2_left_s=gas_left, exhaust_most=np.ones(len(hours)), first_h=first_hours(see))


def first_hours(see: Look) -> int:
    """Hours until the next decision: the cycle, or the next edge of the light if that comes first."""
    cycle_h = max(1, round(see.cycle_s / 3_600.0))
    edge_s = see.aims.light_for_s if see.aims.light else see.aims.light_starts_in_s
    return int(min(cycle_h, max(1, round(edge_s / 3_600.0))))
