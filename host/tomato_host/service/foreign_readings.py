"""Values of foreign sensors on their way into the brain and the dataset, from what the MQTT process reports."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from shared_schemas.records import ExtraReadingV1
from tomato_host.brain.estimator.channels import CHANNELS, SOIL_PROBE
from tomato_host.brain.local_time import stamped
from tomato_host.loop.recorder import Recorder
from tomato_host.service.mqtt.settings import SensorSettings

PLAUSIBLE = {channel.name: (channel.low, channel.high) for channel in CHANNELS} | {
    "soil_moisture_pct": (SOIL_PROBE.low, SOIL_PROBE.high)
}
"""The same limits as for the board's own sensors."""
EVERY = timedelta(seconds=30)
"""A sensor that reports more often is read so often: a season of each second would fill the disk."""


class ForeignReadings:
    """Records each new value and gives it to the brain; says once what is refused, and when it has ended."""

    def __init__(
        self,
        sensors: tuple[SensorSettings, ...],
        recorder: Recorder,
        give: Callable[[ExtraReadingV1], None],
        zone: Any,
    ) -> None:
        """`give` is the brain's `add_extra_reading`; `zone` the time zone of the records."""
        self._sensors = {sensor.id: sensor for sensor in sensors}
        self._recorder = recorder
        self._give = give
        self._zone = zone
        self._last: dict[str, datetime] = {}
        self._refused: dict[str, str] = {}

    def on_status(self, told: dict[str, Any], now: datetime) -> None:
        """What the MQTT process has sent: the newest value of each sensor, and why others are refused."""
        refused: dict[str, str] = dict(told.get("sensors_refused") or {})
        for name, found in (told.get("sensors") or {}).items():
            value, moment = float(found["value"]), datetime.fromisoformat(found["ts"])
            if name not in self._sensors or name in refused:
                continue
            low, high = PLAUSIBLE[self._sensors[name].quantity]
            if not low <= value <= high:
                refused[name] = f"{value:g} is not plausible for {self._sensors[name].quantity} ({low:g} to {high:g})"
            elif name not in self._last or moment - self._last[name] >= EVERY:
                self._last[name] = moment
                self._read(self._sensors[name], value, moment)
        for name in {*refused, *self._refused}:
            self._note(name, refused.get(name, ""), now)

    def _read(self, sensor: SensorSettings, value: float, moment: datetime) -> None:
        reading = ExtraReadingV1(
            schema_version="extra_reading_v1",
            ts=stamped(moment, self._zone),
            id=sensor.id,
            quantity=sensor.quantity,
            value=value,
            confidence=sensor.confidence,
            stale_after_s=sensor.stale_after_s,
        )
        self._give(reading)
        self._recorder.record(reading)

    def _note(self, name: str, why: str, now: datetime) -> None:
        """One event for each beginning and end; another reason in between is none."""
        before, self._refused[name] = self._refused.get(name, ""), why
        if why and not before:
            text = f"The sensor {name} gives no value that counts: {why}."
            self._recorder.event(now, "WARNING", "process", "extra_sensor_refused", text[:500], sensor=name)
        elif before and not why:
            self._recorder.event(
                now, "INFO", "process", "extra_sensor_back", f"The sensor {name} gives values again.", sensor=name
            )
