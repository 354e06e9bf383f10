"""The real hal between a core and its pins, on fakes of `machine`: `Hardware.act`, output pins, the hardware timer."""

from __future__ import annotations

import importlib
import sys
import types
from types import ModuleType, SimpleNamespace
from typing import Any

from tomato.boards import virtual
from tomato.core.board import Core

from tests.firmware_core import fake_machine as fake


def hardware_module() -> ModuleType:
    """`tomato.hal.hardware`, importable without a board: link and wait, which want a line on stdin, stand aside."""
    fake.install()
    aside = {
        name: types.ModuleType(f"tomato.hal.{name}")
        for name in ("link", "wait")
        if f"tomato.hal.{name}" not in sys.modules
    }
    for name, module in aside.items():
        module.Link = object  # type: ignore[attr-defined]  # a stand-in module
        sys.modules[f"tomato.hal.{name}"] = module
    module = importlib.import_module("tomato.hal.hardware")
    for name in aside:
        del sys.modules[f"tomato.hal.{name}"]
    module.time = SimpleNamespace(ticks_us=lambda: 0, ticks_diff=lambda a, b: 0)  # type: ignore[attr-defined]
    return module


class BenchPins:
    """Output pins behind the real `Hardware.act`. `step` lets time pass and fires the hardware timer when it is due."""

    def __init__(self) -> None:
        self.hardware = hardware_module()
        gpios = virtual.OUTPUT_PINS
        self.places = tuple((1 << i, gpio) for i, gpio in enumerate(gpios))
        self.outputs = importlib.import_module("tomato.hal.pins").OutputPins(gpios, virtual.LED_PIN, virtual.BUZZER_PIN)
        self.deadline = importlib.import_module("tomato.hal.timer").Deadline(self.outputs)
        self.me: Any = SimpleNamespace(outputs=self.outputs, deadline=self.deadline, looked_us=0)
        self.armed: object = None
        self.left_ms = 0

    @property
    def levels(self) -> int:
        """Mask of the outputs whose pin is high."""
        levels, word = fake.Pin.levels, 0
        for bit, gpio in self.places:
            if levels.get(gpio):
                word |= bit
        return word

    def act(self, now_ms: int, core: Core) -> None:
        """As the loop does after every tick."""
        self.hardware.Hardware.act(self.me, now_ms, core)
        armed = self.deadline.timer.armed
        if armed is not self.armed:
            self.armed = armed
            self.left_ms = int(armed["period"]) if armed else -1

    def pass_time(self, dt_ms: int) -> tuple[int, int]:
        """Let `dt_ms` pass without a tick: (ms until the timer fired or -1, mask of the pins it took off)."""
        if self.deadline.timer.armed is None or self.left_ms > dt_ms:
            self.left_ms -= dt_ms
            return -1, 0
        before, at = self.levels, self.left_ms
        self.deadline.timer.fire()
        self.armed, self.left_ms = None, -1
        return at, before & ~self.levels
