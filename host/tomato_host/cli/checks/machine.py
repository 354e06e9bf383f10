"""The machine: Python and its packages, the virtual board's VM, the clock and the time zone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from zoneinfo import ZoneInfo

from tomato_host.brain.settings import SiteSettings
from tomato_host.cli.checks.finding import Finding
from tomato_host.errors import TomatoError

EXTRAS = {
    "data": ("duckdb", "Parquet export and SQL queries"),
    "mqtt": ("aiomqtt", "Home Assistant over MQTT"),
    "redis": ("redis", "many tents over Redis"),
    "notify": ("apprise", "notifications"),
    "llm": ("xllamacpp", "photo analysis and chronicle"),
    "camera": ("cv2", "canopy measurement"),
}
DISTRIBUTION = "tomato-host"
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_NEED = re.compile(r"^([A-Za-z0-9_.-]+)\s*>=\s*([0-9.]+)")


def check_python() -> Finding:
    """Python 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 11):  # noqa: UP036 - the doctor may be run by an older interpreter
        return Finding("Python", "ok", version)
    return Finding("Python", "problem", f"{version} is too old", "install Python 3.11 or newer")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])


def check_packages() -> Finding:
    """Every package of the base install, new enough."""
    try:
        needs = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return Finding("Packages", "note", "run from source, not installed: versions cannot be compared", "make setup")
    wrong, found = [], []
    for need in needs:
        told = _NEED.match(need)
        if told is None or ";" in need:
            continue  # an extra, or one for other machines
        name, least = told.groups()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if _number(version) < _number(least):
            wrong.append(f"{name} {version} is older than {least}")
    if wrong:
        return Finding("Packages", "problem", "; ".join(wrong), "make setup, or pip install --upgrade tomato-host")
    return Finding("Packages", "ok", f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)} with {', '.join(found)}")


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


def check_clock(newest: datetime | None, now: datetime | None = None) -> Finding:
    """The wall clock: photoperiod and records depend on it. `newest` is the time of the dataset's last record."""
    now = now or datetime.now(UTC)
    if now.year < 2025:
        return Finding("Clock", "problem", f"it says {now:%Y-%m-%d}", "set the clock or enable time synchronisation")
    if newest is not None and (newest - now).total_seconds() > 60.0:
        return Finding(
            "Clock",
            "problem",
            f"it says {now:%Y-%m-%d %H:%M} UTC, but the newest record is from "
            f"{newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "set the clock; enable time synchronisation",
        )
    kept = _synchronised()
    if kept is False:
        return Finding(
            "Clock",
            "note",
            f"{now:%Y-%m-%d %H:%M} UTC, but no time service keeps it right",
            "sudo timedatectl set-ntp true",
        )
    how = "kept right by a time service" if kept else "whether a time service keeps it right cannot be told here"
    return Finding("Clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, {how}")


def _synchronised() -> bool | None:
    """What systemd says; None where there is none to ask."""
    if SYNCHRONISED.exists():
        return True
    if shutil.which("timedatectl") is None:
        return None
    asked = subprocess.run(
        ["timedatectl", "show", "-p", "NTPSynchronized", "--value"],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    word = asked.stdout.strip()
    return None if asked.returncode or word not in ("yes", "no") else word == "yes"


def check_time_zone(site: SiteSettings, now: datetime | None = None) -> Finding:
    """The plant's own time zone, whatever the machine's is."""
    moment = (now or datetime.now(UTC)).astimezone(ZoneInfo(site.timezone))
    here = datetime.now().astimezone()
    other = here.utcoffset() != here.astimezone(ZoneInfo(site.timezone)).utcoffset()
    aside = f"; this machine's own zone is {here.tzname()}, which does not matter" if other else ""
    return Finding("Time zone", "ok", f"{site.timezone}, {moment:%H:%M} there now ({moment:%z}){aside}")


def check_extras() -> list[Finding]:
    """Optional parts: absent ones are no fault."""
    import importlib.util

    found = []
    for extra, (module, what) in EXTRAS.items():
        if importlib.util.find_spec(module):
            found.append(Finding(f"Extra {extra}", "ok", what))
        else:
            remedy = f"pip install 'tomato-host[{extra}]'"
            found.append(Finding(f"Extra {extra}", "note", f"not installed: {what}", remedy))
    return found
