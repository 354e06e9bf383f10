"""A serial line inside one process: what host and virtual board use in lock step instead of a pseudo-terminal.

A pseudo-terminal hands every write to a kernel worker, and both ends have to wait for it: a seventh of the wall time of
a simulated day. In lock step nothing can happen between a write and the next `advance`, so memory carries the same
bytes at the same moments. Hosts in other processes, and the free-running twin, still use the pseudo-terminal.
"""

from __future__ import annotations

from tomato_host.board.port import PortLost

LINE_HOLDS = 65_536
"""Bytes for a host that does not read; more are dropped, as a pseudo-terminal and a USB line do."""


class MemoryLine:
    """Bytes under way in both directions. Writes of the host are never refused: `LockStep.advance` takes them all."""

    def __init__(self) -> None:
        self.to_board = bytearray()
        self.to_host = bytearray()

    def take_from_host(self, count: int) -> bytes:
        """Remove and return at most `count` bytes the host has written."""
        data = bytes(self.to_board[:count])
        del self.to_board[:count]
        return data

    def put_to_host(self, data: bytes) -> int:
        """Add what there is room for; returns how many bytes that were."""
        fitting = data[: LINE_HOLDS - len(self.to_host)]
        self.to_host += fitting
        return len(fitting)


class MemoryPort:
    """The host's end of a MemoryLine; offers what `board.session.Port` asks for, and counts as SerialPort does."""

    def __init__(self, line: MemoryLine) -> None:
        self._line = line
        self._line.to_host.clear()  # a port that is opened throws away what came before
        self.bytes_written = 0
        self._open = True

    def read(self) -> bytes:
        """What has arrived, perhaps nothing. Raises PortLost when closed, as a serial port does."""
        self._check_open()
        if not self._line.to_host:
            return b""
        data = bytes(self._line.to_host)
        self._line.to_host.clear()
        return data

    def write(self, data: bytes) -> None:
        """Send; the board has it when time is advanced next. Raises PortLost when closed."""
        self._check_open()
        self._line.to_board += data
        self.bytes_written += len(data)

    def flush(self) -> None:
        """Nothing is ever queued."""

    def wait(self, timeout_s: float) -> bool:
        """Whether bytes are there; none can come while the caller waits, so this returns at once."""
        self._check_open()
        return bool(self._line.to_host)

    def close(self) -> None:
        """Let go of the line; what was written is still carried."""
        self._open = False

    def _check_open(self) -> None:
        if not self._open:
            raise PortLost("the port is closed")
