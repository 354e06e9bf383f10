"""MicroPython's own console on a board, through mpremote: files, hashes, small programs. The firmware stands aside.

The firmware leaves its loop, with every output off, when `\\r 0x03` arrives between two frames; a timer feeds its
watchdog from then on.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from typing import Protocol

from tomato_host.board.port import SerialPort
from tomato_host.errors import TomatoError

CONSOLE_REQUEST = b"\r\x03"
LEAVE_ANY_MODE = b"\x03\x02"
"""Out of the prompt's paste mode, out of its raw mode; at the plain prompt neither does anything."""
CONSOLE_REQUEST_PAUSE_S = 0.7
"""The firmware's loop turns at least every 50 ms; a half-received frame counts as noise after 500 ms."""


class ConsoleLost(Exception):
    """The console stopped answering: cable pulled, board reset, program hung."""


class BoardFiles(Protocol):
    """What flashing needs of a board."""

    def hashes(self, folder: str) -> dict[str, str]:
        """SHA-256 in hex of every file below a folder ("" = the files of the root itself), by path below it."""

    def read(self, path: str) -> bytes | None:
        """A file, or None."""

    def write(self, path: str, data: bytes) -> None:
        """Write a file in place, its folders made first."""

    def rename(self, old: str, new: str) -> None:
        """Rename; an existing `new` is replaced in one step."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def run(self, program: str) -> str:
        """Run a small program; returns what it printed."""


_WALK = """
import os, hashlib, binascii
def walk(folder, below):
    try:
        rows = list(os.ilistdir(folder or "."))
    except OSError:
        return
    for row in rows:
        path = (folder + "/" if folder else "") + row[0]
        if row[1] & 0x4000:
            if below and row[0] not in (".", ".."):
                walk(path, below)
        else:
            h = hashlib.sha256()
            with open(path, "rb") as f:
                while True:
                    part = f.read(256)
                    if not part:
                        break
                    h.update(part)
            print(path, binascii.hexlify(h.digest()).decode())
"""


class Console:
    """An open raw REPL on a board; a BoardFiles. Use as a context manager."""

    def __init__(self, url: str) -> None:
        """Ask for the console, enter the raw REPL without a soft reset.

        Raises TomatoError: E-PORT-*, E-BOARD-NO-MICROPYTHON.
        """
        self.url = url
        port = SerialPort.open(url)  # a busy or missing port is told the usual way
        port.write(b"\0" + CONSOLE_REQUEST)
        time.sleep(CONSOLE_REQUEST_PAUSE_S)
        port.write(LEAVE_ANY_MODE)
        time.sleep(CONSOLE_REQUEST_PAUSE_S / 10)
        port.close()
        from mpremote.transport import TransportError
        from mpremote.transport_serial import SerialTransport

        self._error = TransportError
        self._made: set[str] = set()
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # mpremote prints what it could not read
                self._transport = SerialTransport(url, timeout=5)
                self._transport.enter_raw_repl(soft_reset=False, timeout_overall=5)
        except (TransportError, OSError) as error:
            raise TomatoError(
                "E-BOARD-NO-MICROPYTHON",
                f"MicroPython does not answer on {url} ({error}).",
                "Check that it is the right port; put MicroPython on the board "
                "(https://micropython.org/download), then unplug it and plug it in again.",
            ) from None

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, program: str) -> str:
        """Run a small program; returns what it printed. Raises ConsoleLost, also when the program raised."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return bytes(self._transport.exec(program)).decode(errors="replace").replace("\r\n", "\n")
        except (self._error, OSError, TypeError, IndexError) as error:
            raise ConsoleLost(f"{self.url}: {error}") from None

    def hashes(self, folder: str) -> dict[str, str]:
        """SHA-256 of the files below a folder; of the root only the files themselves."""
        told = self.run(f"{_WALK}\nwalk({folder!r}, {bool(folder)})\n")
        rows = (line.rsplit(" ", 1) for line in told.splitlines() if " " in line)
        return {path.removeprefix(folder + "/"): digest for path, digest in rows}

    def read(self, path: str) -> bytes | None:
        """A file, or None."""
        found = self.run(f"try:\n with open({path!r}, 'rb') as f: print(repr(f.read()))\nexcept OSError: print(None)\n")
        import ast

        value = ast.literal_eval(found.strip())
        return value if isinstance(value, bytes) else None

    def write(self, path: str, data: bytes) -> None:
        """Write a file in place, its folders made first."""
        self._make_folders(path)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self._transport.fs_writefile(path, data, 512)
        except (self._error, OSError, TypeError, IndexError) as error:
            raise ConsoleLost(f"{self.url}: {error}") from None

    def _make_folders(self, path: str) -> None:
        parts = path.split("/")[:-1]
        for n in range(1, len(parts) + 1):
            folder = "/".join(parts[:n])
            if folder not in self._made:
                self.run(f"import os\ntry: os.mkdir({folder!r})\nexcept OSError: pass\n")
                self._made.add(folder)

    def rename(self, old: str, new: str) -> None:
        """Rename; an existing `new` is replaced in one step."""
        self.run(f"import os\nos.rename({old!r}, {new!r})\n")

    def remove(self, path: str) -> None:
        """Remove a file."""
        self.run(f"import os\nos.remove({path!r})\n")

    def reset(self) -> None:
        """Reset the board as a power-on does; the console is gone with it."""
        try:
            self._transport.exec_raw_no_follow("import machine\nmachine.reset()\n")
            time.sleep(0.2)
        except (self._error, OSError):
            pass  # some ports vanish before they have answered: that is the reset
        self.close(leave=False)

    def close(self, leave: bool = True) -> None:
        """Leave the raw REPL and let go of the port."""
        try:
            if leave:
                self._transport.exit_raw_repl()
            self._transport.close()
        except (self._error, OSError):
            pass  # it was gone already


def repl_command(url: str) -> list[str]:
    """The program that gives a person the console."""
    import sys

    return [sys.executable, "-m", "mpremote", "connect", os.fspath(url), "resume", "repl"]
