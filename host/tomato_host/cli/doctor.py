"""`tomato-host doctor`: checks of machine, configuration, board, data and services, each with its next step."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

import typer

from tomato_host.cli.checks import board, data, machine, services
from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.settings_file import default_file

Check = Callable[[], Diagnosis | list[Diagnosis]]


def checks(config: Path | None, data_dir: Path, port: str) -> dict[str, Check]:
    """All checks by name, in the order of the table."""
    config = config or default_file(data_dir)
    settings = data.settings_or_defaults(config)
    return {
        "Python": machine.check_python,
        "Packages": machine.check_packages,
        "Clock": lambda: machine.check_clock(data.newest_record(data_dir)),
        "Time zone": lambda: machine.check_time_zone(settings.site),
        "Configuration": lambda: data.check_config(config),
        "Data directory": lambda: data.check_data_dir(data_dir),
        "Disk budget": lambda: data.check_disk_budget(settings.storage, data_dir),
        "Dataset": lambda: data.check_integrity(data_dir),
        "Boards": board.check_ports,
        "udev rule": board.check_udev,
        "Board": lambda: board.check_board(port or settings.board.url, data_dir),
        "MicroPython VM": machine.check_vm,
        "Weather": lambda: services.check_weather(settings),
        "MQTT broker": lambda: services.check_mqtt(settings),
        "Bus": lambda: services.check_bus(settings.bus),
        "Notifications": lambda: services.check_notifications(settings),
        "Language model": lambda: services.check_model(settings),
        "Dashboard": lambda: services.check_tokens(settings, data_dir),
        "Service": services.check_service,
        "Extras": machine.check_extras,
    }


def examine(wanted: Iterable[tuple[str, Check]]) -> list[Diagnosis]:
    """All findings. A check that itself fails is a finding, not a crash."""
    findings: list[Diagnosis] = []
    for name, check in wanted:
        try:
            found = check()
            findings += found if isinstance(found, list) else [found]
        except Exception as error:  # every failure becomes a line of the report
            findings.append(Diagnosis(name, "problem", f"the check failed: {error}", "report this"))
    return findings


def doctor(
    config: Path | None = typer.Option(None, "--config", help="TOML settings file."),
    data_dir: Path = typer.Option(Path("data"), "--data-dir", help="Where the dataset is or will be."),
    port: str = typer.Option("", "--port", envvar="TOMATO_PORT", help="A board to ask; default: the settings' one."),
    as_json: bool = typer.Option(False, "--json", help="For scripts: name, level, text and next_step of each."),
) -> None:
    """Check machine, board, data and services; exit code 1 when a problem is found. Changes nothing."""
    from tomato_host.terminal.progress import progress

    wanted = checks(config, data_dir, port)
    with progress("checking", as_json) as shown:
        findings = examine(shown.over(wanted.items(), len(wanted)))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _print_table(findings)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def _print_table(findings: list[Diagnosis]) -> None:
    from rich.console import Console
    from rich.text import Text

    from tomato_host.terminal.word_table import WordTable

    colours = {"ok": "green", "note": "yellow", "problem": "red"}
    table = WordTable(("", "check", "result", "next step"), first=2)
    for finding in findings:
        mark = Text(finding.level, style=colours[finding.level])
        table.add_row(mark, finding.name, finding.text, finding.next_step)
    Console().print(table)
