"""What each day took and gave: water, light, energy and relay strokes, from the recorded states and outcomes.

A day is the local one that the records themselves name: each time stamp carries the offset of the site's zone. Energy
is an estimate: seconds on times the power of the output, measured (`[service.power_w]`) or typical (its row of the
registry).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared_schemas.devices import LAMP, OUTPUTS, PUMP, Output

Json = dict[str, Any]

OUTPUT_OF_ACTION = {row.action: row for row in OUTPUTS}


def strokes_of(action: Json, row: Output) -> int:
    """How often the output was switched on for an action: a hold is one stroke however often it is renewed."""
    is_spread = action["params"].get("period_s") is not None
    return len(action["outcome"].get("cmd_ids", ())) if is_spread or not row.renewable else 1


@dataclass(slots=True)
class DayTotal:
    """Totals of one local day."""

    water_ml: float = 0.0
    dli_mol_m2: float | None = None
    light_h: float = 0.0
    energy_kwh: float = 0.0
    strokes: dict[str, int] = field(default_factory=dict)
    """How often each relay, pump or valve was switched on."""


class CountedDays:
    """Counts records into days. The order of the records does not matter; an outcome counts once."""

    def __init__(self, power_w: Mapping[str, float] | None = None) -> None:
        """`power_w`: power by output where it was measured."""
        self._power_w = power_w or {}
        self._days: dict[str, DayTotal] = {}
        self._counted: set[str] = set()

    def add_state(self, state: Json) -> None:
        """The daily light integral grows until midnight: its greatest value is the day's."""
        dli = state["env"].get("dli_mol_m2")
        if dli is not None:
            day = self._day(state["ts"])
            day.dli_mol_m2 = max(dli, day.dli_mol_m2 or 0.0)

    def add_action(self, action: Json) -> None:
        """The outcome of an action; a proposal without one counts nothing."""
        outcome, row, key = action.get("outcome"), OUTPUT_OF_ACTION.get(action["type"]), action.get("id")
        if not outcome or row is None or key in self._counted or action.get("shadow"):
            return
        if key is not None:
            self._counted.add(key)
        day, on_s = self._day(action["ts"]), outcome.get("delivered_s") or 0.0
        if row is PUMP:
            day.water_ml += outcome.get("delivered_ml") or 0.0
        if row is LAMP:
            day.light_h += on_s / 3_600.0
        if on_s or outcome.get("delivered_ml"):
            day.strokes[row.name] = day.strokes.get(row.name, 0) + strokes_of(action, row)
        day.energy_kwh += on_s * self._power_w.get(row.name, row.power_w) / 3.6e6

    def rows(self, since: str = "", until: str = "9999") -> list[Json]:
        """Days (ISO dates) from `since` to `until`, oldest first."""
        return [
            {
                "day": name,
                "water_ml": round(day.water_ml, 1),
                "dli_mol_m2": day.dli_mol_m2,
                "light_h": round(day.light_h, 2),
                "energy_kwh": round(day.energy_kwh, 3),
                "strokes": day.strokes,
            }
            for name, day in sorted(self._days.items())
            if since <= name <= until
        ]

    def _day(self, ts: str) -> DayTotal:
        return self._days.setdefault(ts[:10], DayTotal())
