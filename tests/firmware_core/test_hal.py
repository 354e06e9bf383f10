"""Pins, timer, watchdog, flow counter, flash and pin maps, on fakes of `machine`."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tomato import contract as c
from tomato.boards import config_of, esp32, fitted_mask, pico, sensor_id, virtual
from tomato.core import counters, slots

from tests.firmware_core import fake_machine as fake

BOARDS = (pico, esp32, virtual)


def hal(name: str) -> ModuleType:
    """A module of the hal on fresh fakes."""
    fake.install()
    return importlib.reload(importlib.import_module(f"tomato.hal.{name}"))


def outputs() -> Any:
    return hal("pins").OutputPins((2, 3, 4), 19, 20)


def test_outputs_start_low_and_only_changes_are_driven() -> None:
    out = outputs()
    assert fake.Pin.written == [(2, 0), (3, 0), (4, 0), (19, 0), (20, 0)]
    fake.Pin.written.clear()
    out.apply(0b101)
    out.apply(0b101)
    assert fake.Pin.written == [(2, 1), (4, 1)]
    out.apply(0b001)
    assert fake.Pin.written[2:] == [(4, 0)]
    out.signal(1, 0)
    assert (fake.Pin.levels[19], fake.Pin.levels[20]) == (1, 0)


def test_a_pin_that_does_not_follow_is_found() -> None:
    out = outputs()
    assert out.mismatch() == 0
    fake.Pin.stuck[3] = 1
    assert out.mismatch() == 0b010
    out.apply(0b010)
    assert out.mismatch() == 0
    out.apply(0b110)
    fake.Pin.stuck[4] = 0
    assert out.mismatch() == 0b100


def test_a_cut_output_stays_off_until_the_core_has_dropped_it() -> None:
    out = outputs()
    out.apply(0b011)
    out.cut(0b001)
    assert fake.Pin.levels[2] == 0 and fake.Pin.levels[3] == 1
    assert out.mismatch() == 0
    out.apply(0b011)
    assert fake.Pin.levels[2] == 0
    out.apply(0b010)
    out.apply(0b011)
    assert fake.Pin.levels[2] == 1


@pytest.mark.parametrize(("soft_only", "refuses"), [(False, TypeError), (True, TypeError), (True, ValueError)])
def test_the_timer_cuts_the_pulse_though_no_tick_comes(soft_only: bool, refuses: type[Exception]) -> None:
    out = outputs()
    deadline = hal_again("timer").Deadline(out, 0)
    assert deadline.timer.number == 0
    fake.Timer.soft_only, fake.Timer.refuses = soft_only, refuses
    out.apply(0b011)
    deadline.arm(1_000, 3_000, 0b001)
    armed = deadline.timer.armed
    assert armed is not None and armed["period"] == 3_000 and armed["mode"] == fake.Timer.ONE_SHOT
    assert bool(armed.get("hard")) != soft_only
    deadline.timer.fire()
    assert fake.Pin.levels[2] == 0 and fake.Pin.levels[3] == 1


def hal_again(name: str) -> ModuleType:
    """A further module on the same fakes."""
    return importlib.reload(importlib.import_module(f"tomato.hal.{name}"))


def test_the_timer_is_armed_anew_only_when_the_end_or_the_outputs_change() -> None:
    out = outputs()
    deadline = hal_again("timer").Deadline(out)
    deadline.arm(1_000, 3_000, 1)
    first = deadline.timer.armed
    deadline.arm(1_050, 2_950, 1)
    assert deadline.timer.armed is first
    deadline.arm(1_050, 2_950, 3)
    assert deadline.timer.armed is not first
    deadline.arm(1_050, 100, 3)
    assert deadline.timer.armed is not None and deadline.timer.armed["period"] == 100
    deadline.arm(1_100, -1, 0)
    assert deadline.timer.armed is None
    deadline.arm(1_100, 0, 1)
    assert deadline.timer.armed is not None and deadline.timer.armed["period"] == 1


def test_a_prolonged_pulse_is_not_cut_by_its_old_end() -> None:
    out = outputs()
    deadline = hal_again("timer").Deadline(out)
    out.apply(1)
    deadline.arm(0, 1_000, 1)
    deadline.timer.fire()
    assert fake.Pin.levels[2] == 0
    deadline.arm(1_000, 5_000, 1)
    out.apply(1)
    assert fake.Pin.levels[2] == 1


def test_the_watchdog_has_two_seconds_and_is_fed_by_a_timer_in_maintenance() -> None:
    dog = hal("watchdog").Watchdog()
    assert dog.wdt.timeout == 2_000
    dog.feed()
    dog.maintenance()
    assert dog.timer.armed is not None and dog.timer.armed["mode"] == fake.Timer.PERIODIC
    dog.timer.fire()
    assert dog.wdt.fed == 3


def test_a_console_that_nobody_leaves_gives_the_board_back_to_its_plant_after_an_hour() -> None:
    watchdog = hal("watchdog")
    dog = watchdog.Watchdog(1)
    dog.maintenance()
    assert dog.timer.number == 1
    fed = dog.wdt.fed
    for _ in range(3_600_000 // dog.timer.armed["period"] + 100):
        dog.timer.fire()
    assert dog.wdt.fed - fed == 7_200, "then the watchdog is no longer fed, and resets the board"


def test_the_boards_own_scale_of_the_converter() -> None:
    fake.install()
    sensors = importlib.reload(importlib.import_module("tomato.hal.sensors"))
    assert sensors.adc(esp32, 0).settings == {"atten": fake.ADC.ATTN_11DB}
    assert sensors.adc(pico, 1).settings == {}


def test_a_flow_meter_without_a_pull_up_of_its_own() -> None:
    fake.install()
    assert hal_again("flow").FlowCounter(36, pull_up=False).pin.pull == -1
    assert hal_again("flow").FlowCounter(22).pin.pull == fake.Pin.PULL_UP


@pytest.mark.parametrize("soft_only", [False, True])
def test_the_flow_counter_counts_and_stays_a_small_int(soft_only: bool) -> None:
    fake.install()
    fake.Timer.soft_only = soft_only
    counter = hal_again("flow").FlowCounter(22)
    for _ in range(3):
        counter.pin.handler(counter.pin)
    assert counter.read() == 3
    counter.total[0] = (1 << 30) - 1
    counter.pin.handler(counter.pin)
    assert counter.read() == 0


def test_a_switch_says_what_it_watches() -> None:
    pins = hal("pins")
    dry, wet = pins.Switch(13, 1), pins.Switch(12, 0)
    fake.Pin.levels.update({13: 1, 12: 1})
    assert (dry.read(), wet.read()) == (1, 0)
    fake.Pin.levels.update({13: 0, 12: 0})
    assert (dry.read(), wet.read()) == (0, 1)


def test_flash_writes_reads_and_verifies(tmp_path: Path) -> None:
    store = hal("flash_store").FlashStore(str(tmp_path / "state"))
    assert store.read("counters.a") is None
    assert store.write("counters.a", bytearray(b"abc"))
    assert store.read("counters.a") == b"abc"
    assert hal_again("flash_store").FlashStore(str(tmp_path / "state")).read("counters.a") == b"abc"
    nowhere = hal_again("flash_store").FlashStore(str(tmp_path / "a" / "b"))
    assert not nowhere.write("x", b"1")


def test_flash_that_reads_back_other_bytes_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = hal("flash_store").FlashStore(str(tmp_path))
    monkeypatch.setattr(store, "read", lambda name: b"other")
    assert not store.write("x", b"1")


def test_boot_numbers_count_up_and_start_anew_at_random_when_flash_was_wiped(tmp_path: Path) -> None:
    store = hal("flash_store").FlashStore(str(tmp_path))
    assert [store.next_boot_id(1) for _ in range(3)] == [1, 2, 3]
    os.remove(tmp_path / "boots")
    ids = set()
    for _ in range(5):
        (tmp_path / "boots").unlink(missing_ok=True)
        ids.add(store.next_boot_id(None))
    assert len(ids) == 5 and min(ids) > 0
    (tmp_path / "boots").write_bytes(b"to")
    assert store.next_boot_id(7) == 7
    (tmp_path / "boots").write_bytes((0x3FFFFFFF).to_bytes(4, "little"))
    assert store.next_boot_id(7) == 0


def test_a_new_board_is_provisioned_once_with_budgets_and_defaults(tmp_path: Path) -> None:
    flash_store = hal("flash_store")
    board = SimpleNamespace(STATE_FOLDER=str(tmp_path / "state"), FITTED=(), DEFAULTS={"pump_ul_per_s": 9_000})
    assert flash_store.provision(board)
    assert not flash_store.provision(board)
    store = flash_store.FlashStore(board.STATE_FOLDER)
    record, other_lost = slots.Slots(store, "counters", counters.sound, slots.generation).load()
    assert counters.sound(record) and not other_lost
    from tomato.core.board import Core

    core = Core(config_of(board), store)
    assert core.faults.latched == 0
    assert core.config[c.CFG_PUMP_UL_PER_S] == 9_000


@pytest.mark.parametrize("board", BOARDS, ids=lambda b: b.NAME)
def test_a_pin_map_is_whole_and_uses_no_pin_twice(board: ModuleType) -> None:
    assert len(board.OUTPUT_PINS) == len(c.OUTPUTS)
    used = [
        *board.OUTPUT_PINS,
        *(gpio for gpio, _ in board.INPUT_PINS.values()),
        board.FLOW_PIN,
        *board.ADC_PINS,
        *board.I2C_PINS[1:],
        board.ONEWIRE_PIN,
        board.LED_PIN,
        board.BUZZER_PIN,
    ]
    assert len(used) == len(set(used))
    assert set(board.INPUT_PINS) == {"estop", "button", "reservoir_ok", "leak", "door_open"}
    assert fitted_mask(board.FITTED) == (1 << len(c.SENSORS)) - 1
    assert set(config_of(board)["defaults"]) == {sensor_config_key(name) for name in board.DEFAULTS}


def sensor_config_key(name: str) -> int:
    return [row[0] for row in c.CONFIG].index(name)


def test_forbidden_pins() -> None:
    assert 15 not in pico.OUTPUT_PINS  # tri-stated for 1 ms at USB enumeration
    assert not {0, 2, 5, 12, 15, 34, 35, 36, 39} & set(esp32.OUTPUT_PINS)


@pytest.mark.parametrize("board", [pico, esp32], ids=lambda b: b.NAME)
def test_a_pin_map_keeps_to_what_the_port_has(board: ModuleType) -> None:
    from tomato_host.twin.vm.ports import VERSIONS, profile

    for version in VERSIONS:
        port = profile(f"{'rp2' if board is pico else 'esp32'}-{version}")
        out = {*board.OUTPUT_PINS, board.LED_PIN, board.BUZZER_PIN, board.ONEWIRE_PIN, *board.I2C_PINS[1:]}
        pulled_up = {gpio for gpio, _ in board.INPUT_PINS.values()}
        pulled_up |= {board.FLOW_PIN for _ in range(board.FLOW_PULL_UP)}
        assert (out | pulled_up | {board.FLOW_PIN}) <= set(port["pins"])
        assert not (out | pulled_up) & set(port["input_only"])
        assert set(board.ADC_PINS) <= set(port["adc_pins"])
        wanted = port["timer_ids"] or (-1,)
        assert set(board.TIMER_IDS) <= set(wanted) and (len(set(board.TIMER_IDS)) == 2 or wanted == (-1,))
        assert bool(board.ADC_FULL_SCALE) == (port["adc_default_mv"] < 3_300)
    inputs = [gpio & 31 for gpio, _ in board.INPUT_PINS.values()]
    assert len(set(inputs)) == len(inputs), "the twin carries an input's level at its GPIO modulo 32"


def test_a_broken_wire_reads_as_the_unsafe_answer() -> None:
    for board in BOARDS:
        pulled_up = {name: int(level == 1) for name, (_, level) in board.INPUT_PINS.items()}
        assert pulled_up["estop"] == 1 and pulled_up["leak"] == 1 and pulled_up["reservoir_ok"] == 0


def test_boot_switches_off_the_pins_of_the_maps() -> None:
    source = (Path(__file__).resolve().parents[2] / "firmware" / "boot.py").read_text(encoding="utf-8")
    for board in (pico, esp32):
        assert str(board.OUTPUT_PINS) in source


def test_names_of_sensors() -> None:
    assert sensor_id("leak") == c.S_LEAK
    with pytest.raises(ValueError, match="nothing"):
        sensor_id("nothing")
