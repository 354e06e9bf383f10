"""The serial link between board and host, with faults that can be set: a pseudo-terminal, or memory in lock step."""

from __future__ import annotations

import array
import fcntl
import os
import select
import termios
import tty
from random import Random

from tomato_host.twin.line_and_power import SerialLinkFaults
from tomato_host.twin.memory_line import MemoryLine, MemoryPort

LINE_HOLDS = 4_000
SETTLE_MS = 2_000
"""Wall time within which the kernel must have carried bytes through the pseudo-terminal."""


class SimulatedLine:
    """Owns the line. The host opens `port_path`, or in the same process calls `open_memory_port`.

    `down` and `up` apply noise, loss, doubling and cuts.
    """

    def __init__(self, faults: SerialLinkFaults, rng: Random) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port_path = os.ttyname(self._slave)
        self._faults = faults
        self._rng = rng
        self._from_host = select.poll()
        self._from_host.register(self._master, select.POLLIN)
        self._at_host = select.poll()
        self._at_host.register(self._slave, select.POLLIN)
        self.lost_bytes = 0
        self._memory: MemoryLine | None = None

    def open_memory_port(self) -> MemoryPort:
        """The host's end without a kernel in between; from now on the board's bytes go there."""
        if self._memory is None:
            self._memory = MemoryLine()
        return MemoryPort(self._memory)

    def fileno(self) -> int:
        """The board's side, to wait for bytes of the host."""
        return self._master

    def read_exactly(self, count: int) -> bytes:
        """The `count` bytes the host has written; waits until the kernel has carried them over."""
        data = self._memory.take_from_host(count) if self._memory else b""
        while len(data) < count:
            try:
                data += os.read(self._master, count - len(data))
            except BlockingIOError:
                if not self._from_host.poll(SETTLE_MS):
                    break
        return data

    def read(self) -> bytes:
        """What the host has written so far, perhaps nothing."""
        try:
            return os.read(self._master, 65_536)
        except OSError:
            return b""

    def down(self, data: bytes) -> bytes:
        """Host to board: what arrives of `data`."""
        if self._faults.cut or self._faults.host_dead:
            return b""
        return self._spoilt(data) if self._faults.noise else data

    def up(self, data: bytes) -> int:
        """Board to host: put on the pseudo-terminal what gets through. Returns the number of bytes."""
        if self._faults.cut or self._faults.host_dead:
            return 0
        if self._faults.noise:
            data = self._spoilt(data)
        written = self._put(data) if data else 0
        self.lost_bytes += len(data) - written
        return written

    def _put(self, data: bytes) -> int:
        if self._memory:
            return self._memory.put_to_host(data)
        try:
            return os.write(self._master, data)
        except BlockingIOError:
            return 0  # nobody reads; a USB line drops it too

    def wait_readable(self, count: int) -> int:
        """Wait until the host's side holds at least `count` bytes; returns how many it holds.

        The kernel shows at most LINE_HOLDS of them at a time; the rest follows as the host reads.
        """
        if self._memory:
            return len(self._memory.to_host)
        waiting = array.array("i", [0])
        wanted = min(count, LINE_HOLDS)
        while True:
            fcntl.ioctl(self._slave, termios.FIONREAD, waiting)
            if waiting[0] >= wanted or not self._at_host.poll(SETTLE_MS):
                return waiting[0]

    def _spoilt(self, data: bytes) -> bytes:
        """Flip a bit, lose or double the chunk with the probability of the noise."""
        rng = self._rng
        if not data or rng.random() >= self._faults.noise:
            return data
        way = rng.randrange(3)
        if way == 0:
            place = rng.randrange(len(data))
            return data[:place] + bytes((data[place] ^ 1 << rng.randrange(8),)) + data[place + 1 :]
        return b"" if way == 1 else data + data

    def close(self) -> None:
        """Take the port away; a second time does nothing."""
        if self._master >= 0:
            os.close(self._master)
            os.close(self._slave)
            self._master = self._slave = -1
