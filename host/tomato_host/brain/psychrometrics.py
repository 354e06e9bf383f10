"""Psychrometrics: the one place for saturation pressure, vapour pressure deficit, dew point and absolute humidity.

Saturation pressure over liquid water, es, is measured and not derived; every published formula is a fit to the same
steam tables. All of them here have one form,

    es(T) = a * exp((b - T / d) * T / (c + T)),        T in degC, es in kPa, without the term T / d where d is None

and the table `CURVES` is the only place in the code that holds their coefficients (a test looks for a second one):

- `buck`: A. L. Buck, "New equations for computing vapor pressure and enhancement factor", J. Appl. Meteorol. 20 (1981)
  1527-1532, with the coefficients of the Buck Research CR-1A manual (1996), without the enhancement factor. Within
  0.022 % of the reference psychrolib between 0 and 45 degC. What is measured is computed with it: states, thresholds,
  the simulated tent.
- `magnus`: O. A. Alduchov and R. E. Eskridge, "Improved Magnus form approximation of saturation vapor pressure",
  J. Appl. Meteorol. 35 (1996) 601-609, eq. 21 (AERK); within 0.29 %. A choice of the grower (`[estimator] formula`).
- `fao56`: Tetens' form of R. G. Allen et al., "Crop evapotranspiration", FAO Irrigation and Drainage Paper 56 (1998),
  eq. 11; within 0.12 %. What is forecast and planned is computed with it (`PLANNING_FORMULA`): the learned
  coefficients, the measured figures of docs/forecast.md and the recorded forecasts stand on it. It differs from `buck`
  by at most 0.11 % between 0 and 45 degC, where a hygrometer that is right to 2 % RH leaves 5 % of the deficit open.

Two families of functions differ in what they do with nonsense, and only in that. The scalar ones serve measurements:
they refuse NaN, infinity and values outside the range of the formula with ValueError, because a wrong deficit opens a
fan or a valve, and no answer is better than a guess. Those with `array` in their name serve tables and rollouts:
NaN, a missing hour, passes through, and nothing is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeVar

if TYPE_CHECKING:  # the dashboard uses the scalar formulas and must not load numpy
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Formula = Literal["buck", "magnus", "fao56"]

LOWEST_TEMP_C: Final = -40.0
HIGHEST_TEMP_C: Final = 85.0
"""The range the sensors can report; every formula is used over liquid water throughout, as the sensors do."""

_WATER_VAPOUR_J_PER_KG_K: Final = 461.523
"""Specific gas constant of water vapour (IAPWS R6-95: 8.314462 / 0.018015268)."""


@dataclass(frozen=True, slots=True)
class SaturationCurve:
    """Coefficients of es(T) = a exp((b - T / d) T / (c + T)), with T in degC."""

    a_kpa: float
    b: float
    c_k: float
    d_k: float | None = None


CURVES: Final[dict[str, SaturationCurve]] = {
    "buck": SaturationCurve(0.61121, 18.678, 257.14, 234.5),
    "magnus": SaturationCurve(0.61094, 17.625, 243.04),
    "fao56": SaturationCurve(0.6108, 17.27, 237.3),
}
"""Every formula by name; sources stand on top of this file."""

PLANNING_FORMULA: Final[Formula] = "fao56"
"""The formula of the array functions, that is of forecasts, plans and backtests."""

_Number = TypeVar("_Number", float, "Array")


def evaluate_curve_kpa(temp_c: _Number, curve: SaturationCurve, exp: Callable[[_Number], _Number]) -> _Number:
    """es(T) in kPa of a scalar or an array; `exp` is the exponential for that type."""
    slope = curve.b if curve.d_k is None else curve.b - temp_c / curve.d_k
    return curve.a_kpa * exp(slope * temp_c / (curve.c_k + temp_c))


def _curve(formula: str) -> SaturationCurve:
    try:
        return CURVES[formula]
    except KeyError:
        raise ValueError(f"formula {formula!r} is unknown; known are {', '.join(CURVES)}") from None


# Measurements: scalars, checked.


def saturation_vapour_pressure_kpa(temp_c: float, formula: Formula = "buck") -> float:
    """Saturation vapour pressure over liquid water in kPa at `temp_c` in degC (-40..85)."""
    if not LOWEST_TEMP_C <= temp_c <= HIGHEST_TEMP_C:
        raise ValueError(f"temperature {temp_c} degC is outside {LOWEST_TEMP_C}..{HIGHEST_TEMP_C}")
    return evaluate_curve_kpa(temp_c, _curve(formula), math.exp)


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
    """Leaf minus air in K. Negative: the leaf cools itself by transpiring. Positive: sun, or lack of water.

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
    curve = CURVES[formula]
    log_ratio = math.log(vapour / curve.a_kpa)
    if curve.d_k is None:
        dew = curve.c_k * log_ratio / (curve.b - log_ratio)
    else:
        # ln(e/a) = (b - T/d) T / (c + T)  <=>  T^2/d - (b - L) T + c L = 0; the smaller root is the physical one.
        half = curve.b - log_ratio
        dew = (half - math.sqrt(half * half - 4.0 * curve.c_k * log_ratio / curve.d_k)) * curve.d_k / 2.0
    return min(max(dew, -80.0), temp_c)


def absolute_humidity_g_m3(temp_c: float, rh_pct: float, formula: Formula = "buck") -> float:
    """Water vapour in g per m3 of air: e / (Rv T), the ideal gas law."""
    return vapour_pressure_kpa(temp_c, rh_pct, formula) * 1e6 / (_WATER_VAPOUR_J_PER_KG_K * (temp_c + 273.15))


# The simulated tent: one scalar, unchecked, several calls a step.

_BUCK: Final = CURVES["buck"]
_A_PA, _B, _C_K = 1_000.0 * _BUCK.a_kpa, _BUCK.b, _BUCK.c_k
_D_K: Final = _BUCK.d_k or math.inf


def saturation_pa(temp_c: float) -> float:
    """Saturation vapour pressure over water in Pa by `buck`, written out for speed; nothing is checked."""
    return _A_PA * math.exp((_B - temp_c / _D_K) * temp_c / (_C_K + temp_c))
