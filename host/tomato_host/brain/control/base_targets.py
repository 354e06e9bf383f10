"""The day's targets as the stage table and the settings have them, before any weather bends them."""

from __future__ import annotations

from shared_schemas.records.targets_v1 import TargetRange, TargetSet
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.stages import STAGES

OUTSIDE_CO2_PPM = 400.0
"""What ventilation alone can always give."""


def base_targets(settings: ControlSettings) -> TargetSet:
    """The row of the growth stage as a target set."""
    band = STAGES[settings.stage]
    return TargetSet(
        vpd_day_kpa=_range(band.vpd_day),
        vpd_night_kpa=_range(band.vpd_night),
        air_temp_day_c=_range(band.temp_day_c),
        air_temp_night_c=_range(band.temp_night_c),
        soil_moisture_pct=_range((band.soil_low_pct, band.soil_high_pct)),
        co2_day_ppm=_range((OUTSIDE_CO2_PPM, band.co2_ppm)),
        photoperiod_h=band.photoperiod_h,
        lights_on_hour=settings.light_start_local_h,
        water_ml_budget=settings.water_ml_per_day,
        co2_seconds_budget=float(settings.co2_s_per_day),
    )


def _range(band: tuple[float, float]) -> TargetRange:
    return TargetRange(low=band[0], high=band[1])
