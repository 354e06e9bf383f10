"""Recent events in the tent that may explain a fast change of a reading: outputs that switched, and the door.

Which output explains which readings, and for how long, stands in its row of the registry (`explains`). What may run
without a pause explains a change when it switches; what works in strokes (mist, water, gas) while it is on as well. Of
water and gas the board's counters tell strokes that lay between two samples.
"""

from __future__ import annotations

from typing import Final, Literal

from shared_schemas.devices import LAMP, OUTPUTS, Output
from shared_schemas.records import DeviceStatusV1
from tomato_host.brain.estimator.channels import DOOR, EXCUSE_LASTS_S, SWITCHING

COUNTERS: Final[dict[str, Literal["water_ml_used_today", "co2_seconds_used_today"]]] = {
    "pump": "water_ml_used_today",
    "valve": "co2_seconds_used_today",
}
"""By kind of output: the field of `device_status_v1` that counts what it delivered today."""
LONG_AGO_S: Final = -1e12
_RELAYS: Final = tuple((row, SWITCHING[row.name]) for row in OUTPUTS if row.explains and row.kind == "relay")
_DOSERS: Final = tuple((row, SWITCHING[row.name]) for row in OUTPUTS if row.explains and row.kind != "relay")


class RecentEvents:
    """Until when each kind of event still counts. Call `update` with every sample."""

    __slots__ = ("_counted", "_seen", "_until", "lamp_since_s")

    def __init__(self) -> None:
        self._until = dict.fromkeys(EXCUSE_LASTS_S, LONG_AGO_S)
        self._seen: dict[str, str] = {}
        """Relays as the last sample showed them."""
        self._counted = {row.name: -1.0 for row, _ in _DOSERS}
        self.lamp_since_s = LONG_AGO_S
        """Since when the lamp has been as it is now; long ago when it was never seen to switch."""

    def update(self, t_s: float, gap_s: float, devices: DeviceStatusV1, door_open: bool | None) -> int:
        """Mask of the events that may explain a change in this sample; `gap_s` seconds since the last one."""
        outputs, until = devices.outputs, self._until
        for row, bit in _RELAYS:
            state = getattr(outputs, row.name)
            first = row.name not in self._seen
            switched = self._seen.get(row.name, state) != state
            self._seen[row.name] = state
            if first and row is LAMP:
                # Stopping the host switches the lamp off, and the light sensor is read every 10 s only: a process that
                # has just started may see the light of before, and then the dark.
                until[bit] = t_s + EXCUSE_LASTS_S[bit]
            elif switched and row is LAMP:
                self.lamp_since_s = t_s
                until[bit] = t_s + gap_s + EXCUSE_LASTS_S[bit]
            elif switched or (state == "ON" and not row.renewable):
                until[bit] = t_s + EXCUSE_LASTS_S[bit]
        for row, bit in _DOSERS:
            if self._has_delivered(row, devices) or getattr(outputs, row.name) == "ON":
                until[bit] = t_s + EXCUSE_LASTS_S[bit]
        if door_open:
            until[DOOR] = t_s + EXCUSE_LASTS_S[DOOR]
        mask = 0
        for bit, end_s in until.items():
            if t_s <= end_s:
                mask |= bit
        return mask

    def _has_delivered(self, row: Output, devices: DeviceStatusV1) -> bool:
        """Whether the board's counter has grown since the last call; the first call only notes it."""
        now: float = getattr(devices, COUNTERS[row.kind])
        before = self._counted[row.name]
        self._counted[row.name] = now
        return now > before >= 0.0
