"""A board to run on, with the time that belongs to it: a real one, a free-running twin, or a twin in lock step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tomato_host.board.port import SerialPort
from tomato_host.errors import TomatoError
from tomato_host.runtime.clock import Clock, RealClock, Wake

if TYPE_CHECKING:
    from tomato_host.twin.lockstep import LockStep

SIM = "sim"
SIM_START = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
"""Simulated runs begin here unless told otherwise: 06:00 in Vienna on a spring day, when the lights go on."""


class Ports:
    """Opens the line anew after each loss, and counts what was written over all of its lives."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._port: SerialPort | None = None
        self._earlier_bytes = 0

    def open(self) -> SerialPort:
        """Open the line. Raises TomatoError as SerialPort.open does."""
        port = SerialPort.open(self.url)
        if self._port is not None:
            self._earlier_bytes += self._port.bytes_written
        self._port = port
        return port

    @property
    def bytes_written(self) -> int:
        """Bytes handed to the line so far, over all reconnects."""
        return self._earlier_bytes + (self._port.bytes_written if self._port is not None else 0)


class LockStepClock:
    """The twin's time as a Clock: waiting is what moves the board and the tent."""

    def __init__(self, twin: LockStep, ports: Ports, time_scale: float) -> None:
        self._twin = twin
        self._ports = ports
        self._scale = time_scale
        self._paced_from = time.monotonic()

    def now(self) -> datetime:
        """Simulated wall time, aware, UTC."""
        return self._twin.start + timedelta(milliseconds=self._twin.now_ms)

    def monotonic_ms(self) -> int:
        """Simulated milliseconds since the start."""
        return self._twin.now_ms

    def wait_until_ms(self, deadline_ms: int, wake: Wake | None = None) -> None:
        """Advance everything to the deadline, or to the first bytes from the board."""
        self._twin.advance(max(deadline_ms, self._twin.now_ms), self._ports.bytes_written)
        if self._scale > 0.0:
            ahead_s = self._twin.now_ms / 1000.0 / self._scale - (time.monotonic() - self._paced_from)
            if ahead_s > 0.0:
                time.sleep(ahead_s)


@dataclass(slots=True)
class Rig:
    """What the supervisor is put on. `real_time` tells whether a wake may come from the line itself."""

    clock: Clock
    ports: Ports
    name: str
    real_time: bool
    closers: list[Callable[[], None]] = field(default_factory=list)
    twin_pid: int | None = None

    def close(self) -> None:
        """End what was started for this run."""
        for closer in self.closers:
            closer()
        self.closers.clear()


def open_rig(
    url: str,
    *,
    time_scale: float = 1.0,
    seed: int = 0,
    scenario: str = "",
    start: datetime | None = None,
    flash: Path | None = None,
) -> Rig:
    """Make a rig for `url` (`sim` for the virtual board).

    Raises TomatoError: what SerialPort.open or the twin raises; E-TIME-SCALE for a scaled real board.
    """
    if url == SIM:
        return _free_twin(seed, scenario, flash) if time_scale == 1.0 else _lock_step(
            time_scale, seed, scenario, start, flash
        )
    if time_scale != 1.0:
        raise TomatoError(
            "E-TIME-SCALE", f"A real board cannot run at time scale {time_scale:g}.", "leave --time-scale out"
        )
    if scenario:
        raise TomatoError("E-SCENARIO-BOARD", "Scenarios exist on the virtual board only.", "use --board sim")
    ports = Ports(url)
    return Rig(RealClock(), ports, url, real_time=True)


def _free_twin(seed: int, scenario: str, flash: Path | None) -> Rig:
    from tomato_host.twin import server  # a real tent needs none of it

    twin = server.start(seed=seed, scenario=scenario, flash=flash)
    ports = Ports(twin.port_path)
    return Rig(RealClock(), ports, "virtual board", real_time=True, closers=[twin.close], twin_pid=twin.pid)


def _lock_step(time_scale: float, seed: int, scenario: str, start: datetime | None, flash: Path | None) -> Rig:
    from tomato_host.twin.lockstep import LockStep

    twin = LockStep(seed=seed, scenario=scenario or None, start=start or SIM_START, flash=flash)
    ports = Ports(twin.port_path)
    clock = LockStepClock(twin, ports, time_scale)
    return Rig(clock, ports, "virtual board in lock step", real_time=False, closers=[twin.close])
