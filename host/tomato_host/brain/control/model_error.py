"""How far a tent's air has been from what the planner expected of it: each tent's own error, learned as it goes.

At every decision the planner notes what it expects of the coming hours under the duties that are asked for. When these
duties have been in force long enough to mean something, the half hour that was measured is compared with that, and the
squared error is averaged with a fading weight. The prior counts as much as a day of decisions, so that a tent is not
believed to be well known because of two lucky half hours.

The error of a sensor is no part of it: plan and measurement share it, so no comparison shows it. It is added where a
plan is judged by what the plants feel (SENSOR_SD).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

AIR = ("air_temp_c", "vpd_kpa")
PRIOR_SD = (0.4, 0.12)
"""degC and kPa: the error of the first hours over 16 tent weeks."""
PRIOR_COUNT = 12.0
"""Decisions that the prior counts for: a day."""
MEMORY_COUNT = 60.0
"""Decisions that count at most: some five days."""
LARGEST = (6.0, 1.5)
"""A larger error is an event (an opened tent), no error of the model; it counts as this much."""
SENSOR_SD = (0.6, 0.13)
"""What the place of one sensor makes, degC and kPa: two units in one compartment differ by 0.7 +- 1.0 K and 2.7 +- 6.2
% RH, a single one by 1 / sqrt(2) of that spread (the sources stand in twin/sensors.py)."""


@dataclass(frozen=True, slots=True)
class ModelError:
    """Mean squares of the error of air temperature (degC) and VPD (kPa), and what is expected of the coming hour."""

    squares: tuple[float, float] = (PRIOR_SD[0] ** 2, PRIOR_SD[1] ** 2)
    count: float = PRIOR_COUNT
    """Decisions that stand behind them, at most MEMORY_COUNT."""
    expected: tuple[float, float] | None = None
    """Air degC and VPD kPa under the duties that were asked for last; None where nothing was expected."""

    @property
    def sd(self) -> tuple[float, float]:
        """Standard deviations, degC and kPa."""
        return self.squares[0] ** 0.5, self.squares[1] ** 0.5


def compare(error: ModelError, measured: Mapping[str, float]) -> ModelError:
    """The error after one comparison with a measured half hour (`air_temp_c`, `vpd_kpa`); nothing is expected after."""
    if error.expected is None or any(name not in measured for name in AIR):
        return ModelError(error.squares, error.count)
    weight = 1.0 / (error.count + 1.0)
    air, vpd = (
        old + weight * (min(abs(measured[name] - said), most) ** 2 - old)
        for old, said, name, most in zip(error.squares, error.expected, AIR, LARGEST, strict=True)
    )
    return ModelError((air, vpd), min(MEMORY_COUNT, error.count + 1.0))
