"""A MicroPython VM at its prompt, on a pseudo-terminal that a test opens by path; a folder is its flash."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import threading
import tty
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import micropython


class VmConsole:
    """The VM's console. `path` is the port; `cut` pulls the plug. Two pseudo-terminals back to back, as a cable."""

    def __init__(self, flash: Path, script: Path | None = None, import_path: str = ":.frozen") -> None:
        """With `script` the VM runs it first, as a board runs main.py. Raises TomatoError E-TWIN-NO-VM without a VM."""
        program = micropython()
        self._board_end, board_tty = os.openpty()
        self._host_end, self._host_tty = os.openpty()
        tty.setraw(board_tty)
        tty.setraw(self._host_tty)
        self.path = os.ttyname(self._host_tty)
        self._process = subprocess.Popen(
            [program, "-i", "-X", "heapsize=1M", *([str(script)] if script else [])],
            stdin=board_tty,
            stdout=board_tty,
            stderr=subprocess.DEVNULL,
            cwd=flash,
            env={"MICROPYPATH": import_path, "HOME": str(flash), "PATH": os.environ.get("PATH", "")},
        )
        os.close(board_tty)
        self._cable = threading.Thread(target=self._carry, daemon=True)
        self._cable.start()

    def _carry(self) -> None:
        """Carry bytes both ways until the board's end hangs up."""
        ends = {self._board_end: self._host_end, self._host_end: self._board_end}
        with contextlib.suppress(OSError, ValueError):
            while True:
                for end in select.select(list(ends), [], [], 1.0)[0]:
                    os.write(ends[end], os.read(end, 4096))

    def cut(self) -> None:
        """The board is gone."""
        self._process.kill()
        self._process.wait()
        self._cable.join(5.0)

    def close(self) -> None:
        self.cut()
        for end in (self._board_end, self._host_end, self._host_tty):
            os.close(end)


def has_vm() -> bool:
    """Whether a MicroPython VM is here."""
    try:
        micropython()
    except TomatoError:
        return False
    return True
