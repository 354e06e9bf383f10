"""The virtual board as a BoardRuntime: free-running in a process of its own, or in lock step with the host."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.loop.board_runtime import BoardRuntime, SerialLink
from tomato_host.loop.clock import RealClock, Wake
from tomato_host.twin import presses, server
from tomato_host.twin.lockstep import LockStep
from tomato_host.twin.provoked import ProvokedFaults

SIM_START = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
"""Simulated runs begin here unless told otherwise: 06:00 in Vienna on a spring day, when the lights go on."""

ON_BEFORE_S = 65.0
"""A free-running board has been on this long when its host starts: it gives no dose in its first minute, and a drill
that needs one shall not wait for it."""


class LockStepClock:
    """The twin's time as a Clock: waiting is what moves the board and the tent."""

    def __init__(
        self,
        twin: LockStep,
        link: SerialLink,
        time_scale: float,
        pressed: Path | None = None,
        provoked: ProvokedFaults | None = None,
    ) -> None:
        """`time_scale` 0: as fast as possible. `pressed`: the directory in which presses of a button are asked for.

        `provoked`: looks for faults that are asked for.
        """
        self._provoked = provoked
        self._twin = twin
        self._link = link
        self._scale = time_scale
        self._pressed = presses.PressedInputs(pressed)
        self._paced_from = time.monotonic()
        self._now_ms = twin.now_ms
        self._now = twin.start + timedelta(milliseconds=twin.now_ms)

    def now(self) -> datetime:
        """Simulated wall time, aware, UTC; the same object while time stands."""
        now_ms = self._twin.now_ms
        if now_ms != self._now_ms:
            self._now_ms = now_ms
            self._now = self._twin.start + timedelta(milliseconds=now_ms)
        return self._now

    def monotonic_ms(self) -> int:
        """Simulated milliseconds since the start."""
        return self._twin.now_ms

    def wait_until_ms(self, deadline_ms: int, wake: Wake | None = None) -> None:
        """Advance everything to the deadline, or to the first bytes from the board."""
        if self._provoked is not None:
            self._provoked.look()
        if self._scale > 0.0:  # nobody can press anything while a day passes in a second
            self._pressed.update(self._twin.world, self._twin.now_ms)
        self._twin.advance(max(deadline_ms, self._twin.now_ms), self._link.bytes_written)
        if self._scale > 0.0:
            ahead_s = self._twin.now_ms / 1000.0 / self._scale - (time.monotonic() - self._paced_from)
            if ahead_s > 0.0:
                time.sleep(ahead_s)


def free_running_board(seed: int, scenario: str, flash: Path | None, data_dir: Path | None = None) -> BoardRuntime:
    """Start the twin in a process of its own, in real time. Raises TomatoError as the twin does."""
    asked = None if data_dir is None else data_dir / presses.FOLDER
    twin = server.start(seed=seed, scenario=scenario, flash=flash, presses=asked, ahead_s=ON_BEFORE_S)
    link = SerialLink(twin.port_path)
    return BoardRuntime(RealClock(), link, "virtual board", real_time=True, closers=[twin.close], twin_pid=twin.pid)


def lock_step_board(
    time_scale: float,
    seed: int,
    scenario: str,
    start: datetime | None,
    flash: Path | None,
    data_dir: Path | None = None,
    fault_menu: bool = False,
) -> BoardRuntime:
    """Start the twin in this process; waiting is what moves it. Raises TomatoError as the twin does.

    `fault_menu`: faults may be asked for below `data_dir`, as presses of its buttons.
    """
    twin = LockStep(seed=seed, scenario=scenario or None, start=start or SIM_START, flash=flash)
    link = SerialLink(twin.port_path, twin.open_port)
    asked = None if data_dir is None else data_dir / presses.FOLDER
    provoked = ProvokedFaults(twin.world, asked) if fault_menu and asked is not None else None
    clock = LockStepClock(twin, link, time_scale, asked, provoked)
    return BoardRuntime(clock, link, "virtual board in lock step", real_time=False, closers=[twin.close])
