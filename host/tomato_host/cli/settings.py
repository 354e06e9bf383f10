"""`tomato-host settings`: show, check and change the settings file without an editor; the set-up pages call it, too."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tomato_host.cli.completion_words import setting_keys
from tomato_host.errors import TomatoError
from tomato_host.toml_file import read_text, shown

if TYPE_CHECKING:
    from tomato_host.settings_file import SettingsChange

app = typer.Typer(no_args_is_help=True, help="Show, check and change the settings file.")

Config = typer.Option(None, "--config", help="TOML settings file; default: tomato.toml of the data directory.")
DataDir = typer.Option(Path("data"), "--data-dir", help="The data directory of the host.")
AsJson = typer.Option(False, "--json", help="For scripts.")
SHOWN = ("site", "tent", "board", "control", "budgets", "weather", "notify")
"""Tables that the set-up pages need."""


@app.callback()
def _root() -> None:
    """Settings."""


@app.command()
def show(config: Path | None = Config, data_dir: Path = DataDir, as_json: bool = AsJson) -> None:
    """The settings in force at the next start: what the file gives, and the defaults of the rest."""
    from dataclasses import asdict

    from tomato_host.brain.control.targets import STAGES
    from tomato_host.settings import parse_settings
    from tomato_host.settings_file import FILE, hash_of_text, is_writable, text_of
    from tomato_host.toml_file import parse_toml

    path = config or data_dir / FILE
    text = text_of(path)
    values = parse_settings(parse_toml(text, path), str(path)).model_dump(mode="json")
    if not as_json:
        typer.echo(text or f"{path} does not exist: every key has its default (docs/configuration.md).")
        return
    facts = {
        "path": str(path.absolute()),
        "exists": path.exists(),
        "writable": is_writable(path),
        "sha256": hash_of_text(text),
        "values": {name: values[name] for name in SHOWN},
        "stages": {name: asdict(row) for name, row in STAGES.items()},
    }
    typer.echo(json.dumps(facts))


@app.command()
def check(config: Path | None = Config, data_dir: Path = DataDir) -> None:
    """Read the file as `run` would; the error names key, value and range."""
    from tomato_host.settings import load_settings
    from tomato_host.settings_file import default_file

    path = config or default_file(data_dir)
    load_settings(path)
    typer.echo(f"{path or 'no file'}: valid")


@app.command("set")
def set_keys(
    pairs: list[str] = typer.Argument(
        None, help="KEY=VALUE, e.g. control.stage=fruiting; values as in TOML.", autocompletion=setting_keys
    ),
    unset: list[str] = typer.Option([], "--unset", help="A key to remove, so that its default holds; repeatable."),
    changes: str = typer.Option("", "--changes", help="A JSON file with all changes; - reads standard input."),
    sha256: str = typer.Option("", "--sha256", help="Refuse when the file is not this version."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show what would change, write nothing."),
    config: Path | None = Config,
    data_dir: Path = DataDir,
    as_json: bool = AsJson,
) -> None:
    """Change keys: validated, comments kept, written whole; the file as it was stays beside it as .bak."""
    from tomato_host.settings_file import FILE, hash_of_text, named_keys, plan_change, write_change

    wanted: dict[str, Any] = {}
    try:
        wanted = _wanted(pairs or [], unset, changes)
        change = plan_change(config or data_dir / FILE, wanted, sha256 or None)
        backup = None if dry_run or not change.diff else write_change(change)
    except TomatoError as error:
        if not as_json:
            raise
        fields = {"code": error.code, "message": error.message, "next": error.next_step}
        typer.echo(json.dumps({"ok": False, **fields, "keys": named_keys(error.message, wanted)}))
        raise typer.Exit(2) from None
    if as_json:
        facts = {"ok": True, "diff": change.diff, "written": not dry_run and bool(change.diff)}
        typer.echo(json.dumps({**facts, "backup": str(backup or ""), "sha256": hash_of_text(_now(change, dry_run))}))
    else:
        typer.echo(change.diff or "nothing changes")
        if change.diff and not dry_run:
            typer.echo(f"wrote {change.path}; it holds from the next start of the host")


def _now(change: SettingsChange, dry_run: bool) -> str:
    return change.before if dry_run else change.after


def _wanted(pairs: list[str], unset: list[str], changes: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    if changes:
        wanted |= _changes_of(changes)
    for pair in pairs:
        key, given, value = pair.partition("=")
        if not given or not key.strip():
            raise TomatoError("E-CONFIG-SYNTAX", f"{pair} is no KEY=VALUE.", "write for example control.stage=fruiting")
        wanted[key.strip()] = _value(value.strip())
    return wanted | dict.fromkeys(unset)


def _changes_of(source: str) -> dict[str, Any]:
    """The mapping in a JSON file, `-`: on standard input. Raises TomatoError E-CONFIG-SYNTAX, E-CONFIG-UNREADABLE."""
    path = Path("standard input" if source == "-" else source)
    try:
        found = json.loads(sys.stdin.read() if source == "-" else read_text(path))
    except (ValueError, RecursionError) as error:
        raise _no_changes(path, shown(str(error), quoted=False, longest=200)) from None
    if not isinstance(found, dict):
        raise _no_changes(path, "it is no object")
    return found


def _no_changes(path: Path, why: str) -> TomatoError:
    what = f"{path} holds no changes as JSON: {why}."
    return TomatoError("E-CONFIG-SYNTAX", what, 'write for example {"control.stage": "fruiting"}')


def _value(text: str) -> Any:
    """A TOML value; what is none is text: `control.stage=fruiting` needs no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
