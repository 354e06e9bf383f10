"""From node summaries to the rows of the fleet table. Pure: ages are given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

from tomato_host.service.bus.node_summary import NodeSummary

Level = Literal["bad", "stale", "watch", "well"]
ORDER: tuple[Level, ...] = ("bad", "stale", "watch", "well")
"""Worst first."""


class NodeReport(NamedTuple):
    """The newest summary that a broker has of one node, and its age."""

    node: str
    age_s: float
    summary: NodeSummary | None
    """None when the node is on the list but its summary is missing or unreadable."""


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One node as the table shows it; the last values of a silent node are kept, and marked as stale."""

    node: str
    level: Level
    safe: bool | None
    """None: nobody can know, because the node is silent."""
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


def rows_of(reports: Iterable[NodeReport], stale_after_s: float) -> list[FleetRow]:
    """The table, worst first, then by name."""
    rows = [_row(one, stale_after_s) for one in reports]
    return sorted(rows, key=lambda row: (ORDER.index(row.level), row.node))


def _row(report: NodeReport, stale_after_s: float) -> FleetRow:
    summary = report.summary
    if summary is None:
        return FleetRow(report.node, "stale", None, "no summary, or it cannot be read", "UNKNOWN", None)
    is_stale = report.age_s > stale_after_s
    last = summary.last_action
    return FleetRow(
        node=report.node,
        level="stale" if is_stale else summary.level,
        safe=None if is_stale else summary.level != "bad",
        verdict=f"no message for {age_text(report.age_s)}; last: {summary.verdict}" if is_stale else summary.verdict,
        mode=summary.mode,
        age_s=round(report.age_s, 1),
        air_temp_c=summary.air_temp_c,
        rh_pct=summary.rh_pct,
        vpd_kpa=summary.vpd_kpa,
        driest_probe=summary.driest_probe,
        driest_pct=summary.driest_pct,
        last_action={"ts": last.ts.isoformat(), "type": last.type, "text": last.text} if last else None,
        alarms=summary.alarms,
        dropped=sum(summary.dropped.values()),
        version=summary.version,
    )


def age_text(age_s: float) -> str:
    """An age in its usual unit: 7 s, 12 min, 3 h, 2 d."""
    for unit, seconds, below in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3_600, 48 * 3_600)):
        if age_s < below:
            return f"{age_s / seconds:.0f} {unit}"
    return f"{age_s / 86_400:.0f} d"
