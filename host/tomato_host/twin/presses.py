"""A button of the virtual board pressed from outside its process: a small file in the board's directory says how long.

`tomato-host twin press` writes it, the board's server reads and removes it; nothing of it exists on a real board.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Literal, Protocol, get_args

from tomato_host.atomic_file import replace_file

Input = Literal["button", "estop"]
INPUTS: tuple[str, ...] = get_args(Input)
FOLDER = "virtual_board"
"""Below the host's data directory."""
FILE = "press.json"
MOST_S = 600.0


def ask(board_dir: Path, name: Input, seconds: float) -> None:
    """Ask the virtual board that looks into `board_dir` for a press. Raises OSError when it cannot be written."""
    board_dir.mkdir(mode=0o700, exist_ok=True)
    replace_file(board_dir / FILE, json.dumps({"input": name, "seconds": seconds}).encode(), durable=False)


def waiting(board_dir: Path) -> bool:
    """Whether a press has not been read yet."""
    return (board_dir / FILE).exists()


def pop(board_dir: Path) -> tuple[str, float] | None:
    """The press that was asked for, once: input and seconds. None for none, and for anything else in the file."""
    path = board_dir / FILE
    if not path.exists():
        return None
    try:
        wanted = json.loads(path.read_bytes()[:1_000])
        name, seconds = wanted["input"], float(wanted["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        name, seconds = "", 0.0
    with contextlib.suppress(OSError):
        os.unlink(path)
    return (name, seconds) if name in INPUTS and 0.0 < seconds <= MOST_S else None


class Pressable(Protocol):
    """What has the board's inputs; `twin.world.World` is one."""

    button: bool
    estop: bool


class PressedInputs:
    """Presses what is asked for in `board_dir`, and lets it go in the tent's own time."""

    def __init__(self, board_dir: Path | None) -> None:
        """`board_dir` None: nobody asks."""
        self._board_dir = board_dir
        self._until_ms: dict[str, int] = {}

    def update(self, world: Pressable, now_ms: int) -> None:
        """Let go what has been held for long enough, and press what is asked for."""
        for name in [name for name, end_ms in self._until_ms.items() if now_ms >= end_ms]:
            setattr(world, name, False)
            del self._until_ms[name]
        if self._board_dir is not None and (press := pop(self._board_dir)) is not None:
            name, seconds = press
            setattr(world, name, True)
            self._until_ms[name] = now_ms + round(seconds * 1_000)
