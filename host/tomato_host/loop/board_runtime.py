"""What a supervisor runs on: the serial link to one board, and the clock that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tomato_host.board.port import SerialPort
from tomato_host.board.session import Port
from tomato_host.loop.clock import Clock


class CountingPort(Port, Protocol):
    """A line that counts what it has carried to the board; see port.SerialPort."""

    @property
    def bytes_written(self) -> int: ...


class SerialLink:
    """Opens the serial port again after each loss, and counts the bytes written over all reconnects."""

    def __init__(self, url: str, open_port: Callable[[], CountingPort] | None = None) -> None:
        """`open_port` opens a line that is no serial port; by default `url` is opened as one."""
        self.url = url
        self._open_port = open_port or (lambda: SerialPort.open(url))
        self._port: CountingPort | None = None
        self._earlier_bytes = 0

    def open(self) -> CountingPort:
        """Open the port. Raises TomatoError as SerialPort.open does."""
        port = self._open_port()
        if self._port is not None:
            self._earlier_bytes += self._port.bytes_written
        self._port = port
        return port

    @property
    def bytes_written(self) -> int:
        """Bytes written so far, over all reconnects."""
        return self._earlier_bytes + (self._port.bytes_written if self._port is not None else 0)


@dataclass(slots=True)
class BoardRuntime:
    """One board as the supervisor sees it. `real_time`: a wait may be ended by bytes on the link itself."""

    clock: Clock
    link: SerialLink
    name: str
    real_time: bool
    closers: list[Callable[[], None]] = field(default_factory=list)
    twin_pid: int | None = None

    def close(self) -> None:
        """Close everything that was started for this run."""
        for closer in self.closers:
            closer()
        self.closers.clear()
