"""One pot's water: the drying law, and the container capacity that explains best what stayed of each dose."""

from __future__ import annotations

import numpy as np

from tomato_host.brain.world_model.bounded_rls import BoundedRls
from tomato_host.brain.world_model.laws import (
    CAPACITIES_PCT,
    NOISE,
    SOIL_LAW,
    SOIL_REFERENCE_PCT,
    THIRSTY_BELOW_PCT,
)
from tomato_host.brain.world_model.psychrometrics import Array
from tomato_host.brain.world_model.shared_arrays import own

WINDOW_H = 6
"""Hours over which the law is taught: long enough to hear the drying through the probe's noise."""

FORGET_PER_DAY = 0.85
"""About a week counts: leaves grow, pots dry unevenly."""

_UNKNOWN = len(CAPACITIES_PCT) - 1
"""Index of the capacity assumed before anything drained: roomy."""

WATER_UNIT_ML = 100.0
_ERROR_MEMORY = 0.85
_MARGIN = 0.9
"""A tighter capacity has to win by this factor over the roomiest before it is believed."""


class SoilLaw:
    """The law of one zone under every capacity; the one with the least recent error speaks."""

    def __init__(self) -> None:
        self.laws = tuple(BoundedRls(SOIL_LAW, NOISE["soil"], FORGET_PER_DAY) for _ in CAPACITIES_PCT)
        self.errors: Array = np.zeros(len(CAPACITIES_PCT))

    @property
    def chosen(self) -> int:
        """Index of the capacity believed."""
        best = int(np.argmin(self.errors))
        return best if self.errors[best] < _MARGIN * self.errors[_UNKNOWN] else _UNKNOWN

    @property
    def theta(self) -> Array:
        """Coefficients under the capacity believed, in the order of SOIL_LAW."""
        return self.laws[self.chosen].theta

    @property
    def capacity_pct(self) -> float:
        """Container capacity in points of the zone's probe."""
        return CAPACITIES_PCT[self.chosen]

    def teach(self, x: Array, moisture: Array) -> None:
        """Learn from hourly regressors [n, 9] (all of SOIL_LAW but the overflow) and moisture [n + 1]."""
        target = np.diff(moisture)
        if not x[:, 6].any():
            self.laws[self.chosen].teach(*_summed(np.column_stack((x, np.zeros(len(x)))), target))
            return
        self.errors = own(self.errors)
        for i, (law, capacity) in enumerate(zip(self.laws, CAPACITIES_PCT, strict=True)):
            gained = np.maximum(x[:, 6] * law.theta[6] + x[:, 7] * law.theta[7], 0.0)
            over = np.where(gained > 0.0, np.maximum(moisture[:-1] + gained - capacity, 0.0), 0.0)
            rows, wanted = _summed(np.column_stack((x, np.minimum(over, gained))), target)
            error = np.abs(wanted - rows @ law.theta)
            known = np.isfinite(error)
            if known.any():
                self.errors[i] = _ERROR_MEMORY * self.errors[i] + float(error[known].mean())
            law.teach(rows, wanted)

    def named(self) -> dict[str, float]:
        """Coefficients and capacity by name."""
        return {**self.laws[self.chosen].named(), "capacity_pct": self.capacity_pct}


def regressors(vpd: Array, light: Array, fan: Array, before: Array, water_ml: Array) -> Array:
    """Hourly rows [n, 9] of SOIL_LAW without its overflow; arguments cover n + 1 hours, `before` is the moisture."""
    water = water_ml / WATER_UNIT_ML
    return np.column_stack((
        vpd[1:], light[1:], light[1:] * vpd[1:], fan[1:], np.ones(len(vpd) - 1),
        (before[:-1] - SOIL_REFERENCE_PCT) / 10.0, water[1:], water[:-1],
        demand(vpd[1:], light[1:]) * np.maximum(THIRSTY_BELOW_PCT - before[:-1], 0.0) / 10.0,
    ))


def demand(vpd: Array, light: Array) -> Array:
    """What the air asks of the roots, in kPa: all of the deficit in light, a third of it in the dark."""
    return np.asarray(vpd * (0.3 + 0.7 * light))


def _summed(x: Array, y: Array) -> tuple[Array, Array]:
    """Means of rows and targets over sliding windows: the noise of a probe counts once a window, not every hour."""
    window = min(WINDOW_H, len(y))
    total_x = np.concatenate((np.zeros((1, x.shape[1])), np.cumsum(x, axis=0)))
    total_y = np.concatenate(([0.0], np.cumsum(y)))
    return (total_x[window:] - total_x[:-window]) / window, (total_y[window:] - total_y[:-window]) / window
