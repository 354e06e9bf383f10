"""The guard that detects that an answer of the advisor would be about an outdated state."""

from __future__ import annotations

from dataclasses import dataclass

from shared_schemas.records import StateV1
from tomato_host.advisor.settings import StaleSettings


@dataclass(frozen=True, slots=True)
class StateChange:
    """Which quantity moved how far, in the quantity's own unit."""

    quantity: str
    by: float

    def __str__(self) -> str:
        return f"{self.quantity} moved by {self.by:.1f}"


class StaleGuard:
    """Counts newer states that are beyond a threshold; reports them only after `debounce` in a row."""

    def __init__(self, settings: StaleSettings, asked_about: StateV1 | None) -> None:
        self._settings = settings
        self._asked_about = asked_about
        self._in_a_row = 0

    def check(self, newer: StateV1) -> str | None:
        """A reason to cancel, or None. An unknown value on either side counts as not moved."""
        moved = largest_move(self._settings, self._asked_about, newer) if self._asked_about else None
        self._in_a_row = self._in_a_row + 1 if moved else 0
        if moved and self._in_a_row >= self._settings.debounce:
            return f"stale context: {moved}"
        return None


def largest_move(settings: StaleSettings, old: StateV1, new: StateV1) -> StateChange | None:
    """The move that exceeds its threshold by the largest factor, or None."""
    pairs = (
        ("air_temp_c", old.env.air_temp_c, new.env.air_temp_c, settings.air_temp_c),
        ("rh_pct", old.env.rh_pct, new.env.rh_pct, settings.rh_pct),
        ("vpd_kpa", old.env.vpd_kpa, new.env.vpd_kpa, settings.vpd_kpa),
        ("soil_moisture_pct", old.soil.avg_moisture_pct, new.soil.avg_moisture_pct, settings.soil_moisture_pct),
    )
    beyond = [
        (abs(b - a) / threshold, StateChange(name, abs(b - a)))
        for name, a, b, threshold in pairs
        if a is not None and b is not None and abs(b - a) > threshold
    ]
    return max(beyond, key=lambda item: item[0])[1] if beyond else None
