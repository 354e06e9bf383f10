"""Faults asked for from outside while a simulated tent runs in lock step: small files, as presses of its buttons are.

For the demo alone, whose page offers a menu of the faults of `sources/scenarios.py`; no real board has any of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

from tomato_host.atomic_file import replace_file
from tomato_host.sources.scenarios import FAULTS
from tomato_host.twin.fault_effects import EFFECTS
from tomato_host.twin.world import World

FILE = "fault.json"
ACTIVE = "active_faults.json"
LOOK_S = 0.1
"""Wall time between two looks into the directory."""
MOST_MINUTES = 24 * 60.0


def ask(board_dir: Path, name: str, minutes: float) -> None:
    """Ask for a fault for so many minutes of the tent. Raises OSError when it cannot be written."""
    board_dir.mkdir(mode=0o700, exist_ok=True)
    replace_file(board_dir / FILE, json.dumps({"fault": name, "minutes": minutes}).encode(), durable=False)


def active(board_dir: Path) -> dict[str, str]:
    """The faults that last, each with the moment of its end in the tent's time (ISO 8601)."""
    try:
        found: dict[str, str] = json.loads((board_dir / ACTIVE).read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def _pop(board_dir: Path) -> tuple[str, float] | None:
    path = board_dir / FILE
    if not path.exists():
        return None
    try:
        wanted: dict[str, Any] = json.loads(path.read_bytes()[:1_000])
        name, minutes = str(wanted["fault"]), float(wanted["minutes"])
    except (OSError, ValueError, KeyError, TypeError):
        name, minutes = "", 0.0
    with contextlib.suppress(OSError):
        os.unlink(path)
    return (name, minutes) if name in FAULTS and 0.0 < minutes <= MOST_MINUTES else None


class ProvokedFaults:
    """Looks into the directory now and then, and changes the world at its present moment."""

    def __init__(self, world: World, board_dir: Path) -> None:
        """`board_dir` is emptied of what an earlier run has left."""
        self._world = world
        self._board_dir = board_dir
        self._look_s = 0.0
        self._ends: dict[str, str] = {}
        for name in (FILE, ACTIVE):
            (board_dir / name).unlink(missing_ok=True)

    def look(self) -> None:
        """Begin what was asked for. A fault that lasts already is not begun again."""
        now_s = time.monotonic()
        if now_s < self._look_s:
            return
        self._look_s = now_s + LOOK_S
        if (wanted := _pop(self._board_dir)) is not None and wanted[0] not in self._ends:
            self._provoke(*wanted)

    def _provoke(self, name: str, minutes: float) -> None:
        world = self._world
        begin_ms = world.now_ms + 1  # what lies at the present moment already is never met: no time passes up to it
        end_ms = begin_ms + round(minutes * 60_000)
        world.schedule(begin_ms, lambda changed: EFFECTS[name](changed, 1.0))
        world.schedule(end_ms, lambda changed: self._end(changed, name))
        self._ends[name] = world.moment(end_ms).isoformat()
        self._write()

    def _end(self, world: World, name: str) -> None:
        EFFECTS[name](world, -1.0)
        self._ends.pop(name, None)
        self._write()

    def _write(self) -> None:
        """For the page; the tent goes on without it."""
        with contextlib.suppress(OSError):
            replace_file(self._board_dir / ACTIVE, json.dumps(self._ends).encode(), durable=False)
