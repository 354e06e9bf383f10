"""Options and output that all commands of `tomato-host learn` share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[Path, typer.Option("--data", help="The data folder of the brain.")]
AsJson = Annotated[bool, typer.Option("--json", help="Plain figures for scripts.")]
Config = Annotated[Path | None, typer.Option("--config", help="Settings file; section [learn].")]
DEFAULT_DATA = Path("data")


def show(facts: dict[str, Any], lines: list[str], as_json: bool) -> None:
    """Print facts as JSON, or lines for a person."""
    typer.echo(json.dumps(facts) if as_json else "\n".join(lines))
