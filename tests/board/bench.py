"""The board's own session and core on CPython, at the end of a link that can be disturbed; the test sets the time."""

from __future__ import annotations

import random
from collections.abc import Callable

from tomato import contract as c
from tomato.core.board import Core
from tomato.core.ring import SampleRing
from tomato.core.sampler import SAMPLE_BODY_MAX, Sampler
from tomato.core.session import Identity, Session
from tomato_host.board.events import LinkEvent
from tomato_host.board.port import PortLost
from tomato_host.board.session import BoardSession
from tomato_host.errors import TomatoError

from tests.firmware_core.rig import GOOD, MemoryStore

TICK_MS = 50
Spoil = Callable[[bytes], bytes]


def clean(data: bytes) -> bytes:
    """Bytes pass unchanged."""
    return data


class CoreBoard:
    """The firmware's `core` and `session`, without pins. Power-cycle it with `reset`."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.boots = 0
        self.out = bytearray()
        self.blocked = False
        self.reset(0)

    def reset(self, now_ms: int) -> None:
        """Boot: board time begins at zero, flash keeps its contents."""
        self.boots += 1
        self.booted_ms = now_ms
        self.core = Core(None, self.store)
        self.store.core = self.core
        ring = SampleRing(64, SAMPLE_BODY_MAX)
        self.sampler = Sampler(self.core, ring)
        self.session = Session(self.core, self.sampler, ring, self._send, Identity(boot_id=100 + self.boots))
        self.flow_part = 0.0

    def _send(self, buf: bytearray, n: int) -> bool:
        if self.blocked:
            return False
        self.out += bytes(buf[:n])
        return True

    def step(self, now_ms: int) -> None:
        """One turn of the loop."""
        t = now_ms - self.booted_ms
        if self.core.outputs & (1 << c.OUT_WATER_PUMP):
            self.flow_part += 9 * TICK_MS / 1000.0
            self.core.inputs.flow_count = int(self.flow_part)
        for sensor, value in GOOD.items():
            self.core.inputs.put(sensor, value, t)
        self.core.tick(t)
        if self.core.save_due:
            self.core.save(t)
        self.session.tick(t)

    def feed(self, data: bytes, now_ms: int) -> None:
        for at in range(0, len(data), 200):
            part = bytearray(data[at : at + 200])
            self.session.feed(now_ms - self.booted_ms, part, len(part))


class BenchPort:
    """The host's port to the board. `down` and `up` spoil bytes; `cut` makes it vanish until plugged in again."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def read(self) -> bytes:
        if self._bench.is_cut:
            raise PortLost("unplugged")
        data, self._bench.arrived = bytes(self._bench.arrived), bytearray()
        return data

    def write(self, data: bytes) -> None:
        if self._bench.is_cut:
            raise PortLost("unplugged")
        self._bench.leaving += self._bench.down(data)

    def flush(self) -> None:
        """Nothing waits."""

    def wait(self, timeout_s: float) -> bool:
        return bool(self._bench.arrived)

    def close(self) -> None:
        """The bench stays."""


class Bench:
    """Host session and board, advanced together by `run`."""

    def __init__(self, seed: int = 0) -> None:
        self.board = CoreBoard()
        self.random = random.Random(seed)
        self.is_cut = False
        self.arrived = bytearray()
        self.leaving = bytearray()
        self.down: Spoil = clean
        self.up: Spoil = clean
        self.now_ms = 0
        self.events: list[LinkEvent] = []
        self.leased = True
        self.session = BoardSession(self._open, 7)

    def _open(self) -> BenchPort:
        if self.is_cut:
            raise TomatoError("E-PORT-MISSING", "no such port", "plug it in")
        return BenchPort(self)

    def run(self, ms: int) -> list[LinkEvent]:
        """Let time pass; returns the host session's events."""
        before = len(self.events)
        for _ in range(ms // TICK_MS):
            self.now_ms += TICK_MS
            if self.leased and self.session.up and self.now_ms % 2_000 == 0:
                self.session.renew_lease(self.now_ms)
            self.board.feed(bytes(self.leaving), self.now_ms)
            self.leaving.clear()
            self.board.step(self.now_ms)
            self.arrived += self.up(bytes(self.board.out))
            self.board.out.clear()
            self.events += self.session.poll(self.now_ms)
        return self.events[before:]

    def connect(self) -> None:
        """Until the lease is taken."""
        self.run(5_000)
        assert self.session.up
        assert self.board.core.state == c.STATE_LEASED

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        """Events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]
