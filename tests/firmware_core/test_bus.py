"""A held I2C line is clocked out, the controller set up anew, and it is counted and told."""

from __future__ import annotations

import importlib
from types import ModuleType, SimpleNamespace

import pytest
from tomato import contract as c
from tomato.boards import virtual

from tests.firmware_core import fake_machine as fake
from tests.firmware_core.rig import in_state

_, SCL, SDA = virtual.I2C_PINS
CONFIG = [row[3] for row in c.CONFIG]


class HeldPin(fake.Pin):
    """SDA is held low by a part until SCL has risen `clocks` times; both lines are pulled up otherwise."""

    clocks = 0
    rises = 0
    scl_held = False

    def value(self, level: int | None = None) -> int | None:
        if level is None:
            if self.gpio == SDA:
                return 0 if HeldPin.rises < HeldPin.clocks else 1
            return 0 if HeldPin.scl_held else 1
        if self.gpio == SCL and level and fake.Pin.levels.get(SCL) == 0:
            HeldPin.rises += 1
        return super().value(level)


class LineBus(fake.Bus):
    """Answers nothing while SDA is held, and never anything to a controller set up before it was let go."""

    made: list[LineBus] = []

    def __init__(self) -> None:
        super().__init__()
        LineBus.made.append(self)
        self.dead = HeldPin.rises < HeldPin.clocks

    def writeto(self, address: int, data: bytes) -> None:
        if self.dead:
            raise OSError(110)

    def readfrom_into(self, address: int, buf: bytearray) -> None:
        raise OSError(5)


@pytest.fixture
def bus_module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    fake.install()
    HeldPin.clocks = HeldPin.rises = 0
    HeldPin.scl_held = False
    LineBus.made = []
    module = importlib.reload(importlib.import_module("tomato.hal.sensors.bus"))
    monkeypatch.setattr(module, "Pin", HeldPin)
    monkeypatch.setattr(module, "I2C", lambda *args, **kwargs: LineBus())
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep_us=lambda us: None))
    return module


def a_round(bus: object) -> bool:
    """One round of readings; True when a part answered."""
    try:
        bus.writeto(0x44, b"x")  # type: ignore[attr-defined]
        return True
    except OSError:
        return False
    finally:
        bus.round_over()  # type: ignore[attr-defined]


@pytest.mark.parametrize("clocks", [1, 5, 9])
def test_a_held_line_is_clocked_free_and_the_parts_answer_again(bus_module: ModuleType, clocks: int) -> None:
    HeldPin.clocks = clocks
    bus = bus_module.Bus(virtual)
    assert [a_round(bus) for _ in range(3)] == [False, False, True]
    assert bus.recoveries == 1 and bus.free and HeldPin.rises == clocks
    assert len(LineBus.made) == 2, "the controller was set up anew"
    assert all(a_round(bus) for _ in range(20)) and bus.recoveries == 1


def test_a_line_that_stays_held_is_tried_again_every_minute_and_said_to_be_held(bus_module: ModuleType) -> None:
    HeldPin.clocks = 10**9
    bus = bus_module.Bus(virtual)
    for _ in range(2 + 3 * bus_module.ROUNDS_BETWEEN):
        assert not a_round(bus)
    assert bus.recoveries == 4 and not bus.free
    assert HeldPin.rises == 4 * bus_module.CLOCKS, "nine clocks each, never more"


def test_a_held_clock_line_is_no_free_bus(bus_module: ModuleType) -> None:
    HeldPin.scl_held = True
    bus = bus_module.Bus(virtual)
    bus.recover()
    assert not bus.free


def test_one_part_that_answers_is_a_bus_that_works(bus_module: ModuleType) -> None:
    bus = bus_module.Bus(virtual)
    for _ in range(30):
        bus.answered += 1
        bus.round_over()
    assert bus.recoveries == 0


def test_a_recovery_is_an_event_with_its_count() -> None:
    rig = in_state("ready")
    for count, free in ((1, True), (2, False)):
        rig.core.inputs.bus_recoveries, rig.core.inputs.bus_free = count, free
        rig.run(1_000)
    assert rig.events(c.EV_BUS_RECOVERED) == [(1, 1), (2, 0)]


def test_the_sensors_tell_the_core_of_it(bus_module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sensors_module = importlib.reload(importlib.import_module("tomato.hal.sensors"))
    monkeypatch.setattr(sensors_module, "Bus", bus_module.Bus)
    HeldPin.clocks = 3
    sensors = sensors_module.Sensors(virtual, sensors_module.ON_THE_BUS, lambda: 0)
    inputs = in_state("ready").core.inputs
    for now in range(0, 40_000, 100):
        sensors.poll(now, inputs, CONFIG)
    assert (inputs.bus_recoveries, inputs.bus_free) == (1, True)
    assert HeldPin.rises == 3


def test_a_board_without_parts_on_the_bus_never_touches_it(bus_module: ModuleType) -> None:
    sensors_module = importlib.reload(importlib.import_module("tomato.hal.sensors"))
    sensors = sensors_module.Sensors(virtual, 1 << c.S_SOIL_P1_RAW, lambda: 0)
    assert not sensors.bus_in_use
