"""Shared pieces of the twin's tests: a probe firmware that answers expressions, spoken to over the real port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import serial
from tomato_host.twin.virtual_board import VirtualBoard
from tomato_host.twin.world import World

PROBE_FIRMWARE = Path(__file__).parent / "probe_firmware"


class Probe:
    """A virtual board with the probe firmware; `ask` evaluates an expression on the VM."""

    def __init__(self, world: World, home: Path) -> None:
        self.world = world
        self.board = VirtualBoard(world, home, PROBE_FIRMWARE)
        self.port = serial.Serial(self.board.port_path, timeout=0)
        self.hello = self.hear()

    def hear(self, limit_ms: int = 30_000) -> str:
        """One line from the board."""
        line, end_ms = b"", self.board.now_ms + limit_ms
        while not line.endswith(b"\n"):
            sent = self.board.run_to(end_ms)
            assert sent, f"the board stayed silent, got {line!r}"
            self.board.serial_link.wait_readable(sent)
            line += self.port.read(4_096)
        return line.decode().strip()

    def ask(self, expression: str, limit_ms: int = 30_000) -> str:
        """What the VM answers to `expression`."""
        self.board.receive(expression.encode() + b"\n")
        return self.hear(limit_ms)

    def close(self) -> None:
        self.port.close()
        self.board.close()


@pytest.fixture
def make_probe(tmp_path: Path) -> Iterator[Callable[[World], Probe]]:
    made: list[Probe] = []

    def make(world: World) -> Probe:
        made.append(Probe(world, tmp_path))
        return made[-1]

    yield make
    for probe in made:
        probe.close()


@pytest.fixture
def probe(make_probe: Callable[[World], Probe]) -> Probe:
    return make_probe(World(1))
