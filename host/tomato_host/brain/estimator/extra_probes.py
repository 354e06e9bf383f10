"""Sensors that are not the board's (MQTT, Home Assistant): what they add to an estimate, and how little it is believed.

Nobody but their maker knows how they measure, how often, and through how many radios a value came. So a foreign value
is a second-best one: it stands in for a scalar sensor of the board that gives no value, or is a soil probe of its own;
its confidence is never above the limit in its record and falls to none while it ages. The board does not see these
values at all: no interlock of it is ever satisfied by one, and a sensor of the board that is missing stays a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from shared_schemas.records import ExtraReadingV1

SOIL: Final = "soil_moisture_pct"


class ExtraProbes:
    """The newest value of each foreign sensor."""

    def __init__(self) -> None:
        self._newest: dict[str, ExtraReadingV1] = {}

    def __bool__(self) -> bool:
        return bool(self._newest)

    def add(self, reading: ExtraReadingV1) -> None:
        """A value has arrived; the last one of a sensor counts."""
        self._newest[reading.id] = reading

    def soil(self, probe: str, now: datetime) -> float | None:
        """Moisture of the foreign probe of that id, %; None when it has none that is fresh."""
        reading = self._newest.get(probe)
        return reading.value if reading is not None and reading.quantity == SOIL and freshness(reading, now) else None

    def limit(self, probe: str, now: datetime) -> float:
        """The most that a soil probe is believed: 1 unless it is a foreign one."""
        reading = self._newest.get(probe)
        if reading is None or reading.quantity != SOIL:
            return 1.0
        return reading.confidence * freshness(reading, now)

    def stand_in(self, quantity: str, now: datetime) -> tuple[float, float] | None:
        """Value and confidence of the fresh foreign sensors of a scalar: their mean by confidence; None without one."""
        found = [
            (reading.value, reading.confidence * freshness(reading, now))
            for reading in self._newest.values()
            if reading.quantity == quantity
        ]
        total = sum(confidence for _, confidence in found)
        if total <= 0.0:
            return None
        return sum(value * confidence for value, confidence in found) / total, max(c for _, c in found)


def freshness(reading: ExtraReadingV1, now: datetime) -> float:
    """1 for the first half of its life, then falling to 0 at its end. One from the future has no age: 0."""
    age_s = (now - reading.ts).total_seconds()
    if not -5.0 <= age_s < reading.stale_after_s:
        return 0.0
    return min(1.0, 2.0 * (1.0 - age_s / reading.stale_after_s))


def fill(
    extra: ExtraProbes,
    names: Sequence[str],
    now: datetime,
    values: list[float | None],
    confidences: list[float],
) -> None:
    """Put foreign values where the board has none, and bound what foreign probes are believed; in place.

    `names`, `values` and `confidences` are those of the channels (`channels.py`), soil probes as `soil.<id>`.
    """
    for at, name in enumerate(names):
        if name.startswith("soil."):
            confidences[at] = min(confidences[at], extra.limit(name.removeprefix("soil."), now))
        elif values[at] is None and (found := extra.stand_in(name, now)) is not None:
            values[at], confidences[at] = found
