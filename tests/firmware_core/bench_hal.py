"""A hal in memory for `tomato.app.App`: settable ticks, good readings, a line that takes everything."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

from tomato import contract as c
from tomato.core.board import Core
from tomato.core.inputs import Inputs
from tomato.core.session import Identity

from tests.firmware_core.rig import GOOD, MemoryStore


class BenchHal:
    """As `tomato.app` describes it. `hooks` maps the name of a call to what it does besides."""

    def __init__(self, reset_cause: int = 1, watchdog_reset: bool = False, store: MemoryStore | None = None) -> None:
        self.ticks = 0
        self.link = SimpleNamespace(
            buf=bytearray(256),
            read=lambda ready: 0,
            send=lambda buf, n: True,
            flush=lambda: None,
            waiting=lambda: 0,
            open=lambda: None,
            close=lambda: None,
        )
        self.store = MemoryStore() if store is None else store
        self.config = None
        self.identity = Identity(1, "bench", b"\1", reset_cause)
        self.watchdog_reset = watchdog_reset
        self.fed_times = 0
        self.pins = 0
        self.hooks: dict[str, Callable[[], None]] = {}

    def _hook(self, name: str) -> None:
        if name in self.hooks:
            self.hooks[name]()

    def ticks_ms(self) -> int:
        return self.ticks & 0x3FFFFFFF

    def wait(self, idle_ms: int, turn_ticks: int) -> int:
        self.ticks = max(self.ticks, turn_ticks + min(idle_ms, c.SAFETY_TICK_MS))
        return -1

    def heap_free(self) -> int:
        return 100_000

    def shift(self, by_ms: int) -> None:
        self._hook("shift")

    def lines(self, now_ms: int, inputs: Inputs) -> None:
        for sensor, value in GOOD.items():
            inputs.put(sensor, value, now_ms)
        self._hook("lines")

    def sense(self, now_ms: int, core: Core) -> None:
        self._hook("sense")

    def sense_due_ms(self, now_ms: int) -> int:
        return now_ms + 1_000

    def act(self, now_ms: int, core: Core) -> None:
        self.pins = core.outputs
        self._hook("act")
        if core.save_due:
            core.save(now_ms)

    def apply(self, outputs: int) -> None:
        self.pins = outputs

    def fed(self) -> None:
        self.fed_times += 1
