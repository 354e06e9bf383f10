"""`tomato-host status`: each value with its target, trend and last day, from the records; with a host or without."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tomato_host.terminal.quantities import QuantityRow

FRESH_S = 600.0
"""Records older than this are not the present; the last line says so."""


def status(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="The data directory, of a running host or not.")] = Path(
        "data"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for scripts.")] = False,
) -> None:
    """Each value with its target, trend and last 24 hours, and how old it is."""
    from tomato_host.cli.recorded_settings import dataset_zone
    from tomato_host.service.history import History
    from tomato_host.storage.appender import is_held
    from tomato_host.storage.reader import require_dataset
    from tomato_host.terminal.quantities import rows_of

    require_dataset(data_dir)
    history = History(data_dir)
    history.load_last_day()
    at_s, present = history.latest()
    rows = rows_of(present, history.columns("24h"))
    newest = None if at_s is None else datetime.fromtimestamp(at_s, UTC).astimezone(dataset_zone(data_dir))
    if as_json:
        shown = [{**row._asdict(), "is_out": row.is_out} for row in rows]
        typer.echo(json.dumps({"ts": None if newest is None else newest.isoformat(), "values": shown}))
        return
    _show(rows, newest, is_held(data_dir / "private"))


SIMULATED = "the host that runs here counts in a time of its own, or has recorded nothing since"
ENDED = "no host has recorded since"


def _show(rows: list[QuantityRow], newest: datetime | None, is_running: bool) -> None:
    from rich.console import Console

    from tomato_host.terminal.quantity_table import quantity_table

    console = Console(highlight=False)
    console.print(quantity_table(rows))
    if newest is None:
        console.print("Nothing is recorded yet.")
        return
    age_s = (datetime.now(UTC) - newest).total_seconds()
    note = "" if 0.0 <= age_s <= FRESH_S else f" This is not the present: {SIMULATED if is_running else ENDED}."
    console.print(f"Measured {newest:%Y-%m-%d %H:%M}.{note} ! is outside the target.")
