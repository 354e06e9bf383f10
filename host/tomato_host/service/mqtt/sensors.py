"""Values of foreign sensors: out of a payload of any shape, into the unit of the record, or refused with the reason."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from tomato_host.service.mqtt.settings import CONVERSIONS, SensorSettings

LARGEST_PAYLOAD = 4_096
Json = dict[str, Any]


class ValueRefused(Exception):
    """A payload that is no value of this sensor; the text says why."""


def parse_value(sensor: SensorSettings, payload: bytes) -> float:
    """The value in the unit of its quantity. Raises ValueRefused."""
    if len(payload) > LARGEST_PAYLOAD:
        raise ValueRefused(f"{len(payload)} bytes are no value")
    text = payload.decode("utf-8", "replace").strip()
    raw = _number(_field(text, sensor.field) if sensor.field else text)
    factor, offset = CONVERSIONS.get((sensor.quantity, sensor.unit), (1.0, 0.0))
    return round(raw * factor + offset, 4)


def _field(text: str, path: str) -> Any:
    try:
        found = json.loads(text)
        for part in path.split("."):
            found = found[part]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueRefused(f"there is no {path} in {text[:60]!r}") from None
    return found


def _number(found: Any) -> float:
    """Home Assistant writes `unavailable` where nothing is known."""
    try:
        value = float("nan") if isinstance(found, bool) else float(found)
    except (TypeError, ValueError):
        raise ValueRefused(f"{str(found)[:60]!r} is no number") from None
    if not math.isfinite(value):
        raise ValueRefused(f"{str(found)[:60]!r} is no number")
    return value


class ForeignSensors:
    """The newest value of each sensor, with the time of its arrival, and what was refused."""

    def __init__(self, sensors: tuple[SensorSettings, ...], prefix: str) -> None:
        self._by_topic: dict[str, list[SensorSettings]] = {}
        for sensor in sensors:
            self._by_topic.setdefault(sensor.where(prefix), []).append(sensor)
        self._newest: dict[str, Json] = {}
        self._refused: dict[str, str] = {}

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        return tuple(self._by_topic)

    def on_message(self, where: str, payload: bytes, retained: bool, now: datetime) -> None:
        """A message. A retained one may be of any age, so that it is no value."""
        if retained:
            return
        for sensor in self._by_topic[where]:
            try:
                self._newest[sensor.id] = {"value": parse_value(sensor, payload), "ts": now.isoformat()}
                self._refused.pop(sensor.id, None)
            except ValueRefused as error:
                self._refused[sensor.id] = str(error)

    def status(self) -> Json:
        """For the deciding loop."""
        return {"sensors": self._newest, "sensors_refused": self._refused}
