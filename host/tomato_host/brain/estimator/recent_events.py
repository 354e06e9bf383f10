"""Recent events in the tent that may explain a fast change of a reading: lamp, pump, door, fans, CO2."""

from __future__ import annotations

from typing import Final

from shared_schemas.records import DeviceStatusV1
from tomato_host.brain.estimator.channels import (
    CIRCULATION_SWITCHED,
    CO2_DOSED,
    DOOR,
    EXCUSE_LASTS_S,
    EXHAUST_SWITCHED,
    HUMIDIFIED,
    LAMP_SWITCHED,
    PUMPED,
)

_BITS: Final = tuple(EXCUSE_LASTS_S)


class RecentEvents:
    """Until when each kind of event still counts. Call `update` with every sample."""

    __slots__ = ("_circulation", "_co2_s", "_exhaust", "_humidifier", "_lamp", "_until", "_water_ml", "lamp_since_s")

    def __init__(self) -> None:
        self._until = dict.fromkeys(_BITS, -1e12)
        self._lamp: str | None = None
        self._exhaust: str | None = None
        self._circulation: str | None = None
        self._humidifier: str | None = None
        self._water_ml = -1.0
        self._co2_s = -1.0
        self.lamp_since_s = -1e12
        """Since when the lamp has been as it is now; long ago when it was never seen to switch."""

    def update(self, t_s: float, gap_s: float, devices: DeviceStatusV1, door_open: bool | None) -> int:
        """Mask of the events that may explain a change in this sample; `gap_s` seconds since the last one."""
        outputs = devices.outputs
        until = self._until
        if outputs.light != self._lamp:
            if self._lamp is None:
                # Stopping the host switches the lamp off, and the light sensor is read every 10 s only: a process that
                # has just started may see the light of before, and then the dark.
                until[LAMP_SWITCHED] = t_s + EXCUSE_LASTS_S[LAMP_SWITCHED]
            else:
                self.lamp_since_s = t_s
                until[LAMP_SWITCHED] = t_s + gap_s + EXCUSE_LASTS_S[LAMP_SWITCHED]
            self._lamp = outputs.light
        first = self._exhaust is None
        if outputs.exhaust_fan != self._exhaust and not first:
            until[EXHAUST_SWITCHED] = t_s + EXCUSE_LASTS_S[EXHAUST_SWITCHED]
        if outputs.circulation_fan != self._circulation and not first:
            until[CIRCULATION_SWITCHED] = t_s + EXCUSE_LASTS_S[CIRCULATION_SWITCHED]
        if outputs.humidifier == "ON" or (outputs.humidifier != self._humidifier and not first):
            until[HUMIDIFIED] = t_s + EXCUSE_LASTS_S[HUMIDIFIED]
        self._exhaust, self._circulation = outputs.exhaust_fan, outputs.circulation_fan
        self._humidifier = outputs.humidifier
        if outputs.water_pump == "ON" or devices.water_ml_used_today > self._water_ml >= 0.0:
            until[PUMPED] = t_s + EXCUSE_LASTS_S[PUMPED]
        self._water_ml = devices.water_ml_used_today
        if outputs.co2_solenoid == "ON" or devices.co2_seconds_used_today > self._co2_s >= 0.0:
            until[CO2_DOSED] = t_s + EXCUSE_LASTS_S[CO2_DOSED]
        self._co2_s = devices.co2_seconds_used_today
        if door_open:
            until[DOOR] = t_s + EXCUSE_LASTS_S[DOOR]
        mask = 0
        for bit, end_s in until.items():
            if t_s <= end_s:
                mask |= bit
        return mask
