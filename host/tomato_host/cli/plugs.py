"""`tomato-host plugs`: smart plugs that are latched off, and clearing them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tomato_host.errors import TomatoError

app = typer.Typer(no_args_is_help=True, help="Smart plugs that follow the board's lamp or fans.")

DataDir = Annotated[Path, typer.Option("--data-dir", help="The data directory of the host.")]
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]
DEFAULT_DATA_DIR = Path("data")


@app.command("list")
def list_latched(data_dir: DataDir = DEFAULT_DATA_DIR, as_json: AsJson = False) -> None:
    """The plugs that are latched off, and why."""
    from tomato_host.service.mqtt.plugs import read_latches
    from tomato_host.terminal.word_table import echo

    found = read_latches(data_dir)
    if as_json:
        typer.echo(json.dumps({"latched": found}))
        return
    for output, reason in found.items():
        echo(f"{output}: {reason}")
    if not found:
        typer.echo("No plug is latched.")


@app.command()
def clear(
    output: Annotated[str, typer.Argument(help="The output that it follows, as `plugs list` shows it.")],
    data_dir: DataDir = DEFAULT_DATA_DIR,
) -> None:
    """Let a plug follow its output again, once you have looked at it. It is tried with the next pulse of the board."""
    from tomato_host.service.mqtt.plugs import read_latches, write_latches

    found = read_latches(data_dir)
    if output not in found and "*" not in found:
        raise TomatoError("E-PLUG-NONE", f"No plug of {output} is latched.", "`tomato-host plugs list` shows them")
    write_latches(data_dir, {name: reason for name, reason in found.items() if name not in (output, "*")})
    typer.echo(f"The plug of {output} is tried again with the board's next pulse.")
