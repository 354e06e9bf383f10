"""`tomato-host import`: a grower's log to a folder that `backtest`, `replay` and `forecast` read."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.importing.mapping import TableMapping
    from tomato_host.importing.proposal import Proposal

_FEW_EXAMPLES = 12


def import_table(
    files: Annotated[list[Path], typer.Argument(help="CSV, TSV, XLSX or Parquet; several are joined.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Folder to write.")] = None,
    mapping: Annotated[Path | None, typer.Option(help="TOML that says which column is what.")] = None,
    propose: Annotated[Path | None, typer.Option(help="Write the proposed mapping there and end.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Use the proposed mapping without asking.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings; [site] timezone holds for times without one.")] = None,
    json_out: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Look at a log, propose what its columns are, read it, and report what was wrong with it."""
    from tomato_host.settings import load_settings

    zone = load_settings(config).site.timezone
    chosen = _from_file(mapping, files, zone) if mapping else _proposed(files, zone, propose, yes, output, json_out)
    if chosen is None:
        return
    if output is None:
        raise TomatoError("E-IMPORT-OUTPUT", "There is no folder to write to.", "Give one with -o, like -o season.")
    _write(chosen, output, json_out)


def _write(chosen: list[tuple[Path, TableMapping]], output: Path, json_out: bool) -> None:
    import json

    from tomato_host.importing.imported import write_imported
    from tomato_host.importing.reading import read_tables
    from tomato_host.terminal.progress import progress

    with progress("reading", json_out) as shown, read_tables(chosen, shown.share) as reading:
        write_imported(reading, output)
        report = reading.report
    if json_out:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
        return
    for line in report.lines():
        typer.echo(line)
    typer.echo(f"Written to {output}. Next: tomato-host backtest {output}")


def _from_file(path: Path, files: list[Path], zone: str) -> list[tuple[Path, TableMapping]]:
    from tomato_host.importing.mapping import load_mappings

    mappings = load_mappings(path, zone)
    chosen = []
    for file in files:
        found = next((one for one in mappings if fnmatch(file.name, one.file)), None)
        if found is None:
            patterns = ", ".join(one.file for one in mappings)
            raise TomatoError(
                "E-MAPPING-FILE", f"{path} has no table for {file.name}; it has {patterns}.", "Set its key `file`."
            )
        chosen.append((file, found))
    return chosen


def _proposed(
    files: list[Path], zone: str, target: Path | None, yes: bool, output: Path | None, json_out: bool
) -> list[tuple[Path, TableMapping]] | None:
    """The proposed mappings once they are confirmed; None when they were only written."""
    from tomato_host.importing.proposal import propose
    from tomato_host.terminal.progress import progress

    with progress("looking at the columns", json_out) as shown:
        proposals = [propose(file, zone) for file in shown.over(files, len(files))]
    text = "\n".join(one.toml() for one in proposals)
    if target is not None:
        target.write_text(text, encoding="utf-8")
        where = f" -o {output}" if output else " -o season"
        typer.echo(f"{target} written. Edit it, then: tomato-host import {_names(files)} --mapping {target}{where}")
        return None
    if not json_out:
        _show(proposals, text)
    if not yes:
        _confirm(files)
    return [(file, one.mapping) for file, one in zip(files, proposals, strict=True)]


def _show(proposals: list[Proposal], text: str) -> None:
    typer.echo("Proposed:")
    typer.echo(text)
    for one in proposals:
        for name, spec in list(one.mapping.columns.items())[:_FEW_EXAMPLES]:
            if one.mapping.layout == "wide":
                typer.echo(f"  {name:<22} {', '.join(one.facts.column(spec.column)[:3])}")


def _confirm(files: list[Path]) -> None:
    if not sys.stdin.isatty():
        raise TomatoError(
            "E-IMPORT-CONFIRM",
            "The proposed mapping was not confirmed.",
            f"Give --yes, or edit it: tomato-host import {_names(files)} --propose mapping.toml",
        )
    if not typer.confirm("Use this mapping?"):
        raise TomatoError(
            "E-IMPORT-CONFIRM",
            "The proposed mapping was not confirmed.",
            f"Edit it: tomato-host import {_names(files)} --propose mapping.toml",
        )


def _names(files: list[Path]) -> str:
    return " ".join(map(str, files))
