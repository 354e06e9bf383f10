"""`tomato-host memory`: search the advisor's memory."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The advisor's memory of the season.")


@app.callback()
def group() -> None:
    """Keeps `search` a sub-command although it is the only one."""


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(help="Words that must all occur.", show_default=False)],
    data_dir: Annotated[Path, typer.Option(help="The data folder of the run.")] = Path("data"),
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")] = False,
) -> None:
    """Search episodes and facts, best first."""
    from tomato_host.advisor.memory import MemoryStore
    from tomato_host.advisor.settings import MEMORY_FILE
    from tomato_host.errors import TomatoError
    from tomato_host.terminal.word_table import echo

    path = data_dir.joinpath(*MEMORY_FILE)
    if not path.is_file():
        raise TomatoError(
            "E-MEMORY-NONE", f"{path} does not exist.", "give --data-dir of a run in which the advisor was on"
        )
    memory = MemoryStore(path)
    try:
        found = memory.search(" ".join(words), limit)
    finally:
        memory.close()
    if as_json:
        typer.echo(json.dumps({"found": [asdict(hit) for hit in found]}))
        return
    for hit in found:
        echo(f"{hit.ts}  {hit.kind:<12} {hit.ref}  {' '.join(hit.text.split())[:200]}")
    if not found:
        typer.echo("Nothing found.")
