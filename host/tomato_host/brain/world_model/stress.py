"""How likely the plant is to suffer: one number from deficit, leaf, soil and the speed of drying.

Each part is a logistic of its distance from the threshold; the risk is that at least one of them takes effect,
1 - product(1 - part). Monotone by construction: drier air, drier soil, faster drying never lower it.
"""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.arrays import Array, zero_if_unknown
from tomato_host.brain.world_model.settings import WorldModelSettings

_VPD_WIDTH_KPA = 0.15
_SOIL_WIDTH_PCT = 1.5
_LEAF_MARGIN_KPA = 0.6
"""The leaf's own deficit may lie this much above the air's threshold before it counts."""

_RISK_PER_DRAUGHT, _MOST_BY_DRAUGHT = 2.0, 0.7
_DROP_PCT_H = 1.5
_DROP_WIDTH_PCT_H = 0.3
"""A pot that loses 1.5 points an hour is empty within the day."""


def _logistic(distance: Array, width: float) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(distance / (2.0 * width))))


def stress_risk(
    vpd_kpa: Array,
    leaf_vpd_kpa: Array | None,
    driest_pct: Array,
    drop_pct_h: Array,
    settings: WorldModelSettings,
    draught: Array | float = 0.0,
) -> Array:
    """Risk 0..1 of the same shape as the inputs; parts that are NaN do not count.

    `draught` is the air change by storm in shares of the exhaust's: leaves in wind close their stomata late.
    """
    safe = np.ones(np.shape(vpd_kpa))
    parts = [
        _logistic(np.asarray(vpd_kpa) - settings.vpd_high_kpa, _VPD_WIDTH_KPA),
        _logistic(settings.soil_dry_pct - np.asarray(driest_pct), _SOIL_WIDTH_PCT),
        _logistic(np.asarray(drop_pct_h) - _DROP_PCT_H, _DROP_WIDTH_PCT_H),
        np.minimum(np.asarray(draught, dtype=np.float64) * _RISK_PER_DRAUGHT, _MOST_BY_DRAUGHT),
    ]
    if leaf_vpd_kpa is not None:
        parts.append(_logistic(np.asarray(leaf_vpd_kpa) - settings.vpd_high_kpa - _LEAF_MARGIN_KPA, _VPD_WIDTH_KPA))
    for part in parts:
        safe = safe * (1.0 - zero_if_unknown(part))
    return np.asarray(1.0 - safe)
