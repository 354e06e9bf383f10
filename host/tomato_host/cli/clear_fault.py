"""`tomato-host clear-fault [NAME]`: shows the board's latched faults, and clears one by its name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from tomato_host.cli import calibrate

if TYPE_CHECKING:
    from tomato_host.board.events import Health


def clear_fault(
    name: Annotated[str, typer.Argument(help="The fault, as listed without a name.")] = "",
    port: calibrate.Port = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for scripts.")] = False,
) -> None:
    """List the latched faults, or clear one. Leak, heat, stop and stuck valve want the button held for 3 s first."""
    bench = calibrate.open_bench(port)
    try:
        if name:
            bench.result(bench.session.clear_fault(name))
        health = latched(bench)
    finally:
        bench.session.close()
    if as_json:
        typer.echo(json.dumps({"state": health.state, "faults": list(health.faults)}))
        return
    if name:
        typer.echo(f"{name} is cleared.")
    typer.echo(f"The board is {health.state}; latched: {', '.join(health.faults) or 'nothing'}.")


def latched(bench: calibrate.Bench) -> Health:
    """The board's condition. Raises TomatoError E-BOARD-SILENT."""
    from tomato_host.board.events import Health
    from tomato_host.errors import TomatoError

    bench.session.ask_health(bench.now_ms())
    found = bench.until(lambda event: event if isinstance(event, Health) else None, calibrate.ANSWER_MS)
    if not isinstance(found, Health):
        raise TomatoError("E-BOARD-SILENT", "The board did not tell its condition.", "check the cable, try again")
    return found
