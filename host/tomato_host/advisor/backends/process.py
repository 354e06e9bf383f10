"""A child process that talks in lines, from both ends: the parent can stop it within a millisecond."""

from __future__ import annotations

import ctypes
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import IO

INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "PYTHONPATH")
"""The only variables of our environment that a child inherits: nothing that could be a secret."""

PASSIVE_THREADS = {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0"}
"""On a busy two-core machine spinning threads made 2.5 tok/s out of 41."""

CAN_SUSPEND = hasattr(signal, "SIGSTOP")


def scrubbed_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment without credentials: the allow-list above, calm threads, and what the caller names."""
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, **PASSIVE_THREADS, "PYTHONUNBUFFERED": "1", **(extra or {})}


class LineProcess:
    """One child with line-wise pipes. A child whose output exceeds its limits is killed.

    `own_group` puts the child and all its descendants into one process group, so that one signal stops them all.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        own_group: bool,
        line_bytes_max: int = 32_768,
        lines_waiting_max: int = 4_096,
    ) -> None:
        self._line_bytes_max = line_bytes_max
        self._lines_waiting_max = lines_waiting_max
        self._own_group = own_group and os.name == "posix"
        self._lines: deque[bytes] = deque()
        self._arrived = threading.Condition()
        self._ended = False
        self.fault: str | None = None
        self._popen = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            bufsize=0,
            close_fds=True,
            start_new_session=self._own_group,
        )
        self.pid = self._popen.pid
        threading.Thread(target=self._read, name=f"lines-of-{self.pid}", daemon=True).start()

    def send(self, line: str) -> bool:
        """Write one line; False when the child is gone. May block on a full pipe: never for the deciding loop."""
        pipe: IO[bytes] | None = self._popen.stdin
        try:
            if pipe is None:
                return False
            data = memoryview(line.encode() + b"\n")
            while data:
                data = data[pipe.write(data) or 0 :]
            return True
        except (OSError, ValueError):
            return False

    def read_line(self, timeout_s: float = 0.0) -> bytes | None:
        """The next whole line without its end, or None. With `timeout_s` 0 it never waits."""
        if timeout_s <= 0.0:
            return self._lines.popleft() if self._lines else None
        deadline = time.monotonic() + timeout_s
        with self._arrived:
            while not self._lines:
                left = deadline - time.monotonic()
                if self._ended or left <= 0.0:
                    return None
                self._arrived.wait(left)
            return self._lines.popleft()

    @property
    def ended(self) -> bool:
        """True when the child closed its output and all its lines were read."""
        return self._ended and not self._lines

    def suspend(self) -> None:
        """Suspend the child (and its group) at once. Where the system cannot suspend, it is killed."""
        self._signal(signal.SIGSTOP if CAN_SUSPEND else None)

    def resume(self) -> None:
        """Undo `suspend`."""
        if CAN_SUSPEND:
            self._signal(signal.SIGCONT)

    def kill(self, reap_s: float = 5.0) -> int | None:
        """End the child (and its group) and reap it. Returns the exit code, None when it would not die in time."""
        self._signal(None)
        try:
            code: int | None = self._popen.wait(reap_s)
        except subprocess.TimeoutExpired:
            code = None
        if self._popen.stdin is not None:
            try:
                self._popen.stdin.close()
            except OSError:
                pass
        return code

    def _signal(self, number: int | None) -> None:
        if self._popen.returncode is not None:
            return  # reaped: the number may belong to another process by now
        try:
            if self._own_group:
                os.killpg(self.pid, number or signal.SIGKILL)
            elif number is None:
                self._popen.kill()
            else:
                os.kill(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _read(self) -> None:
        pipe = self._popen.stdout
        rest = b""
        while pipe is not None and self.fault is None:
            chunk = os.read(pipe.fileno(), 65_536)
            if not chunk:
                break
            *lines, rest = (rest + chunk).split(b"\n")
            self._add_lines(lines, rest)
        if self.fault is not None:
            self._signal(None)
        if pipe is not None:
            pipe.close()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def _add_lines(self, lines: list[bytes], rest: bytes) -> None:
        if any(len(line) > self._line_bytes_max for line in (*lines, rest)):
            self.fault = f"a line longer than {self._line_bytes_max} bytes"
            return
        with self._arrived:
            self._lines.extend(lines)
            self._arrived.notify_all()
        if len(self._lines) > self._lines_waiting_max:
            self.fault = f"more than {self._lines_waiting_max} lines waiting"


def python_module(name: str) -> list[str]:
    """The command that runs one of our modules in a fresh interpreter, apart from the user's own site packages."""
    return [sys.executable, "-s", "-m", name]


PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""


class ChildPipe:
    """Owns stdin and stdout of this process. Native libraries that print find /dev/null behind descriptor 1.

    When the parent goes away the process ends at once, even in the middle of a computation.
    """

    def __init__(self) -> None:
        _end_with_parent()
        self._out = os.dup(1)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        self._lock = threading.Lock()
        self._commands: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def next_command(self) -> str:
        """Wait for the parent's next line."""
        return self._commands.get()

    @property
    def has_command(self) -> bool:
        """Whether the parent has sent a line that was not read yet; for stopping in the middle of an answer."""
        return not self._commands.empty()

    def send_line(self, line: str) -> None:
        """Send one line; one call is one line, never half of it."""
        data = memoryview(line.replace("\n", " ").encode() + b"\n")
        with self._lock:
            while data:
                data = data[os.write(self._out, data) :]

    def _listen(self) -> None:
        for line in sys.stdin:
            self._commands.put(line.rstrip("\n"))
        os._exit(0)


def _end_with_parent() -> None:
    """Linux: be killed when the thread that started us ends. The closed pipe ends a running process, too, but a
    suspended one, whose parent died in that very moment, would otherwise keep its gigabytes for ever."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
