"""What to steer for: the table of growth stages, the day's targets made from it, and the bands of one moment.

VPD bands follow the greenhouse rule of 0.45-1.25 kPa with an optimum near 0.85 kPa (Argus Control Systems,
"Understanding and Using VPD", 2009), lower for seedlings that have few roots and higher for fruiting plants that must
pull calcium into the fruit. Temperatures follow Heuvelink (ed.), "Tomatoes", 2nd ed. 2018, ch. 8: 21-26 degC by day,
16-19 degC by night. The soil band is the volumetric water content of a peat or coir substrate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from shared_schemas.records.targets_v1 import TargetRange, TargetSet, TargetsV1
from tomato_host.brain.control.photoperiod import light_seconds
from tomato_host.brain.control.settings import ControlSettings, Stage, StageTargets
from tomato_host.brain.settings import BudgetSettings

if TYPE_CHECKING:
    from tomato_host.brain.control.context import DecisionContext  # its other names need numpy, the settings do not

OUTSIDE_CO2_PPM = 400.0
"""What ventilation alone can always give."""

Band = tuple[float, float]


@dataclass(frozen=True, slots=True)
class StageBand:
    """Bands of one growth stage. VPD in kPa, temperatures in degC, soil moisture in % by volume, light in hours."""

    vpd_day: tuple[float, float]
    vpd_night: tuple[float, float]
    temp_day_c: tuple[float, float]
    temp_night_c: tuple[float, float]
    soil_low_pct: float
    """Water when the driest trusted probe falls below this."""
    soil_target_pct: float
    """A dose aims here."""
    soil_high_pct: float
    """Never water above this: roots need air."""
    soil_temp_low_c: float
    photoperiod_h: float
    co2_ppm: float
    """Wanted in light hours; the valve is not opened above it."""
    dose_ml: float
    """A usual dose for two plants; the need decides, this bounds it from above twice over."""


STAGES: dict[Stage, StageBand] = {
    "seedling": StageBand(
        (0.4, 0.9), (0.3, 0.8), (21.0, 26.0), (18.0, 21.0), 32.0, 42.0, 50.0, 20.0, 16.0, 500.0, 60.0
    ),
    "vegetative": StageBand(
        (0.7, 1.2), (0.4, 0.9), (20.0, 27.0), (16.0, 20.0), 30.0, 40.0, 48.0, 18.0, 16.0, 800.0, 150.0
    ),
    "flowering": StageBand(
        (0.8, 1.3), (0.4, 1.0), (20.0, 27.0), (16.0, 20.0), 30.0, 40.0, 48.0, 18.0, 15.0, 800.0, 200.0
    ),
    "fruiting": StageBand(
        (0.8, 1.4), (0.4, 1.0), (20.0, 27.0), (16.0, 19.0), 29.0, 39.0, 47.0, 18.0, 14.0, 800.0, 220.0
    ),
}
"""Growth stages in the order a plant passes them."""


def stage_row(settings: ControlSettings, stage: Stage) -> StageBand:
    """The row of a growth stage: that of the table, with what the settings give in its place."""
    own: StageTargets = getattr(settings.stages, stage)
    return _merged(stage, own) if own.model_fields_set else STAGES[stage]


@lru_cache(maxsize=16)
def _merged(stage: Stage, own: StageTargets) -> StageBand:
    given = own.model_dump(exclude_none=True)
    names = {"vpd_day_kpa": "vpd_day", "vpd_night_kpa": "vpd_night"}
    changes = {names.get(key, key): value for key, value in given.items() if key != "soil_moisture_pct"}
    if own.soil_moisture_pct is not None:
        soil = ("soil_low_pct", "soil_target_pct", "soil_high_pct")
        changes |= dict(zip(soil, own.soil_moisture_pct, strict=True))
    return replace(STAGES[stage], **changes)


def base_targets(settings: ControlSettings, budgets: BudgetSettings) -> TargetSet:
    """The row of the growth stage as a target set."""
    band = stage_row(settings, settings.stage)
    return TargetSet(
        vpd_day_kpa=_range(band.vpd_day),
        vpd_night_kpa=_range(band.vpd_night),
        air_temp_day_c=_range(band.temp_day_c),
        air_temp_night_c=_range(band.temp_night_c),
        soil_moisture_pct=_range((band.soil_low_pct, band.soil_high_pct)),
        co2_day_ppm=_range((OUTSIDE_CO2_PPM, band.co2_ppm)),
        photoperiod_h=band.photoperiod_h,
        lights_on_hour=settings.light_start_local_h,
        water_ml_budget=float(budgets.water_ml_per_day),
        co2_seconds_budget=float(budgets.co2_s_per_day),
    )


def _range(band: tuple[float, float]) -> TargetRange:
    return TargetRange(low=band[0], high=band[1])


@dataclass(frozen=True, slots=True)
class Setpoints:
    """Bands for this moment: VPD kPa, air degC, soil % by volume, CO2 ppm; light as the wall clock wants it."""

    light_hours: bool
    light_starts_in_s: float
    light_for_s: float
    """The light left in the coming cycle, from `light_starts_in_s` on."""
    vpd_kpa: Band
    air_temp_c: Band
    soil_low_pct: float
    soil_target_pct: float
    soil_high_pct: float
    soil_temp_low_c: float
    co2_ppm: float
    dose_ml: float
    water_ml_per_day: float
    co2_s_per_day: float
    light_start_h: float
    photoperiod_h: float


def valid_targets(targets: TargetsV1 | None, now: datetime) -> TargetSet | None:
    """The adapted target set, if it holds at `now`."""
    if targets is None or not targets.valid_from <= now <= targets.valid_to:
        return None
    return targets.adapted


def stage_band(settings: ControlSettings, targets: TargetsV1 | None) -> StageBand:
    """The row of the stage table; the targets' growth stage wins over the setting."""
    return stage_row(settings, targets.growth_stage if targets is not None else settings.stage)


def setpoints_at(now: datetime, context: DecisionContext) -> Setpoints:
    """What to steer for at `now` and over the coming cycle."""
    settings, targets, budgets = context.settings, context.targets, context.budgets
    zone, band, given = context.site.zone, stage_band(settings, targets), valid_targets(targets, now)
    start_h = given.lights_on_hour if given else settings.light_start_local_h
    hours = given.photoperiod_h if given else band.photoperiod_h
    wait_s, for_s = light_seconds(now, settings.cycle_s, zone, start_h, hours)
    light = wait_s == 0.0 and for_s > 0.0
    vpd, air = (band.vpd_day, band.temp_day_c) if light else (band.vpd_night, band.temp_night_c)
    soil = (band.soil_low_pct, band.soil_target_pct, band.soil_high_pct)
    co2, water, gas = band.co2_ppm, float(budgets.water_ml_per_day), float(budgets.co2_s_per_day)
    if given is not None:
        chosen = given.vpd_day_kpa if light else given.vpd_night_kpa
        warm = given.air_temp_day_c if light else given.air_temp_night_c
        vpd, air = (chosen.low, chosen.high), (warm.low, warm.high)
        low, high = given.soil_moisture_pct.low, given.soil_moisture_pct.high
        soil = (low, low + 0.6 * (high - low), high)
        co2 = min(co2, given.co2_day_ppm.high)
        water, gas = min(water, given.water_ml_budget), min(gas, given.co2_seconds_budget)
    return Setpoints(
        light, wait_s, for_s, vpd, air, *soil, band.soil_temp_low_c, co2, band.dose_ml, water, gas, start_h, hours
    )
