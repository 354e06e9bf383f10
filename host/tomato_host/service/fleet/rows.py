"""From cards to the rows of the fleet table. Pure: ages are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from tomato_host.service.bus.node_summary import Card

Level = Literal["bad", "stale", "watch", "well"]
ORDER: tuple[Level, ...] = ("bad", "stale", "watch", "well")
"""What wants a look stands on top."""


class Heard(NamedTuple):
    """The newest that a broker has of one node."""

    node: str
    age_s: float
    card: Card | None
    """None for a node that is on the list and whose card is missing or unreadable."""


@dataclass(frozen=True, slots=True)
class Row:
    """One node as the table shows it; what a silent node said last is kept, and marked."""

    node: str
    level: Level
    safe: bool | None
    """None: nobody can know, because it is not heard."""
    verdict: str
    mode: str
    age_s: float | None
    air_temp_c: float | None = None
    rh_pct: float | None = None
    vpd_kpa: float | None = None
    driest_probe: str | None = None
    driest_pct: float | None = None
    last_action: dict[str, str] | None = None
    alarms: tuple[str, ...] = ()
    dropped: int = 0
    version: str = ""

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def rows_of(heard: Iterable[Heard], stale_after_s: float) -> list[Row]:
    """The table, worst first, then by name."""
    rows = [_row(one, stale_after_s) for one in heard]
    return sorted(rows, key=lambda row: (ORDER.index(row.level), row.node))


def _row(heard: Heard, stale_after_s: float) -> Row:
    card = heard.card
    if card is None:
        return Row(heard.node, "stale", None, "never heard, or its card cannot be read", "UNKNOWN", None)
    is_stale = heard.age_s > stale_after_s
    last = card.last_action
    return Row(
        node=heard.node,
        level="stale" if is_stale else card.level,
        safe=None if is_stale else card.level != "bad",
        verdict=f"not heard for {age_text(heard.age_s)}; last word: {card.verdict}" if is_stale else card.verdict,
        mode=card.mode,
        age_s=round(heard.age_s, 1),
        air_temp_c=card.air_temp_c,
        rh_pct=card.rh_pct,
        vpd_kpa=card.vpd_kpa,
        driest_probe=card.driest_probe,
        driest_pct=card.driest_pct,
        last_action={"ts": last.ts.isoformat(), "type": last.type, "text": last.text} if last else None,
        alarms=card.alarms,
        dropped=sum(card.dropped.values()),
        version=card.version,
    )


def age_text(age_s: float) -> str:
    """An age as one says it: 7 s, 12 min, 3 h, 2 d."""
    for unit, seconds, below in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3_600, 48 * 3_600)):
        if age_s < below:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s / 86_400:.0f} d"
