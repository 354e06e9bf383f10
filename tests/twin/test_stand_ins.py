"""The stand-ins for MicroPython's hardware modules, asked from inside a real VM over the real port."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

from tomato_host.twin import vm_channel
from tomato_host.twin.sensors import chip_bits
from tomato_host.twin.virtual_board import BOOT_MS
from tomato_host.twin.world import World

from tests.twin.conftest import Probe

PUMP_GPIO = 7


def crc8(data: bytes, poly: int, crc: int) -> int:
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ poly) & 0xFF if crc & 0x80 else crc << 1
    return crc


def answer(probe: Probe, expression: str) -> object:
    return ast.literal_eval(probe.ask(expression))


def test_both_ends_of_the_channel_agree() -> None:
    text = (Path(vm_channel.__file__).parent / "vm" / "vm_channel.py").read_text()
    there = {name: int(value, 0) for name, value in re.findall(r"^(\w+) = (\d+|0x\w+)\b", text, re.M)}
    for name in ("WAIT", "PIN", "NEED_VALUES", "RESET", "WATCHDOG", "HEAP", "GO_INPUTS", "GO_HEAP", "SENT_UNKNOWN"):
        assert there[name] == getattr(vm_channel, name)
    assert there["RECORD_BYTES"] == vm_channel.RECORD.size
    assert there["ANSWER_BYTES"] == vm_channel.ANSWER.size == there["VALUES_AT"] + 4 * len(vm_channel.VALUE_NAMES)


def test_board_says_hello_at_power_on_with_its_clock_at_zero(probe: Probe) -> None:
    assert probe.hello == "hello 1"
    assert answer(probe, "time.ticks_ms()") == 0


def test_sht4x_answers_measured_bytes_with_checksums(probe: Probe) -> None:
    assert probe.ask("i2c.writeto(0x44, b'\\xfd')") == "1"
    assert "OSError" in probe.ask("i2c.readfrom(0x44, 6)"), "not ready before 9 ms"
    probe.ask("time.sleep_ms(10)")
    data = answer(probe, "i2c.readfrom(0x44, 6)")
    assert isinstance(data, bytes)
    assert crc8(data[:2], 0x31, 0xFF) == data[2] and crc8(data[3:5], 0x31, 0xFF) == data[5]
    temp_c = -45 + 175 * int.from_bytes(data[:2], "big") / 65_535
    assert abs(temp_c - probe.world.tent.truth().air_c) < 4.0


def test_scd4x_has_a_value_every_five_seconds(probe: Probe) -> None:
    probe.ask("i2c.writeto(0x62, b'\\x21\\xb1')")
    probe.ask("i2c.writeto(0x62, b'\\xe4\\xb8')")
    early = answer(probe, "i2c.readfrom(0x62, 3)")
    assert isinstance(early, bytes) and not int.from_bytes(early[:2], "big") & 0x7FF
    probe.ask("time.sleep_ms(5000)")
    probe.ask("i2c.writeto(0x62, b'\\xec\\x05')")
    data = answer(probe, "i2c.readfrom(0x62, 9)")
    assert isinstance(data, bytes)
    assert all(crc8(data[i : i + 2], 0x31, 0xFF) == data[i + 2] for i in (0, 3, 6))
    assert abs(int.from_bytes(data[:2], "big") - probe.world.tent.truth().co2_ppm) < 200


def test_mlx90614_answers_with_its_packet_error_code(probe: Probe) -> None:
    data = answer(probe, "i2c.readfrom_mem(0x5A, 0x07, 3)")
    assert isinstance(data, bytes)
    assert crc8(bytes((0xB4, 0x07, 0xB5)) + data[:2], 0x07, 0) == data[2]
    assert abs(int.from_bytes(data[:2], "little") * 0.02 - 273.15 - probe.world.tent.truth().leaf_c) < 2.5


def test_ds18b20_converts_in_750_ms_and_checks_its_scratchpad(probe: Probe) -> None:
    start = "[globals().__setitem__('d', ds18x20.DS18X20(onewire.OneWire(Pin(18)))), d.scan(), d.convert_temp()]"
    probe.ask(start)
    assert answer(probe, "d.read_temp(d.scan()[0])") == 85.0, "the power-on value until the conversion is over"
    probe.ask("d.convert_temp()")
    probe.ask("time.sleep_ms(760)")
    value = answer(probe, "d.read_temp(d.scan()[0])")
    assert isinstance(value, float) and abs(value - probe.world.tent.truth().soil_c) < 2.0


def test_an_unplugged_or_noisy_chip_shows_on_the_bus(probe: Probe) -> None:
    probe.world.sensors.faults.absent = chip_bits("sht4x")
    probe.ask("time.sleep_ms(1)")
    assert answer(probe, "i2c.scan()") == [0x23, 0x5A, 0x62]
    assert "OSError(19" in probe.ask("i2c.writeto(0x44, b'\\xfd')")
    probe.world.sensors.faults.absent = 0
    probe.world.sensors.faults.corrupt = chip_bits("mlx90614")
    probe.ask("time.sleep_ms(1)")
    data = answer(probe, "i2c.readfrom_mem(0x5A, 0x07, 3)")
    assert isinstance(data, bytes) and crc8(bytes((0xB4, 0x07, 0xB5)) + data[:2], 0x07, 0) != data[2]


def test_a_pin_moves_water_and_the_meter_counts_it(probe: Probe) -> None:
    probe.ask(f"Pin({PUMP_GPIO}, Pin.OUT, value=1)")
    probe.ask("time.sleep_ms(5000)")
    assert answer(probe, f"Pin({PUMP_GPIO}).value()") == 1, "there is one pin, however many objects look at it"
    probe.ask(f"Pin({PUMP_GPIO}).value(0)")
    pulses = answer(probe, "pulses[0]")
    pumped = probe.world.tent.truth().pumped_ml
    assert 100 <= pumped <= 101
    assert isinstance(pulses, int) and abs(pulses - pumped * 0.45) <= 4
    assert probe.world.safety.pump_longest_ms == 5_000


def test_a_one_shot_timer_fires_at_its_moment_during_a_wait(probe: Probe) -> None:
    probe.ask("globals().__setitem__('fired', [])")
    probe.ask("Timer(-1).init(mode=Timer.ONE_SHOT, period=1234, callback=lambda t: fired.append(time.ticks_ms()))")
    begun = answer(probe, "time.ticks_ms()")
    probe.ask("time.sleep_ms(5000)")
    assert isinstance(begun, int) and answer(probe, "fired") == [begun + 1_234]


def test_a_busy_loop_sees_time_move_and_the_watchdog_bites(probe: Probe) -> None:
    probe.ask("WDT(timeout=2000)")
    probe.board.receive(b"[time.sleep_ms(100) for _ in range(50)]\n")
    assert probe.hear() == "hello 3", "reset by the watchdog"
    moment, cause = probe.board.resets[0]
    assert cause == 3 and 2_000 < moment < 2_400


def test_reset_drops_outputs_and_keeps_flash(probe: Probe) -> None:
    probe.ask("Pin(2, Pin.OUT, value=1)")
    probe.ask("open('kept', 'w').write('42')")
    assert probe.world.outputs == 1
    probe.board.power_cycle()
    assert probe.world.outputs == 0
    before = probe.board.now_ms
    assert probe.hear() == "hello 1"
    assert probe.board.now_ms == before + BOOT_MS
    assert answer(probe, "open('kept').read()") == "42"
    assert answer(probe, "time.ticks_ms()") == 0, "the board's clock starts again"


def test_ticks_wrap_like_a_board(probe: Probe) -> None:
    probe.world.tent.advance = lambda *_: None  # type: ignore[method-assign]  # twelve days of time need no weather
    assert answer(probe, "time.ticks_diff(time.ticks_add((1 << 30) - 5, 10), (1 << 30) - 5)") == 10
    probe.ask("vm_channel.pass_time((1 << 30) - 1000, 0)", limit_ms=1 << 31)
    late = answer(probe, "time.ticks_ms()")
    probe.ask("time.sleep_ms(2000)")
    wrapped = answer(probe, "time.ticks_ms()")
    assert isinstance(late, int) and isinstance(wrapped, int)
    assert wrapped < late and wrapped == (late + 2_000) % (1 << 30)


def test_heap_is_told_when_asked(probe: Probe) -> None:
    probe.board.ask_heap()
    probe.ask("1")
    assert probe.board.heap_used and 1_000 < probe.board.heap_used[0][1] < 480_000


def test_inputs_reach_the_pins_with_their_polarity(make_probe: Callable[[World], Probe]) -> None:
    world = World(1)
    world.estop = True
    probe = make_probe(world)
    assert answer(probe, "Pin(10, Pin.IN).value()") == 1, "estop contact opens: high"
    assert answer(probe, "Pin(12, Pin.IN).value()") == 0, "float closes to ground while there is water"
    world.tent.truth().floor_ml = 100.0
    probe.ask("time.sleep_ms(20)")
    assert answer(probe, "Pin(13, Pin.IN).value()") == 1, "a wet leak sensor lets go"
