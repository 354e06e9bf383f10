"""The signals of the threshold table, one number each in its order: what `anomaly_detector.py` compares with limits.

Most are readings or follow from them at once. Four need memory: the unexpected change of the deficit, how long
it has been dark under a lamp that is on, how long light without one, and whether the board was reset.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Final

from shared_schemas.devices import LAMP, names_of
from shared_schemas.records import DeviceStatusV1, ObservationV1
from tomato_host.brain.estimator.channels import CHANNELS
from tomato_host.brain.estimator.cross_check import DARK_LUX, LAMP_SETTLES_S, STRAY_LUX

AIR, RH, CO2_PPM, LEAF, LUX, SOIL_TEMP = range(6)
FIRST_PROBE = len(CHANNELS)
"""Places of the sensors in every list of values; the probes follow."""
COMPARED_S: Final = (600.0, 1_200.0)
"""The air's deficit is compared with that of so long ago: a quarter of an hour, give or take the phase of a stroke."""
CHANGE_STEP_S: Final = 60.0
LAMP_WARMS_S: Final = 2_700.0
"""A lamp that has switched warms or cools the tent for about so long."""
RELAYS: Final = names_of(kind="relay")
NOTHING_DERIVED: Final[tuple[float | None, ...]] = (None,) * 6


class ThresholdSignals:
    """Makes the signals of one moment; remembers what the next moments need. Times must grow."""

    def __init__(self, daylight: bool) -> None:
        """`daylight`: sun reaches the sensor, so light without the lamp is no sign of anything."""
        self._daylight = daylight
        self._vpd_trail: deque[tuple[float, float, int]] = deque(maxlen=int(COMPARED_S[1] / CHANGE_STEP_S) + 2)
        self._dark_since_s: float | None = None
        self._stray_since_s: float | None = None
        self._reset_ts: datetime | None = None
        self._seen_reset = False
        self._devices: DeviceStatusV1 | None = None
        self._on = 0

    def update(
        self,
        t_s: float,
        observation: ObservationV1,
        devices: DeviceStatusV1,
        values: list[float | None],
        derived: tuple[float | None, ...],
        average: float | None,
        lamp_for_s: float,
        unanswered_ml: float | None,
    ) -> list[float | None]:
        """The signals in the order of the table; the probes follow.

        `values`: trusted readings by place, None for the others; `derived`: deficit (kPa), leaf minus air (K), leaf
        deficit, dew point (degC), absolute humidity, light integral; `average`: soil moisture, %; `lamp_for_s`: since
        the lamp was last switched; `unanswered_ml`: water that no probe has answered.
        """
        air, leaf = values[AIR], values[LEAF]
        vpd = dew = delta = None
        if air is not None:
            vpd, _, _, dew, _, _ = derived if values[RH] is not None else NOTHING_DERIVED
            delta = leaf - air if leaf is not None else None
        margin = None
        if dew is not None and air is not None:
            margin = (air if leaf is None or leaf > air else leaf) - dew
        lamp = getattr(devices.outputs, LAMP.name) == "ON"
        return [
            air,
            values[RH],
            values[CO2_PPM],
            vpd,
            delta,
            values[SOIL_TEMP],
            average,
            margin,
            self._vpd_change(t_s, vpd, self._outputs_on(devices, observation.door_open), lamp_for_s),
            *self._light_mismatch(t_s, values[LUX], lamp, lamp_for_s >= LAMP_SETTLES_S),
            _flag(observation.leak),
            _flag(observation.reservoir_ok, turned=True),
            unanswered_ml,
            _flag(observation.door_open),
            0.0 if devices.mcu_connected else 1.0,
            self._board_reset(devices),
            float(len(devices.faults)),
            *values[FIRST_PROBE:],
        ]

    def _vpd_change(self, t_s: float, vpd: float | None, outputs: int, lamp_for_s: float) -> float | None:
        """Least change of the deficit against a quarter of an hour ago, kPa, like compared with like.

        Fans, mist and lamp work in strokes and move the deficit themselves. So the present is compared with the moments
        10 to 20 minutes ago at which the same outputs were on. Without one, or soon after the lamp has switched,
        nothing that would be unexpected is known, and that counts as no change.
        """
        if vpd is None:
            return None
        trail, (newest_s, oldest_s) = self._vpd_trail, COMPARED_S
        if not trail or t_s - trail[-1][0] >= CHANGE_STEP_S:
            trail.append((t_s, vpd, outputs))
        while len(trail) > 1 and t_s - trail[0][0] > oldest_s:
            trail.popleft()
        if lamp_for_s < LAMP_WARMS_S:
            return 0.0
        alike = [abs(vpd - then) for at_s, then, on in trail if t_s - at_s >= newest_s and on == outputs]
        return min(alike, default=0.0)

    def _light_mismatch(
        self, t_s: float, light: float | None, lamp: bool, settled: bool
    ) -> tuple[float | None, float | None]:
        """Seconds of darkness under a lamp that is on, seconds of light without one.

        Only light under the lamp shows that it works again: off, or just switched, it tells nothing.
        """
        if light is None:
            return None, None
        if not (lamp and settled and light < DARK_LUX):
            self._dark_since_s = None
        elif self._dark_since_s is None:
            self._dark_since_s = t_s
        if lamp or not settled or self._daylight or light < STRAY_LUX:
            self._stray_since_s = None
        elif self._stray_since_s is None:
            self._stray_since_s = t_s
        dark, stray = self._dark_since_s, self._stray_since_s
        seen = lamp and settled
        return (
            (t_s - dark if dark is not None else 0.0) if seen else None,
            t_s - stray if stray is not None else 0.0,
        )

    def _outputs_on(self, devices: DeviceStatusV1, door_open: bool | None) -> int:
        """The outputs that move the air's deficit, and the door, as bits."""
        if devices is not self._devices:  # sources return the same object until something changes
            self._devices = devices
            self._on = sum(1 << n for n, name in enumerate(RELAYS) if getattr(devices.outputs, name) == "ON")
        return self._on | (1 << len(RELAYS) if door_open else 0)

    def _board_reset(self, devices: DeviceStatusV1) -> float:
        """1 in the one sample that shows a new reset, else 0."""
        new = devices.last_reset_ts != self._reset_ts
        first = not self._seen_reset
        self._reset_ts = devices.last_reset_ts
        self._seen_reset = True
        return 1.0 if new and not first else 0.0


def _flag(value: bool | None, turned: bool = False) -> float | None:
    """A switch as a number; None stays None."""
    if value is None:
        return None
    return 1.0 if value is not turned else 0.0
