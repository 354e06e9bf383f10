"""Vapour pressure of air and the deficit that drives transpiration: the formulas the forecast rests on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""A float array; shapes stand in each docstring."""

Mask = NDArray[np.bool_]
"""A boolean array."""


def saturation_kpa(temp_c: Array | float) -> Array:
    """Saturation vapour pressure over water in kPa (Tetens form of FAO-56, Allen et al. 1998, eq. 11)."""
    t = np.asarray(temp_c, dtype=np.float64)
    return np.asarray(0.6108 * np.exp(17.27 * t / (t + 237.3)))


def vpd_kpa(temp_c: Array | float, rh_pct: Array | float) -> Array:
    """Vapour pressure deficit in kPa of air at `temp_c` and `rh_pct`."""
    return np.asarray(saturation_kpa(temp_c) * (1.0 - np.asarray(rh_pct, dtype=np.float64) / 100.0))


def rh_from_vpd(temp_c: Array | float, deficit_kpa: Array | float) -> Array:
    """Relative humidity in %, 0..100, of air at `temp_c` with that deficit."""
    return np.asarray(np.clip(100.0 * (1.0 - np.asarray(deficit_kpa) / saturation_kpa(temp_c)), 0.0, 100.0))


def leaf_vpd_kpa(leaf_c: Array | float, air_c: Array | float, rh_pct: Array | float) -> Array:
    """Deficit between the leaf's saturated inside and the air, in kPa; 0 where dew would form."""
    vapour = saturation_kpa(air_c) * np.asarray(rh_pct, dtype=np.float64) / 100.0
    return np.asarray(np.maximum(saturation_kpa(leaf_c) - vapour, 0.0))
