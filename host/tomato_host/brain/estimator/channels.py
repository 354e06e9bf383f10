"""The policy of every sensor as a table: what is plausible, how fast it may change, when a missing value is a fault.

Values: degC, %, ppm, lx as in the channel's name. docs/confidence_scoring.md shows the same table; a test compares.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from shared_schemas.devices import OUTPUTS, PUMP
from tomato_host.brain.estimator.settings import EstimatorSettings

SWITCHING: Final[dict[str, int]] = {row.name: 1 << row.wire_id for row in OUTPUTS if row.explains}
"""Outputs whose switching may explain a fast change, each as a bit of one mask."""
DOOR: Final = 1 << len(OUTPUTS)
"""The open door, which explains most changes."""
PUMPED: Final = SWITCHING[PUMP.name]

DOOR_LASTS_S: Final = 900.0
EXCUSE_LASTS_S: Final[dict[int, float]] = {
    **{SWITCHING[row.name]: row.explains_for_s for row in OUTPUTS if row.explains},
    DOOR: DOOR_LASTS_S,
}
"""How long after the event a fast change is still attributed to it."""


def excused(reading: str) -> int:
    """Mask of the events that explain a fast change of a reading (`soil` for the probes): the door, and the outputs
    whose row in the registry says so."""
    return DOOR | sum(SWITCHING[row.name] for row in OUTPUTS if reading in row.explains)


@dataclass(frozen=True, slots=True)
class Channel:
    """One sensor's policy."""

    name: str
    low: float
    high: float
    """Plausible in a tent; a value beyond is a fault of the sensor."""
    jump: float
    """Largest believable step between two samples at once, plus ..."""
    jump_per_min: float
    """... this much per minute between them, plus ..."""
    jump_share: float
    """... this share of the larger of the two values."""
    stuck_s: float
    """A reading that does not move at all for this long is stuck."""
    flat_below: float
    """Not moving at or below this value is natural (darkness)."""
    flat_above: float
    """Not moving at or above this value is natural (saturated air)."""
    smooth_s: float
    """Time constant of the noise filter."""
    excused_by: int
    """Mask of events that explain a fast change ..."""
    excused_pace: float
    """... by making the believable pace this many times faster; a step at once stays as unbelievable as before."""
    weight: float
    """Weight in the overall confidence."""
    essential: bool
    """Missing for good (not fitted) still costs confidence."""


_NEVER_LOW, _NEVER_HIGH = -1e9, 1e9

# fmt: off
CHANNELS: Final[tuple[Channel, ...]] = (
    Channel("air_temp_c", -10.0, 60.0, 2.0, 0.6, 0.0, 3_600.0, _NEVER_LOW, _NEVER_HIGH, 30.0,
            excused("air_temp_c"), 10.0, 3.0, True),
    Channel("rh_pct", 2.0, 100.0, 7.0, 2.0, 0.0, 3_600.0, _NEVER_LOW, 99.0, 30.0,
            excused("rh_pct"), 10.0, 3.0, True),
    Channel("co2_ppm", 200.0, 10_000.0, 150.0, 120.0, 0.0, 3_600.0, _NEVER_LOW, _NEVER_HIGH, 60.0,
            excused("co2_ppm"), 5.0, 1.0, False),
    Channel("leaf_temp_c", -10.0, 60.0, 2.5, 0.8, 0.0, 3_600.0, _NEVER_LOW, _NEVER_HIGH, 30.0,
            excused("leaf_temp_c"), 10.0, 1.5, False),
    Channel("light_lux", 0.0, 119_000.0, 300.0, 600.0, 0.10, 3_600.0, 50.0, _NEVER_HIGH, 20.0,
            excused("light_lux"), 1e9, 1.0, False),
    Channel("soil_temp_c", -5.0, 50.0, 1.2, 0.15, 0.0, 4_500.0, _NEVER_LOW, _NEVER_HIGH, 60.0,
            excused("soil_temp_c"), 20.0, 1.0, False),
)
"""Every scalar sensor, in the order the estimator reads them."""

SOIL_PROBE: Final = Channel("soil", 0.5, 99.9, 6.0, 1.0, 0.0, 3_600.0, _NEVER_LOW, _NEVER_HIGH, 60.0,
                            excused("soil"), 30.0, 2.0, True)
# fmt: on
"""Every soil probe. Exactly 0 or 100 % is a probe in the air, a broken wire or a short, never a soil. Water explains
a rise only, work in the tent (door open) both directions."""


def channels_for(settings: EstimatorSettings) -> tuple[Channel, ...]:
    """All channels of this installation: the scalars, then one `soil.<id>` a probe."""
    scalars = tuple(_in_daylight(c) if settings.daylight and c.name == "light_lux" else c for c in CHANNELS)
    return scalars + tuple(replace(SOIL_PROBE, name=f"soil.{probe.id}") for probe in settings.probes)


def _in_daylight(light: Channel) -> Channel:
    """A cloud may take any share of the light within seconds: no step is a jump."""
    return replace(light, jump=_NEVER_HIGH)
