"""Lock step: host, board and tent advance together to the next due moment, so that nothing depends on the machine.

The caller owns the time. Bytes are counted on both sides of the pseudo-terminal: those the host has written are carried
to the board before time moves on, and those the board has sent are readable before `advance` returns.
"""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.memory_line import MemoryPort
from tomato_host.twin.outside import Weather
from tomato_host.twin.params import TentParams
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.world import World


class LockStep:
    """A virtual board whose time is moved by the host's own scheduler."""

    def __init__(
        self,
        seed: int = 0,
        scenario: Scenario | str | None = None,
        start: datetime | None = None,
        params: TentParams | None = None,
        weather: Weather | None = None,
        flash: Path | None = None,
        skip_idle: bool = True,
        core: int | None = None,
        heap: str = "480K",
        firmware: Path | None = None,
        lookahead: bool = True,
        port: str = "",
        ticks_from: int = 0,
    ) -> None:
        """`start` (aware) is the wall time of moment 0; `core` numbers the processor core for this run, if it matters.

        `port` (such as "esp32-1.28") makes it a board of that kind, "" the virtual board; `ticks_from` is what its
        millisecond counter holds at power-on.
        `skip_idle` and `lookahead` as for VirtualBoard.
        Raises TomatoError for an unknown scenario, a missing VM or firmware.
        """
        faults = scenario if isinstance(scenario, Scenario) else Scenario.parse(scenario)
        self.world = World(seed, params, faults, start, weather)
        self.board = VirtualBoard(self.world, flash, firmware, heap, skip_idle, lookahead, port, ticks_from=ticks_from)
        self.port_path = self.board.port_path
        self.bytes_taken = 0
        """Bytes carried down so far; a host that starts anew counts on from here."""
        self.board.run_to(0)  # power on: the board hears the host's first word
        self._affinity = _stay_on_one_core(self.board, core)

    @property
    def now_ms(self) -> int:
        """Milliseconds since `start`."""
        return self.board.now_ms

    @property
    def start(self) -> datetime:
        """Wall time of moment 0."""
        return self.world.start

    def advance(self, until_ms: int, host_bytes_written: int) -> int:
        """Advance to `until_ms`, or to the first moment before it at which the board sent bytes.

        `host_bytes_written` is the total the host has written to its port so far. Returns how many bytes are now
        readable on the host's side of the port (0 when `until_ms` was reached in silence); `now_ms` says how far time
        went.
        """
        board = self.board
        if host_bytes_written > self.bytes_taken:
            data = board.serial_link.read_exactly(host_bytes_written - self.bytes_taken)
            self.bytes_taken = host_bytes_written
            board.receive(board.serial_link.down(data))
        sent = board.run_to(until_ms)
        return board.serial_link.wait_readable(sent) if sent else 0

    def open_port(self) -> MemoryPort:
        """The line's end for a host in this process; one in another process opens `port_path`."""
        return self.board.serial_link.open_memory_port()

    def close(self) -> None:
        """Switch the board off and free its port."""
        self.board.close()
        if self._affinity is not None:
            os.sched_setaffinity(0, self._affinity)
            self._affinity = None


def _stay_on_one_core(board: VirtualBoard, core: int | None) -> set[int] | None:
    """Host and VM take turns, so one core serves both and a switch costs 10 us instead of 40."""
    if not hasattr(os, "sched_setaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    cores = sorted(allowed)
    mine = cores[(os.getpid() if core is None else core) % len(cores)]
    os.sched_setaffinity(0, {mine})
    board.pin_to(mine)
    return allowed
