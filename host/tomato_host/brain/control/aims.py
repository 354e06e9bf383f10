"""The bands to steer for at one moment: the adapted targets where there are any, else the table of growth stages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from shared_schemas.records.targets_v1 import TargetSet, TargetsV1
from tomato_host.brain.control.photoperiod import is_light, light_seconds
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.stages import STAGES, StageBand

Band = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Aims:
    """Bands for this moment: VPD kPa, air degC, soil % by volume, CO2 ppm; light as the wall clock wants it."""

    light: bool
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
    return STAGES[targets.growth_stage if targets is not None else settings.stage]


def aims_at(now: datetime, settings: ControlSettings, targets: TargetsV1 | None) -> Aims:
    """What to steer for at `now` and over the coming cycle."""
    zone, band, given = ZoneInfo(settings.time_zone), stage_band(settings, targets), valid_targets(targets, now)
    start_h = given.lights_on_hour if given else settings.light_start_local_h
    hours = given.photoperiod_h if given else band.photoperiod_h
    light = is_light(now, zone, start_h, hours)
    wait_s, for_s = light_seconds(now, settings.cycle_s, zone, start_h, hours)
    vpd, air = (band.vpd_day, band.temp_day_c) if light else (band.vpd_night, band.temp_night_c)
    soil = (band.soil_low_pct, band.soil_target_pct, band.soil_high_pct)
    co2, water, gas = band.co2_ppm, settings.water_ml_per_day, float(settings.co2_s_per_day)
    if given is not None:
        chosen = given.vpd_day_kpa if light else given.vpd_night_kpa
        warm = given.air_temp_day_c if light else given.air_temp_night_c
        vpd, air = (chosen.low, chosen.high), (warm.low, warm.high)
        low, high = given.soil_moisture_pct.low, given.soil_moisture_pct.high
        soil = (low, low + 0.6 * (high - low), high)
        co2 = min(co2, given.co2_day_ppm.high)
        water, gas = min(water, given.water_ml_budget), min(gas, given.co2_seconds_budget)
    return Aims(
        light, wait_s, for_s, vpd, air, *soil, band.soil_temp_low_c, co2, band.dose_ml, water, gas, start_h, hours
    )
