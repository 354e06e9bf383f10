"""How far each relay is worn: strokes so far and a day, share of its rated life, years left at that pace.

A stroke is one switching on; the days' totals count them (`day_totals.py`). A hobby relay is rated for 100,000
electrical operations at full load (Songle SRD-05VDC-SL-C data sheet); the registry's row has that number, and
`[service] rated_strokes` the one of what is really fitted (a solid-state relay wears by heat, not by strokes). What the
board switches by itself (survival, forced ventilation) is not among the recorded actions and is not counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared_schemas.devices import OUTPUTS

Json = dict[str, Any]

RECENT_DAYS = 7
"""Whole days that tell the present pace."""
DAYS_A_YEAR = 365.25


def relay_wear(days: Sequence[Json], rated: Mapping[str, int] | None = None) -> list[Json]:
    """One row an output that was ever switched on, in the registry's order.

    `days`: rows of `CountedDays.rows`, oldest first. `rated`: strokes by output where the fitted part's are known.
    A row has `strokes`, `per_day` (mean of the last whole days, the day under way left out when there are others),
    `rated`, `used` (share, 0 to 1 and beyond) and `years_left` (None at a pace of 0).
    """
    whole = days[:-1] if len(days) > 1 else days
    recent = whole[-RECENT_DAYS:]
    rows = []
    for output in OUTPUTS:
        total = sum(day["strokes"].get(output.name, 0) for day in days)
        if not total:
            continue
        life = (rated or {}).get(output.name, output.rated_strokes)
        pace = sum(day["strokes"].get(output.name, 0) for day in recent) / len(recent)
        left = max(0, life - total)
        rows.append(
            {
                "output": output.name,
                "label": output.label,
                "strokes": total,
                "per_day": round(pace, 1),
                "rated": life,
                "used": round(total / life, 4),
                "years_left": round(left / pace / DAYS_A_YEAR, 1) if pace else None,
            }
        )
    return rows
