"""Fakes of `machine` and `onewire` for CPython: pins, buses and timers that remember what was done to them."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable


class Pin:
    """A pin; `levels` are what inputs read, `stuck` what an output reads back against its will."""

    IN, OUT, OPEN_DRAIN, PULL_UP, IRQ_RISING = 0, 1, 2, 1, 8
    levels: dict[int, int] = {}
    stuck: dict[int, int] = {}
    written: list[tuple[int, int]] = []

    def __init__(self, gpio: int, mode: int = IN, pull: int = -1, value: int | None = None) -> None:
        self.gpio, self.mode, self.pull = gpio, mode, pull
        self.handler: Callable[[Pin], None] | None = None
        if value is not None:
            self.value(value)

    def value(self, level: int | None = None) -> int | None:
        if level is None:
            return Pin.stuck.get(self.gpio, Pin.levels.get(self.gpio, 0))
        Pin.levels[self.gpio] = level
        Pin.written.append((self.gpio, level))
        return None

    def irq(self, handler: Callable[[Pin], None], trigger: int, hard: bool = False) -> None:
        if hard and Timer.soft_only:
            raise TypeError("hard")
        self.handler = handler


class Timer:
    """A timer that fires when the test says so. `soft_only`: a port without hard ones, `refuses` how it says so."""

    ONE_SHOT, PERIODIC = 0, 1
    soft_only = False
    refuses: type[Exception] = TypeError

    def __init__(self, number: int) -> None:
        self.number = number
        self.armed: dict[str, object] | None = None

    def init(self, **settings: object) -> None:
        if settings.get("hard") and Timer.soft_only:
            raise Timer.refuses("hard")
        self.armed = settings

    def deinit(self) -> None:
        self.armed = None

    def fire(self) -> None:
        assert self.armed is not None
        callback = self.armed["callback"]
        if self.armed["mode"] == Timer.ONE_SHOT:
            self.armed = None
        callback(self)  # type: ignore[operator]  # stored as given


class WDT:
    """Counts its meals."""

    def __init__(self, timeout: int) -> None:
        self.timeout, self.fed = timeout, 0

    def feed(self) -> None:
        self.fed += 1


class ADC:
    """Reads from a list, the last value for ever."""

    ATTN_11DB = 3

    def __init__(self, counts: list[int], **settings: int) -> None:
        self.counts, self.settings = counts, settings

    def read_u16(self) -> int:
        return self.counts.pop(0) if len(self.counts) > 1 else self.counts[0]


class Bus:
    """An I2C bus with recorded answers: address -> list of bytes to read (None: no acknowledge)."""

    def __init__(self) -> None:
        self.answers: dict[int, list[bytes | None]] = {}
        self.deaf: set[int] = set()
        self.sent: list[tuple[int, bytes]] = []

    def writeto(self, address: int, data: bytes) -> None:
        if address in self.deaf:
            raise OSError(19)
        self.sent.append((address, bytes(data)))

    def readfrom_into(self, address: int, buf: bytearray) -> None:
        answer = None if address in self.deaf else self.answers[address].pop(0)
        if answer is None:
            raise OSError(5)
        buf[:] = answer

    def readfrom_mem_into(self, address: int, register: int, buf: bytearray) -> None:
        self.sent.append((address, bytes((register,))))
        self.readfrom_into(address, buf)


class OneWireError(Exception):
    """As the real module raises."""


class OneWire:
    """One wire with recorded scratchpads; `present` False: nobody answers the reset, None: the wire is shorted."""

    present: bool | None = True
    scratchpads: list[bytes] = []
    sent: list[int] = []

    def __init__(self, pin: Pin) -> None:
        self.pin = pin

    def reset(self) -> bool:
        if OneWire.present is None:
            raise OneWireError
        return OneWire.present

    def writebyte(self, value: int) -> None:
        OneWire.sent.append(value)

    def readinto(self, buf: bytearray) -> None:
        buf[:] = OneWire.scratchpads.pop(0)


def install() -> None:
    """Put the fakes where the hal imports from, fresh."""
    Pin.levels, Pin.stuck, Pin.written = {}, {}, []
    Timer.soft_only, Timer.refuses = False, TypeError
    OneWire.present, OneWire.scratchpads, OneWire.sent = True, [], []
    machine = types.ModuleType("machine")
    for thing in (Pin, Timer, WDT, ADC):
        setattr(machine, thing.__name__, thing)
    machine.I2C = lambda *args, **kwargs: Bus()  # type: ignore[attr-defined]  # a fake module
    onewire = types.ModuleType("onewire")
    onewire.OneWire, onewire.OneWireError = OneWire, OneWireError  # type: ignore[attr-defined]  # a fake module
    sys.modules["machine"], sys.modules["onewire"] = machine, onewire
