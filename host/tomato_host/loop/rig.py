"""What a supervisor runs on: a board's serial line and the time that belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tomato_host.board.port import SerialPort
from tomato_host.loop.clock import Clock


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
