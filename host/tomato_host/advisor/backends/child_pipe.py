"""The child's side of the pipe: commands come in as lines, and nothing but our own lines goes out."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import sys
import threading

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


class ChildPipe:
    """Owns stdin and stdout of this process. Native libraries that print find /dev/null behind descriptor 1.

    When the parent goes away the process ends at once, even in the middle of a computation.
    """

    def __init__(self) -> None:
        _die_with_the_parent()
        self._out = os.dup(1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        self._lock = threading.Lock()
        self._commands: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def next_command(self) -> str:
        """Wait for the parent's next line."""
        return self._commands.get()

    def say(self, line: str) -> None:
        """Send one line; one call is one line, never half of it."""
        data = memoryview(line.replace("\n", " ").encode() + b"\n")
        with self._lock:
            while data:
                data = data[os.write(self._out, data) :]

    def _listen(self) -> None:
        for line in sys.stdin:
            self._commands.put(line.rstrip("\n"))
        os._exit(0)


def _die_with_the_parent() -> None:
    """Linux: be killed when the thread that started us ends. The closed pipe tells a running process the same, but a
    suspended one, whose parent died in that very moment, would otherwise keep its gigabytes for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
