"""Checks of the machine: Python and its packages, the virtual board's VM, the clock and the time zone."""

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
from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.errors import TomatoError

EXTRAS = {
    "data": ("duckdb", "Parquet export and SQL queries"),
    "mqtt": ("aiomqtt", "Home Assistant over MQTT"),
    "redis": ("redis", "many tents over Redis"),
    "notify": ("apprise", "notifications"),
    "llm": ("xllamacpp", "photo analysis and chronicle"),
    "camera": ("cv2", "canopy measurement"),
    "video": ("av", "time-lapse as MP4"),
}
DISTRIBUTION = "tomato-host"
SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_NEED = re.compile(r"^([A-Za-z0-9_.-]+)\s*>=\s*([0-9.]+)")


def check_python() -> Diagnosis:
    """Python 3.11 or newer."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info >= (3, 11):  # noqa: UP036 - the doctor may be run by an older interpreter
        return Diagnosis("Python", "ok", version)
    return Diagnosis("Python", "problem", f"{version} is too old", "install Python 3.11 or newer")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:4])


def check_packages() -> Diagnosis:
    """Every package of the base install, new enough."""
    try:
        needs = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return Diagnosis(
            "Packages", "note", "run from source, not installed: versions cannot be compared", "make setup"
        )
    wrong, found = [], []
    for need in needs:
        match = _NEED.match(need)
        if match is None or ";" in need:
            continue  # an extra, or one for other machines
        name, least = match.groups()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if _number(version) < _number(least):
            wrong.append(f"{name} {version} is older than {least}")
    if wrong:
        return Diagnosis("Packages", "problem", "; ".join(wrong), "make setup, or pip install --upgrade tomato-host")
    return Diagnosis("Packages", "ok", f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)} with {', '.join(found)}")


def check_vm() -> Diagnosis:
    """A MicroPython VM that runs."""
    from tomato_host.twin.firmware_files import micropython

    try:
        binary = micropython()
    except TomatoError as error:
        return Diagnosis("MicroPython VM", "note", error.message, error.next_step)
    code = "import sys; print(sys.implementation.name, '.'.join(str(n) for n in sys.implementation.version[:3]))"
    asked = subprocess.run([binary, "-c", code], capture_output=True, text=True, timeout=10, check=False)
    if asked.returncode or not asked.stdout.startswith("micropython"):
        return Diagnosis("MicroPython VM", "problem", f"{binary} does not run", "make clean setup")
    return Diagnosis("MicroPython VM", "ok", f"{asked.stdout.strip()} (for the virtual board)")


def check_clock(newest: datetime | None, now: datetime | None = None) -> Diagnosis:
    """The wall clock: photoperiod and records depend on it. `newest` is the time of the dataset's last record."""
    now = now or datetime.now(UTC)
    if now.year < 2025:
        return Diagnosis("Clock", "problem", f"it says {now:%Y-%m-%d}", "set the clock or enable time synchronisation")
    if newest is not None and (newest - now).total_seconds() > 60.0:
        return Diagnosis(
            "Clock",
            "problem",
            f"it says {now:%Y-%m-%d %H:%M} UTC, but the newest record is from "
            f"{newest.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "set the clock; enable time synchronisation",
        )
    kept = _synchronised()
    if kept is False:
        return Diagnosis(
            "Clock",
            "note",
            f"{now:%Y-%m-%d %H:%M} UTC, but no time service synchronises it",
            "sudo timedatectl set-ntp true",
        )
    how = "synchronised by a time service" if kept else "synchronisation status unknown"
    return Diagnosis("Clock", "ok", f"{now:%Y-%m-%d %H:%M} UTC, {how}")


def _synchronised() -> bool | None:
    """Whether systemd reports a synchronised clock; None without systemd."""
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


def check_time_zone(site: SiteSettings, now: datetime | None = None) -> Diagnosis:
    """The plant's own time zone, whatever the machine's is."""
    moment = (now or datetime.now(UTC)).astimezone(ZoneInfo(site.timezone))
    here = datetime.now().astimezone()
    other = here.utcoffset() != here.astimezone(ZoneInfo(site.timezone)).utcoffset()
    aside = f"; this machine's own zone is {here.tzname()}, which does not matter" if other else ""
    return Diagnosis("Time zone", "ok", f"{site.timezone}, {moment:%H:%M} there now ({moment:%z}){aside}")


def check_extras() -> list[Diagnosis]:
    """Optional extras; an absent one is not a problem."""
    import importlib.util

    found = []
    for extra, (module, what) in EXTRAS.items():
        if importlib.util.find_spec(module):
            found.append(Diagnosis(f"Extra {extra}", "ok", what))
        else:
            remedy = f"pip install '.[{extra}]'"
            found.append(Diagnosis(f"Extra {extra}", "note", f"not installed: {what}", remedy))
    return found
