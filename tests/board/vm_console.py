"""A MicroPython VM at its prompt, on a pseudo-terminal that a test opens by path; a folder is its flash."""

from __future__ import annotations

import os
import subprocess
import tty
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.twin.firmware_files import micropython


class VmConsole:
    """The VM's console. `path` is the port; `cut` pulls the plug."""

    def __init__(self, flash: Path) -> None:
        """Raises TomatoError E-TWIN-NO-VM where there is no VM."""
        program = micropython()
        ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)
        self.path = os.ttyname(self._theirs)
        self._process = subprocess.Popen(
            [program, "-i", "-X", "heapsize=1M"], stdin=ours, stdout=ours, stderr=subprocess.DEVNULL, cwd=flash,
            env={"MICROPYPATH": ":.frozen", "HOME": str(flash), "PATH": os.environ.get("PATH", "")},
        )
        os.close(ours)

    def cut(self) -> None:
        """The board is gone."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.cut()
        os.close(self._theirs)


def has_vm() -> bool:
    """Whether a MicroPython VM is here."""
    try:
        micropython()
    except TomatoError:
        return False
    return True
