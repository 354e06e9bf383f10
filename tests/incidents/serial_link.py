"""A USB cable between host and virtual board that a test can pull and put back; the board runs on meanwhile."""

from __future__ import annotations

import os
import pty
import select
import threading
import tty
from pathlib import Path


class PullableLink:
    """`port` is where the host finds the board: a name that vanishes with the plug, as under /dev."""

    def __init__(self, board: str, place: Path) -> None:
        self.port = place / "ttyTomato"
        self._board = os.open(board, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        tty.setraw(self._board)
        self._ours = self._theirs = -1
        self._lock = threading.Lock()
        self._wanted = True
        self.plug()
        self._thread = threading.Thread(target=self._forward, daemon=True)
        self._thread.start()

    def plug(self) -> None:
        """Plug it in."""
        with self._lock:
            self._ours, self._theirs = pty.openpty()
            tty.setraw(self._theirs)
            os.set_blocking(self._ours, False)
            self.port.symlink_to(os.ttyname(self._theirs))

    def pull(self) -> None:
        """Pull it out: the name is gone and whoever has it open gets an error."""
        with self._lock:
            self.port.unlink()
            os.close(self._ours)
            os.close(self._theirs)
            self._ours = self._theirs = -1

    def close(self) -> None:
        """Remove it for good."""
        self._wanted = False
        self._thread.join(5)
        if self._ours >= 0:
            self.pull()
        os.close(self._board)

    def _forward(self) -> None:
        while self._wanted:
            select.select([self._board, *([self._ours] if self._ours >= 0 else [])], [], [], 0.02)
            with self._lock:
                from_board = _read(self._board)
                if self._ours >= 0:
                    _write(self._ours, from_board)
                    _write(self._board, _read(self._ours))


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 4_096)
    except OSError:
        return b""


def _write(fd: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(fd, data) :]
    except OSError:
        return  # no reader: lost, as on a wire
