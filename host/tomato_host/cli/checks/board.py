"""The board: its port, the right to open it, its firmware and its condition."""

from __future__ import annotations

import os
from pathlib import Path

from tomato_host.cli.checks.diagnosis import Diagnosis
from tomato_host.errors import TomatoError

RULES = (Path("/etc/udev/rules.d"), Path("/usr/lib/udev/rules.d"), Path("/lib/udev/rules.d"))
RULE_NAME = "99-tomato.rules"


def check_ports() -> Diagnosis:
    """Serial ports, and whether this user may open them."""
    from serial.tools import list_ports

    ports = [port.device for port in list_ports.comports() if port.vid is not None]
    if not ports:
        return Diagnosis("Boards", "note", "none on USB", "plug one in, or use the virtual board: --board sim")
    closed = [port for port in ports if not os.access(port, os.R_OK | os.W_OK)]
    if closed:
        group = _group_of(closed[0])
        return Diagnosis(
            "Boards",
            "problem",
            f"no permission for {closed[0]}, which belongs to group {group}",
            f"sudo usermod -aG {group} $USER, then log in again",
        )
    return Diagnosis("Boards", "ok", ", ".join(ports))


def _group_of(path: str) -> str:
    try:
        return Path(path).group()
    except (KeyError, OSError, NotImplementedError):
        return "dialout"


def check_udev(folders: tuple[Path, ...] = RULES) -> Diagnosis:
    """The udev rule that gives a board a stable name."""
    if not any(folder.is_dir() for folder in folders):
        return Diagnosis("udev rule", "note", "this system has no udev", "name the board by its port")
    if any((folder / RULE_NAME).exists() for folder in folders):
        return Diagnosis("udev rule", "ok", "a board is /dev/tomato, whichever socket it is plugged into")
    return Diagnosis(
        "udev rule",
        "note",
        "none: the board's name may change with its socket",
        "sudo tomato-host install-service, or name it by /dev/serial/by-id/...",
    )


def check_board(url: str, data_dir: Path) -> Diagnosis:
    """The board's condition, over its port or through the host that holds it."""
    from tomato_host.storage.appender import is_held

    if is_held(data_dir / "private"):
        return _through_host(data_dir)
    if url == "sim":
        return Diagnosis("Board", "ok", "the virtual board (--board sim); name a real one with --port")
    return _over_port(url)


def _over_port(url: str) -> Diagnosis:
    from shared_schemas.wire import SCHEMA_HASH
    from tomato_host.board.identify import ask

    try:
        hello, health = ask(url)
    except TomatoError as error:
        return Diagnosis("Board", "problem", error.message, error.next_step)
    if hello is None:
        return Diagnosis("Board", "problem", f"no board answers at {url}", "make flash, if it has no firmware yet")
    text = f"{hello.board} at {url}, firmware {hello.firmware}, schema {hello.schema_hash.hex()}"
    if hello.schema_hash != SCHEMA_HASH:
        return Diagnosis("Board", "problem", f"{text}; this host has schema {SCHEMA_HASH.hex()}", "make flash")
    if health is None:
        return Diagnosis("Board", "note", f"{text}, but it does not report its condition", "tomato-host board logs")
    if health.faults:
        return Diagnosis(
            "Board",
            "problem",
            f"{text}, {health.state}, holds {', '.join(health.faults)}",
            "docs/runbook.md has a line for each; then tomato-host clear-fault",
        )
    if health.weakened:
        return Diagnosis(
            "Board",
            "note",
            f"{text}, {health.state}, works without {', '.join(health.weakened)}",
            'docs/calibration.md, "What the board takes", says what that means',
        )
    return Diagnosis("Board", "ok", f"{text}, {health.state}, no fault")


def _through_host(data_dir: Path) -> Diagnosis:
    from tomato_host.cli.board_client import HostClient

    try:
        state, faults = HostClient(data_dir, "", "doctor").condition()
    except TomatoError as error:
        return Diagnosis("Board", "problem", error.message, error.next_step)
    if faults:
        return Diagnosis(
            "Board",
            "problem",
            f"the running host says {state}, holds {', '.join(faults)}",
            "docs/runbook.md has a line for each; then tomato-host clear-fault",
        )
    return Diagnosis("Board", "ok", f"the running host says {state}, no fault")
