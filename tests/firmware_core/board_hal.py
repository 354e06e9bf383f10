"""A hal for CPython: the whole `App` on a clock that the test moves, its pins and its line in plain lists."""

from __future__ import annotations

from typing import Any

TICKS = (1 << 30) - 1


class Line:
    """The link: frames in by `arrived`, bytes out in `sent`."""

    def __init__(self) -> None:
        self.buf = bytearray(256)
        self.arrived = bytearray()
        self.sent = bytearray()

    def read(self, _ready: int) -> int:
        n = min(len(self.arrived), len(self.buf))
        self.buf[:n] = self.arrived[:n]
        del self.arrived[:n]
        return n

    def send(self, data: bytes, n: int) -> bool:
        self.sent += bytes(data[:n])
        return True

    def flush(self) -> None:
        """All has left."""

    def waiting(self) -> int:
        return 0


class Store:
    """Flash in a dict, provisioned."""

    def __init__(self, counters_record: bytes) -> None:
        self.files = {"counters.a": counters_record, "counters.b": counters_record}

    def read(self, name: str) -> bytes | None:
        return self.files.get(name)

    def write(self, name: str, record: bytes) -> bool:
        self.files[name] = bytes(record)
        return True


class Hal:
    """Sensors are fresh at every turn; the pins follow the core."""

    def __init__(self, store: Store, identity: object, readings: dict[int, int]) -> None:
        self.now_ms = 0
        self.link = Line()
        self.store = store
        self.config: dict[str, Any] = {}
        self.identity = identity
        self.watchdog_reset = False
        self.readings = readings
        self.fed_count = self.collections = 0
        self.sense_shift = 0

    def ticks_ms(self) -> int:
        return self.now_ms & TICKS

    def lines(self, now_ms: int, inputs: Any) -> None:
        """Switches closed, no flow."""

    def sense(self, now_ms: int, core: Any) -> None:
        for sensor, value in self.readings.items():
            core.inputs.put(sensor, value, now_ms)

    def sense_due_ms(self, now_ms: int) -> int:
        return now_ms + 10_000

    def act(self, now_ms: int, core: Any) -> None:
        if core.save_due:
            core.save(now_ms)

    def apply(self, _wanted: int) -> None:
        """No pins here."""

    def fed(self) -> None:
        self.fed_count += 1

    def heap_free(self) -> int:
        self.collections += 1
        return 100_000

    def shift(self, by_ms: int) -> None:
        self.sense_shift += by_ms
