"""`tomato-host clear-fault [NAME]`: lists the board's latched faults, and clears one by its name."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from tomato_host.cli.board_client import DEFAULT_DATA_DIR, DataDir, Port, open_client


def clear_fault(
    name: Annotated[str, typer.Argument(help="The fault, as listed without a name.")] = "",
    port: Port = "",
    reason: Annotated[str, typer.Option("--reason", help="What was repaired; it is written into the record.")] = "",
    data_dir: DataDir = DEFAULT_DATA_DIR,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line for scripts.")] = False,
) -> None:
    """List the latched faults, or clear one. Leak, heat, stop and stuck valve need the button held for 3 s first."""
    client = open_client(port, data_dir, reason or "cleared from the command line")
    try:
        if name:
            client.clear_fault(name)
        state, faults = client.condition()
    finally:
        client.close()
    if as_json:
        typer.echo(json.dumps({"state": state, "faults": list(faults)}))
        return
    if name:
        typer.echo(f"{name} is cleared.")
    typer.echo(f"The board is {state}; latched: {', '.join(faults) or 'nothing'}.")
