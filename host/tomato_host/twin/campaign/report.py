"""Writes what a campaign found: one Parquet of all runs, a short Markdown report, a chart of a day."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomato_host.errors import TomatoError
from tomato_host.twin.campaign.chart import day_chart
from tomato_host.twin.campaign.compare import section
from tomato_host.twin.campaign.matrix import CellOutcome

FIGURES: tuple[tuple[str, str], ...] = (
    ("vpd_ok_share", "VPD in band (light hours)"),
    ("air_ok_share", "air in band"),
    ("soil_ok_share", "soil in band"),
    ("plant_stress_h", "stress hours"),
    ("vpd_in_band_h", "VPD in band, h"),
    ("switches", "switches"),
    ("stress_h", "drought, h"),
    ("assimilated_g", "CO2 fixed, g"),
    ("water_ml", "water, ml"),
    ("drained_ml", "drained, ml"),
    ("energy_kwh", "energy, kWh"),
    ("refused", "refused"),
    ("anomalies", "anomalies"),
)
"""Columns of the report, with their headings."""


def write_parquet(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """All rows in matrix order. Raises TomatoError `E-EXTRA-DATA` without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise TomatoError("E-EXTRA-DATA", "pyarrow is not installed.", "Run `pip install '.[data]'`.") from error
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def write_report(outcomes: Sequence[CellOutcome], folder: Path) -> Path:
    """Write report.md and day.svg into `folder`; returns the report's path."""
    rows = [o.row for o in outcomes]
    lines = [
        "# Campaign",
        "",
        _what(rows),
        "",
        "## Controllers, mean of all runs",
        "",
        *_table(rows, "controller"),
        "",
        *section(rows),
        "## Scenarios",
        "",
    ]
    for controller in _distinct(rows, "controller"):
        lines += [f"### {controller}", "", *_table([r for r in rows if r["controller"] == controller], "scenario"), ""]
    broken = [r for r in rows if r["broken"]]
    lines += ["## Promises to the plant", ""]
    lines += [f"- {r['controller']} / {r['scenario']} / seed {r['seed']}: {r['broken']}" for r in broken] or [
        f"Kept in all {len(rows)} runs: pump within its limits, no CO2 above the ceiling, heater within its limit."
    ]
    chart = _chart(outcomes)
    if chart:
        (folder / "day.svg").write_text(chart, encoding="utf-8")
        lines += ["", "## The last day of the first run", "", "![a day](day.svg)"]
    path = folder / "report.md"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def _what(rows: Sequence[dict[str, Any]]) -> str:
    seeds = sorted({r["seed"] for r in rows})
    return (
        f"{len(rows)} runs of {rows[0]['days']:g} days: {len(_distinct(rows, 'controller'))} controllers, "
        f"{len(_distinct(rows, 'scenario'))} scenarios, seeds {seeds[0]}-{seeds[-1]}, an observation every "
        f"{rows[0]['period_s']:g} s. Tents vary by seed. Shares and sums are of the truth, not of any sensor."
    )


def _distinct(rows: Sequence[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(str(r[key]) for r in rows))


def _table(rows: Sequence[dict[str, Any]], key: str) -> list[str]:
    """Markdown rows of means, one for each value of `key`."""
    lines = [
        f"| {key} | runs | " + " | ".join(title for _, title in FIGURES) + " |",
        "|---|" + "---:|" * (len(FIGURES) + 1),
    ]
    for name in _distinct(rows, key):
        chosen = [r for r in rows if r[key] == name]
        means = [sum(float(r[figure]) for r in chosen) / len(chosen) for figure, _ in FIGURES]
        lines.append(
            f"| {name} | {len(chosen)} | " + " | ".join(f"{m:.3g}" if m < 100 else f"{m:.0f}" for m in means) + " |"
        )
    return lines


def _chart(outcomes: Sequence[CellOutcome]) -> str:
    """The day of each controller's charted run, laid over one another."""
    drawn = [(str(o.row["controller"]), o.course) for o in outcomes if o.course]
    if not drawn:
        return ""

    def panel(name: str, value: int, factor: float = 1.0) -> tuple[str, list[tuple[str, list[tuple[float, float]]]]]:
        return name, [(label, [(p[0], p[value] * factor) for p in course]) for label, course in drawn]

    panels = [panel("air, degC", 1), panel("VPD, kPa", 3), panel("soil zone 1, %", 4, 100.0), panel("CO2, ppm", 6)]
    return day_chart("A day in the tent", panels)
