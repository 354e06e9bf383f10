"""`tomato-host clear-fault [NAME]`: shows the board's latched faults, and clears one by its name."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tomato_host.cli.board_client import HERE, DataDir, Port, open_talk


def clear_fault(
    name: Annotated[str, typer.Argument(help="The fault, as listed without a name.")] = "",
    port: Port = "",
    reason: Annotated[str, typer.Option("--reason", help="What was mended; it is written into the record.")] = "",
    data_dir: DataDir = HERE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for scripts.")] = False,
) -> None:
    """List the latched faults, or clear one. Leak, heat, stop and stuck valve want the button held for 3 s first."""
    talk = open_talk(port, data_dir, reason or "cleared from the command line")
    try:
        if name:
            talk.clear_fault(name)
        state, faults = talk.condition()
    finally:
        talk.close()
    if as_json:
        typer.echo(json.dumps({"state": state, "faults": list(faults)}))
        return
    if name:
        typer.echo(f"{name} is cleared.")
    typer.echo(f"The board is {state}; latched: {', '.join(faults) or 'nothing'}.")
