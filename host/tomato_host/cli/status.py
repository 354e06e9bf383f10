"""`tomato-host status`: each value with its target, trend and last day, from the records; with a host or without."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

BARS = "▁▂▃▄▅▆▇█"
POINTS = 24
FRESH_S = 600.0
"""Records older than this are not the present; the last line says so."""
ROWS = (
    ("air", "air_temp_c", "degC", 1, 0.3),
    ("humidity", "rh_pct", "%", 0, 1.5),
    ("VPD", "vpd_kpa", "kPa", 2, 0.04),
    ("CO2", "co2_ppm", "ppm", 0, 25.0),
    ("leaf-air", "leaf_air_delta_c", "K", 1, 0.2),
    ("lamp and sun", "light_lux", "lx", 0, 500.0),
    ("soil temp", "soil_temp_c", "degC", 1, 0.2),
)
"""Name, column of the history, unit, decimals, and the smallest change that is a trend."""
SOIL_STEP_PCT = 0.3


class StatusRow(NamedTuple):
    """One line of the status; None where nothing is known."""

    name: str
    value: float | None
    unit: str
    digits: int
    low: float | None
    high: float | None
    trend: str
    spark: str

    @property
    def is_out(self) -> bool:
        """Whether the value lies outside its target."""
        return (
            self.value is not None
            and self.low is not None
            and self.high is not None
            and not self.low <= self.value <= self.high
        )


def sparkline(values: Sequence[float | None], points: int = POINTS) -> str:
    """The values as one line of bars, the lowest to the highest of them; a blank where nothing is known."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, spread = min(known), (max(known) - min(known)) or 1.0
    out = ""
    for at in range(points):
        part = values[
            at * len(values) // points : max(at * len(values) // points + 1, (at + 1) * len(values) // points)
        ]
        some = [value for value in part if value is not None]
        out += BARS[round((sum(some) / len(some) - low) / spread * (len(BARS) - 1))] if some else " "
    return out


def trend(times: Sequence[float], values: Sequence[float | None], least: float) -> str:
    """The mean of the last half hour against the half hour before: up, down or steady; empty where one is unknown."""
    if not times:
        return ""

    def mean(begin_s: float, end_s: float) -> float | None:
        found = [v for t, v in zip(times, values, strict=True) if v is not None and begin_s < times[-1] - t <= end_s]
        return sum(found) / len(found) if found else None

    now, before = mean(-1.0, 1_800.0), mean(1_800.0, 3_600.0)
    if now is None or before is None:
        return ""
    return "steady" if abs(now - before) < least else "up" if now > before else "down"


def rows_of(columns: dict[str, Any]) -> list[StatusRow]:
    """The rows of the last day's columns (`History.columns`)."""
    times, bands = columns["t"], columns["bands"]

    def row(name: str, values: list[float | None], unit: str, digits: int, least: float, band: str) -> StatusRow:
        edges = bands.get(band, {"low": [None], "high": [None]})
        low, high = (edges[side][-1] if edges[side] else None for side in ("low", "high"))
        value = values[-1] if values else None
        return StatusRow(name, value, unit, digits, low, high, trend(times, values, least), sparkline(values))

    found = [row(name, columns[column], unit, digits, least, column) for name, column, unit, digits, least in ROWS]
    return found + [row(f"soil {p}", values, "%", 1, SOIL_STEP_PCT, "soil") for p, values in columns["soil"].items()]


def status(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The data directory, of a running host or not.")] = Path(
        "data"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for scripts.")] = False,
) -> None:
    """Each value with its target, trend and last 24 hours, and how old it is."""
    from tomato_host.cli.recorded_settings import dataset_zone
    from tomato_host.service.history import History
    from tomato_host.storage.reader import require_dataset

    require_dataset(data_dir)
    history = History(data_dir)
    history.load()
    columns = history.columns("24h")
    rows = rows_of(columns)
    newest = datetime.fromtimestamp(columns["t"][-1], UTC).astimezone(dataset_zone(data_dir)) if columns["t"] else None
    if as_json:
        shown = [{**row._asdict(), "is_out": row.is_out} for row in rows]
        typer.echo(json.dumps({"ts": None if newest is None else newest.isoformat(), "values": shown}))
        return
    _show(rows, newest)


def _show(rows: list[StatusRow], newest: datetime | None) -> None:
    from rich.console import Console
    from rich.text import Text

    from tomato_host.terminal.word_table import WordTable

    arrows = {"up": "↗", "down": "↘", "steady": "→", "": ""}
    table = WordTable(("value", "now", "target", "trend", "last 24 h"), right=frozenset({"now"}))
    for row in rows:
        now = "-" if row.value is None else f"{row.value:.{row.digits}f} {row.unit}"
        target = "" if row.low is None or row.high is None else f"{row.low:g} to {row.high:g}"
        mark = " !" if row.is_out else ""
        table.add_row(row.name, Text(now + mark, style="yellow" if mark else ""), target, arrows[row.trend], row.spark)
    console = Console(highlight=False)
    console.print(table)
    if newest is None:
        console.print("Nothing is recorded yet.")
        return
    age_s = (datetime.now(UTC) - newest).total_seconds()
    note = "" if 0.0 <= age_s <= FRESH_S else " This is not the present: no host has recorded since."
    console.print(f"Measured {newest:%Y-%m-%d %H:%M}.{note} ! is outside the target.")
