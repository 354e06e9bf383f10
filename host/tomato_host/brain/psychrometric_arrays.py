"""The formulas of psychrometrics.py for arrays: tables and rollouts. Any shape; NaN passes through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomato_host.brain.psychrometrics import CURVES, PLANNING_FORMULA, Formula, evaluate_curve_kpa

Array = NDArray[np.float64]


def saturation_array_kpa(temp_c: Array | float, formula: Formula = PLANNING_FORMULA) -> Array:
    """Saturation vapour pressure in kPa of every temperature in degC."""
    return np.asarray(evaluate_curve_kpa(np.asarray(temp_c, dtype=np.float64), CURVES[formula], np.exp))


def vapour_array_kpa(temp_c: Array | float, rh_pct: Array | float, formula: Formula = PLANNING_FORMULA) -> Array:
    """Partial pressure of water vapour in kPa; relative humidity in percent."""
    return np.asarray(saturation_array_kpa(temp_c, formula) * rh_pct / 100.0)


def vpd_array_kpa(temp_c: Array | float, rh_pct: Array | float, formula: Formula = PLANNING_FORMULA) -> Array:
    """Vapour pressure deficit in kPa of air at `temp_c` in degC and `rh_pct` in percent."""
    return np.asarray(saturation_array_kpa(temp_c, formula) * (1.0 - np.asarray(rh_pct, dtype=np.float64) / 100.0))


def rh_array_pct(temp_c: Array | float, deficit_kpa: Array | float, formula: Formula = PLANNING_FORMULA) -> Array:
    """Relative humidity in %, 0..100, of air at `temp_c` in degC with that deficit in kPa."""
    share = np.asarray(deficit_kpa) / saturation_array_kpa(temp_c, formula)
    return np.asarray(np.clip(100.0 * (1.0 - share), 0.0, 100.0))


def dew_point_array_c(temp_c: Array | float, rh_pct: Array | float, formula: Formula = PLANNING_FORMULA) -> Array:
    """Dew point in degC of air at `temp_c` in degC and `rh_pct` in percent; held at 0.1 % for drier air.

    Only for the formulas whose exponent can be inverted in closed form without a root (`magnus`, `fao56`). Raises
    ValueError for another.
    """
    curve = CURVES[formula]
    if curve.d_k is not None:
        raise ValueError(f"the dew point of arrays is not made for formula {formula!r}")
    vapour = vapour_array_kpa(temp_c, np.maximum(np.asarray(rh_pct, dtype=np.float64), 0.1), formula)
    log_ratio = np.log(vapour / curve.a_kpa)
    return np.asarray(np.minimum(curve.c_k * log_ratio / (curve.b - log_ratio), temp_c))


def leaf_vpd_array_kpa(
    leaf_c: Array | float, air_c: Array | float, rh_pct: Array | float, formula: Formula = PLANNING_FORMULA
) -> Array:
    """Deficit between the leaf's saturated inside and the air, in kPa; 0 where dew would form."""
    vapour = vapour_array_kpa(air_c, np.asarray(rh_pct, dtype=np.float64), formula)
    return np.asarray(np.maximum(saturation_array_kpa(leaf_c, formula) - vapour, 0.0))
