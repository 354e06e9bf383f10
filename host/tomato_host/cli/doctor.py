"""`tomato-host doctor`: look at this machine the way an engineer on the phone would ask about it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import typer

from tomato_host.errors import TomatoError
from tomato_host.settings import Settings, load_settings

Level = Literal["ok", "note", "problem"]

MIN_DAYS = 30
"""A disk that is full sooner wants a hand now."""
MIN_FREE_MB = 500
"""A season of records and photos' first weeks; below this the disk fills before anybody looks."""

EXTRAS = {
    "data": ("duckdb", "Parquet export and SQL queries"),
    "mqtt": ("aiomqtt", "Home Assistant over MQTT"),
    "redis": ("redis", "many tents on one broker"),
    "notify": ("apprise", "notifications"),
    "llm": ("xllamacpp", "photo analysis and chronicle"),
    "camera": ("cv2", "canopy measurement"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: how it is, and what to do when it is not well."""

    name: str
    level: Level
    text: str
    next_step: str = ""


def check_python() -> Finding:
    """Python 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 11):  # noqa: UP036 - the doctor may be run by an older interpreter
        return Finding("Python", "ok", version)
    return Finding("Python", "problem", f"{version} is too old", "install Python 3.11 or newer")


def check_vm() -> Finding:
    """A MicroPython VM that really is one."""
    from tomato_host.twin.firmware_files import micropython

    try:
        binary = micropython()
    except TomatoError as error:
        return Finding("MicroPython VM", "note", error.message, error.next_step)
    code = "import sys; print(sys.implementation.name, '.'.join(str(n) for n in sys.implementation.version[:3]))"
    asked = subprocess.run([binary, "-c", code], capture_output=True, text=True, timeout=10, check=False)
    if asked.returncode or not asked.stdout.startswith("micropython"):
        return Finding("MicroPython VM", "problem", f"{binary} does not run", "make clean setup")
    return Finding("MicroPython VM", "ok", f"{asked.stdout.strip()} (for the virtual board)")


def check_ports() -> Finding:
    """Serial ports, and whether this user may open them."""
    from serial.tools import list_ports

    ports = [port.device for port in list_ports.comports() if port.vid is not None]
    if not ports:
        return Finding("Boards", "note", "none on USB", "plug one in, or use the virtual board: --board sim")
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if closed:
        remedy = "add your user to group dialout and log in again"
        return Finding("Boards", "problem", f"no permission for {closed[0]}", remedy)
    return Finding("Boards", "ok", ", ".join(ports))


def _nearest_existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())


def check_data_dir(data_dir: Path) -> Finding:
    """The dataset's place: writable, with room."""
    place = _nearest_existing(data_dir.absolute())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return Finding("Data directory", "problem", f"{place} cannot be written", "choose another with --data-dir")
    free_mb = shutil.disk_usage(place).free // 1_000_000
    if free_mb < MIN_FREE_MB:
        return Finding("Data directory", "problem", f"only {free_mb} MB free at {place}", "make room")
    return Finding("Data directory", "ok", f"{data_dir} ({free_mb:,} MB free)")


def check_disk_budget(config: Path | None, data_dir: Path) -> Finding:
    """How fast the records grow, against the budget and the free space."""
    from tomato_host.storage.outlook import outlook

    settings, seen = _settings(config).storage, outlook(data_dir)
    budget = f"budget {settings.mb_per_day:g} MB a day, {settings.mb_total:,g} MB in all"
    if seen is None or seen.bytes_per_day is None:
        return Finding("Disk budget", "ok", f"{budget}; no day of records yet to judge by")
    per_day_mb, stored_mb = seen.bytes_per_day / 1e6, seen.stored_bytes / 1e6
    text = f"{stored_mb:,.0f} MB of records, {per_day_mb:.1f} MB a day; {budget}"
    days = shutil.disk_usage(_nearest_existing(data_dir.absolute())).free / seen.bytes_per_day
    if days < MIN_DAYS and stored_mb + days * per_day_mb < settings.mb_total:
        return Finding("Disk budget", "problem", f"{text}; the disk is full in {days:.0f} days",
                       "make room, or lower [storage] mb_total")
    if per_day_mb > settings.mb_per_day:
        return Finding("Disk budget", "note", f"{text}; readings are thinned", "raise [storage] mb_per_day")
    return Finding("Disk budget", "ok", text)


def check_broker(config: Path | None) -> Finding:
    """The broker of the bus, when one is named."""
    from tomato_host.service.bus.address import parse_address
    from tomato_host.service.fleet.read import read_fleet

    settings = _settings(config).bus
    if not settings.enabled:
        return Finding("Bus", "ok", "in this machine only; [bus] enabled = true for many tents")
    address = parse_address(settings.url)
    try:
        nodes = [heard.node for heard in read_fleet(address, os.environ.get(settings.password_from) or None)]
    except TomatoError as error:
        return Finding("Bus", "problem", error.message, error.next_step)
    return Finding("Bus", "ok", f"{address} knows {len(nodes)} nodes: {', '.join(nodes[:5])}")


def check_clock() -> Finding:
    """The wall clock: photoperiod and records depend on it."""
    now = datetime.now(UTC)
    if now.year < 2025:
        return Finding("Clock", "problem", f"it says {now:%Y-%m-%d}", "set the clock or enable time synchronisation")
    return Finding("Clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC")


def check_extras() -> list[Finding]:
    """Optional parts: absent ones are no fault."""
    found = []
    for extra, (module, what) in EXTRAS.items():
        if importlib.util.find_spec(module):
            found.append(Finding(f"Extra {extra}", "ok", what))
        else:
            remedy = f"pip install 'tomato-host[{extra}]'"
            found.append(Finding(f"Extra {extra}", "note", f"not installed: {what}", remedy))
    return found


def _settings(config: Path | None) -> Settings:
    """The settings, or the defaults where the file is broken: that is a finding of its own."""
    try:
        return load_settings(config)
    except TomatoError:
        return Settings()


def check_config(config: Path | None) -> Finding:
    """The settings file, when there is one."""
    try:
        load_settings(config)
    except TomatoError as error:
        return Finding("Configuration", "problem", error.message, error.next_step)
    return Finding("Configuration", "ok", str(config) if config else "defaults")


def examine(config: Path | None, data_dir: Path) -> list[Finding]:
    """All findings. A check that itself fails is a finding, not a crash."""
    checks: list[Callable[[], Finding]] = [
        check_python,
        check_vm,
        check_ports,
        lambda: check_data_dir(data_dir),
        lambda: check_disk_budget(config, data_dir),
        lambda: check_broker(config),
        check_clock,
        lambda: check_config(config),
    ]
    findings = []
    for check in checks:
        try:
            findings.append(check())
        except Exception as error:  # the doctor reports, whatever happens
            findings.append(Finding(getattr(check, "__name__", "check"), "problem", str(error), "report this"))
    return findings + check_extras()


def doctor(
    config: Path | None = typer.Option(None, "--config", help="TOML settings file."),
    data_dir: Path = typer.Option(Path("data"), "--data-dir", help="Where the dataset is or will be."),
    as_json: bool = typer.Option(False, "--json", help="For scripts."),
) -> None:
    """Check Python, VM, ports, disk, clock and settings; exit code 1 when something must be mended."""
    findings = examine(config, data_dir)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        _print_table(findings)
    if any(finding.level == "problem" for finding in findings):
        raise typer.Exit(1)


def _print_table(findings: list[Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "problem": "[red]problem[/]"}
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "how it is", "what to do"):
        table.add_column(column)
    for finding in findings:
        table.add_row(marks[finding.level], finding.name, finding.text, finding.next_step)
    Console().print(table)
