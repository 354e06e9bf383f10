"""What a tomato wants, by growth stage: the table that every controller here aims at.

VPD bands follow the greenhouse rule of 0.45-1.25 kPa with an optimum near 0.85 kPa (Argus Control Systems,
"Understanding and Using VPD", 2009), lower for seedlings that have few roots and higher for fruiting plants that must
pull calcium into the fruit. Temperatures follow Heuvelink (ed.), "Tomatoes", 2nd ed. 2018, ch. 8: 21-26 degC by day,
16-19 degC by night. The soil band is the volumetric water content of a peat or coir substrate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["seedling", "vegetative", "flowering", "fruiting"]


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
