"""Every driver against bus bytes from its data sheet: good, spoilt, silent, gone and back."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
from tomato import contract as c
from tomato.core.inputs import Inputs

from tests.firmware_core import fake_machine as fake
from tests.firmware_core.rig import in_state

CONFIG = [row[3] for row in c.CONFIG]


@pytest.fixture
def bus() -> fake.Bus:
    fake.install()
    return fake.Bus()


def driver(name: str) -> ModuleType:
    """A driver module, with the fakes in place of the hardware."""
    fake.install()
    return importlib.import_module(f"tomato.hal.sensors.{name}")


def why(inputs: Inputs, sensor: int) -> int:
    return inputs.why[sensor]


def read(part: object, inputs: Inputs, now_ms: int = 1_000) -> None:
    part.start(now_ms, inputs)  # type: ignore[attr-defined]
    part.collect(now_ms + 800, inputs, CONFIG)  # type: ignore[attr-defined]


# SHT4x data sheet, 4.4: CRC of 0xBEEF is 0x92. 0x6666 is 25.00 degC, 0x8000 is 56.50 %.
SHT_GOOD = bytes((0x66, 0x66, 0x93, 0x80, 0x00, 0xA2))


def test_the_check_sums_of_the_data_sheets() -> None:
    crc = driver("crc")
    assert crc.crc8(b"\xbe\xef", 0, 2, 0x31, 0xFF) == 0x92
    assert crc.sensirion_word_ok(b"\x00\xbe\xef\x92", 1)
    assert not crc.sensirion_word_ok(b"\xbe\xee\x92", 0)
    # Melexis application note: 0x5A, register 0x07, D2 3A, PEC 30.
    assert crc.crc8(bytes((0xB4, 0x07, 0xB5, 0xD2, 0x3A)), 0, 5, 0x07, 0) == 0x30
    # Maxim application note 27: 02 1C B8 01 00 00 00, CRC A2.
    assert crc.onewire_crc8(bytes((0x02, 0x1C, 0xB8, 0x01, 0, 0, 0)), 7) == 0xA2


def test_sht4x_values_and_cropping() -> None:
    sht = driver("sht4x")
    assert [sht.temp_c_x100(raw) for raw in (0, 0x6666, 0xFFFF)] == [-4_500, 2_500, 13_000]
    assert [sht.rh_pct_x100(raw) for raw in (0, 0x8000, 0xFFFF)] == [-600, 5_650, 11_900]


def test_sht4x_reads_both_quantities(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("sht4x").Sht4x(bus)
    bus.answers[0x44] = [SHT_GOOD]
    read(part, inputs)
    assert bus.sent == [(0x44, b"\xfd")]
    assert (inputs.value[c.S_AIR_TEMP_C], inputs.value[c.S_RH_PCT]) == (2_500, 5_650)
    assert inputs.t_ms[c.S_AIR_TEMP_C] == 1_800


def words(*raws: int) -> bytes:
    """An answer of a Sensirion part with right check sums, whatever it says."""
    crc = driver("crc")
    bodies = [raw.to_bytes(2, "big") for raw in raws]
    return b"".join(body + bytes((crc.crc8(body, 0, 2, 0x31, 0xFF),)) for body in bodies)


@pytest.mark.parametrize(
    ("temp", "rh"),
    [
        (0x0000, 0x0000),
        (0xFFFF, 0xFFFF),
        (0x0000, 0x8000),
        (0x6666, 0x0000),
        (0x6666, 0xFFFF),
        (0xFFFF, 0x8000),
        (0x2000, 0x8000),
    ],
)
def test_sht4x_that_says_the_impossible_says_nothing_not_even_half(bus: fake.Bus, temp: int, rh: int) -> None:
    inputs, part = Inputs(), driver("sht4x").Sht4x(bus)
    bus.answers[0x44] = [SHT_GOOD, words(temp, rh)]
    read(part, inputs)
    assert inputs.valid[c.S_AIR_TEMP_C] and inputs.valid[c.S_RH_PCT]
    read(part, inputs)
    assert not inputs.valid[c.S_AIR_TEMP_C] and not inputs.valid[c.S_RH_PCT]
    assert why(inputs, c.S_AIR_TEMP_C) == why(inputs, c.S_RH_PCT) == c.WHY_OUT_OF_RANGE


def test_sht4x_in_saturated_air_is_cropped(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("sht4x").Sht4x(bus)
    bus.answers[0x44] = [words(0x6666, 0xDE00)]  # 102.4 %
    read(part, inputs)
    assert (inputs.value[c.S_AIR_TEMP_C], inputs.value[c.S_RH_PCT]) == (2_500, 10_000)


def test_sht4x_spoilt_late_gone_and_back(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("sht4x").Sht4x(bus)
    for at in range(6):
        spoilt = bytearray(SHT_GOOD)
        spoilt[at] ^= 0x04
        bus.answers[0x44] = [bytes(spoilt)]
        read(part, inputs)
        assert why(inputs, c.S_AIR_TEMP_C) == why(inputs, c.S_RH_PCT) == c.WHY_BAD_CRC
    bus.answers[0x44] = [None]
    read(part, inputs)
    assert why(inputs, c.S_AIR_TEMP_C) == c.WHY_TIMEOUT
    bus.deaf.add(0x44)
    read(part, inputs)
    assert why(inputs, c.S_AIR_TEMP_C) == why(inputs, c.S_RH_PCT) == c.WHY_NO_ANSWER
    assert not inputs.valid[c.S_AIR_TEMP_C]
    bus.deaf.clear()
    bus.answers[0x44] = [SHT_GOOD]
    read(part, inputs)
    assert inputs.valid[c.S_AIR_TEMP_C]


# SCD4x data sheet, 3.6.2, example of read_measurement: 500 ppm, 25 degC, 37 %RH.
SCD_GOOD = bytes((0x01, 0xF4, 0x33, 0x66, 0x67, 0xA2, 0x5E, 0xB9, 0x3C))


def test_scd4x_starts_warms_up_and_reads(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("scd4x").Scd4x(bus)
    read(part, inputs)
    assert bus.sent == [(0x62, b"\x21\xb1")]
    assert why(inputs, c.S_CO2_PPM) == c.WHY_WARMING_UP
    bus.answers[0x62] = [SCD_GOOD]
    read(part, inputs)
    assert bus.sent[-1] == (0x62, b"\xec\x05")
    assert inputs.valid[c.S_CO2_PPM] and inputs.value[c.S_CO2_PPM] == 500


def test_scd4x_without_new_data_keeps_the_old_until_it_is_lost_and_starts_anew(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("scd4x").Scd4x(bus)
    bus.answers[0x62] = [SCD_GOOD, None, SCD_GOOD, None, None, None]
    for _ in range(6):
        read(part, inputs)
        assert inputs.valid[c.S_CO2_PPM] or inputs.t_ms[c.S_CO2_PPM] == 1_000
    read(part, inputs)
    assert why(inputs, c.S_CO2_PPM) == c.WHY_NO_ANSWER
    read(part, inputs)
    assert bus.sent[-1] == (0x62, b"\x21\xb1")
    assert why(inputs, c.S_CO2_PPM) == c.WHY_WARMING_UP


def test_scd4x_spoilt_unplugged_and_still_measuring_since_before_a_reset(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("scd4x").Scd4x(bus)
    bus.deaf.add(0x62)
    for _ in range(5):
        read(part, inputs)
        assert why(inputs, c.S_CO2_PPM) == c.WHY_NO_ANSWER
    bus.deaf.clear()
    part.measuring = True
    bus.answers[0x62] = [SCD_GOOD, SCD_GOOD[:2] + b"\x34" + SCD_GOOD[3:]]
    read(part, inputs)
    assert inputs.value[c.S_CO2_PPM] == 500
    read(part, inputs)
    assert why(inputs, c.S_CO2_PPM) == c.WHY_BAD_CRC


@pytest.mark.parametrize(
    "raws",
    [
        (0, 0x6667, 0x5EB9),
        (0, 0, 0),
        (0xFFFF, 0xFFFF, 0xFFFF),
        (500, 0, 0x5EB9),
        (500, 0x6667, 0),
        (500, 0xFFFF, 0x5EB9),
        (149, 0x6667, 0x5EB9),
    ],
)
def test_scd4x_that_says_the_impossible_says_nothing(bus: fake.Bus, raws: tuple[int, int, int]) -> None:
    inputs, part = Inputs(), driver("scd4x").Scd4x(bus)
    part.measuring = True
    bus.answers[0x62] = [SCD_GOOD, words(*raws)]
    read(part, inputs)
    assert inputs.value[c.S_CO2_PPM] == 500
    read(part, inputs)
    assert not inputs.valid[c.S_CO2_PPM] and why(inputs, c.S_CO2_PPM) == c.WHY_OUT_OF_RANGE


def test_scd4x_is_believed_only_when_all_its_words_are_whole(bus: fake.Bus) -> None:
    inputs, part = Inputs(), driver("scd4x").Scd4x(bus)
    part.measuring = True
    for at in range(9):
        spoilt = bytearray(SCD_GOOD)
        spoilt[at] ^= 0x04
        bus.answers[0x62] = [bytes(spoilt)]
        read(part, inputs)
        assert why(inputs, c.S_CO2_PPM) == c.WHY_BAD_CRC, at


def test_a_co2_sensor_that_reads_nothing_lets_no_gas_in(bus: fake.Bus) -> None:
    """A 30 s pulse was accepted at 0 ppm: a right check sum is no plausible air."""
    rig = in_state("leased")
    del rig.readings[c.S_CO2_PPM]
    part = driver("scd4x").Scd4x(bus)
    part.measuring = True
    for raws, reason in (
        ((600, 0x6667, 0x5EB9), c.R_NONE),
        ((0, 0x6667, 0x5EB9), c.R_CO2_STALE),
        ((0, 0, 0), c.R_CO2_STALE),
        ((600, 0, 0), c.R_CO2_STALE),
    ):
        bus.answers[0x62] = [words(*raws)]
        read(part, rig.core.inputs, rig.t - 800)
        assert rig.pulse(c.OUT_CO2_SOLENOID, 30_000) == reason, raws
        rig.send(c.M_STOP_ALL)
        rig.run(61_000)


@pytest.mark.parametrize(
    ("sensor", "value"),
    [
        (c.S_AIR_TEMP_C, -4_000),
        (c.S_AIR_TEMP_C, -2_001),
        (c.S_RH_PCT, 0),
        (c.S_RH_PCT, 199),
        (c.S_CO2_PPM, 0),
        (c.S_CO2_PPM, 149),
        (c.S_LEAF_TEMP_C, -4_000),
        (c.S_SOIL_TEMP_C, -4_000),
    ],
)
def test_what_cannot_be_true_in_a_tent_is_not_fresh_for_the_interlocks(sensor: int, value: int) -> None:
    rig = in_state("leased")
    rig.readings[sensor] = value
    rig.step()
    assert not rig.core.inputs.fresh(sensor, rig.t, c.SENSOR_MAX_AGE_MS)
    refused = {
        c.S_RH_PCT: (c.OUT_HUMIDIFIER, c.R_RH_STALE),
        c.S_CO2_PPM: (c.OUT_CO2_SOLENOID, c.R_CO2_STALE),
        c.S_SOIL_TEMP_C: (c.OUT_HEATER_MAT, c.R_SOIL_TEMP_STALE),
    }
    if sensor in refused:
        output, reason = refused[sensor]
        assert rig.pulse(output) == reason


def test_mlx90614_values_errors_and_silence(bus: fake.Bus) -> None:
    mlx = driver("mlx90614")
    assert [mlx.temp_c_x100(raw) for raw in (0x3AD2, 0x3AF7, 13_658)] == [2_801, 2_875, 1]
    inputs, part = Inputs(), mlx.Mlx90614(bus)
    bus.answers[0x5A] = [bytes((0xD2, 0x3A, 0x30))]
    read(part, inputs)
    assert bus.sent == [(0x5A, b"\x07")]
    assert inputs.value[c.S_LEAF_TEMP_C] == 2_801
    bus.answers[0x5A] = [bytes((0xD2, 0x3B, 0x30))]
    read(part, inputs)
    assert why(inputs, c.S_LEAF_TEMP_C) == c.WHY_BAD_CRC
    crc = driver("crc")
    for raw in (bytes(2), b"\xff\x7f", b"\xff\xff"):
        bus.answers[0x5A] = [raw + bytes((crc.crc8(bytes((0xB4, 0x07, 0xB5)) + raw, 0, 5, 0x07, 0),))]
        read(part, inputs)
        assert why(inputs, c.S_LEAF_TEMP_C) == c.WHY_OUT_OF_RANGE
    flagged = bytes((0x00, 0x80))
    pec = crc.crc8(bytes((0xB4, 0x07, 0xB5)) + flagged, 0, 5, 0x07, 0)
    bus.answers[0x5A] = [flagged + bytes((pec,))]
    read(part, inputs)
    assert why(inputs, c.S_LEAF_TEMP_C) == c.WHY_OUT_OF_RANGE
    bus.deaf.add(0x5A)
    read(part, inputs)
    assert why(inputs, c.S_LEAF_TEMP_C) == c.WHY_NO_ANSWER


def test_bh1750_values_time_register_and_silence(bus: fake.Bus) -> None:
    bh = driver("bh1750")
    # Data sheet, page 11: 83 90 is 33680 counts; at time register 31 a count is 69 / 31 / 1.2 lx.
    assert bh.lux(0x8390) == 62_471
    assert bh.lux(0) == 0
    inputs, part = Inputs(), bh.Bh1750(bus)
    bus.answers[0x23] = [b"\x83\x90", b"\xff\xff", None]
    read(part, inputs)
    assert bus.sent == [(0x23, b"\x40"), (0x23, b"\x7f"), (0x23, b"\x20")]
    assert inputs.value[c.S_LIGHT_LUX] == 62_471
    read(part, inputs)
    assert why(inputs, c.S_LIGHT_LUX) == c.WHY_OUT_OF_RANGE
    read(part, inputs)
    assert why(inputs, c.S_LIGHT_LUX) == c.WHY_NO_ANSWER
    bus.deaf.add(0x23)
    read(part, inputs)
    assert why(inputs, c.S_LIGHT_LUX) == c.WHY_NO_ANSWER


def test_ds18b20_table_of_the_data_sheet() -> None:
    ds = driver("ds18b20")
    for raw, want in (
        (0x07D0, 12_500),
        (0x0191, 2_506),
        (0x00A2, 1_012),
        (0x0008, 50),
        (0x0000, 0),
        (0xFFF8, -50),
        (0xFF5E, -1_013),
        (0xFE6F, -2_507),
        (0xFC90, -5_500),
    ):
        assert ds.temp_c_x100(raw) == want


def test_ds18b20_reads_checks_and_comes_back() -> None:
    ds = driver("ds18b20")
    inputs, part = Inputs(), ds.Ds18b20(18)
    tail = bytes((0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10))
    good = bytes((0x91, 0x01)) + tail + b"\x70"
    for pad, reason in (
        (good, c.WHY_NONE),
        (bytes((0x5E, 0xFF)) + tail + b"\x6a", c.WHY_NONE),
        (bytes((0x92, 0x01)) + tail + b"\x70", c.WHY_BAD_CRC),
        (bytes(9), c.WHY_BAD_CRC),
        (b"\xff" * 9, c.WHY_BAD_CRC),
        (bytes((0x50, 0x05)) + tail + b"\x1c", c.WHY_WARMING_UP),
    ):
        fake.OneWire.scratchpads = [pad]
        read(part, inputs)
        assert why(inputs, c.S_SOIL_TEMP_C) == reason
    assert fake.OneWire.sent[:4] == [0xCC, 0x44, 0xCC, 0xBE]
    for present in (False, None):
        fake.OneWire.present = present
        read(part, inputs)
        assert why(inputs, c.S_SOIL_TEMP_C) == c.WHY_NO_ANSWER
    fake.OneWire.present = True
    part.start(0, inputs)
    fake.OneWire.present = False
    part.collect(800, inputs, CONFIG)
    assert why(inputs, c.S_SOIL_TEMP_C) == c.WHY_NO_ANSWER
    fake.OneWire.present, fake.OneWire.scratchpads = True, [good]
    read(part, inputs)
    assert inputs.value[c.S_SOIL_TEMP_C] == 2_506


def test_capacitive_probe_on_its_line_through_two_points() -> None:
    cap = driver("capacitive")
    assert cap.water_pct_x100(48_000, 48_000, 24_000, 800, 4_000) == 800
    assert cap.water_pct_x100(24_000, 48_000, 24_000, 800, 4_000) == 4_000
    assert cap.water_pct_x100(36_000, 48_000, 24_000, 800, 4_000) == 2_400
    assert cap.water_pct_x100(60_000, 48_000, 24_000, 800, 4_000) == 0
    assert cap.water_pct_x100(0, 48_000, 24_000, 800, 9_000) == 10_000


def test_capacitive_probe_averages_and_says_when_it_is_not_there() -> None:
    cap = driver("capacitive")
    inputs = Inputs()
    read(cap.CapacitiveProbe(fake.ADC([36_000, 38_000] * 4), 1), inputs)
    assert inputs.value[c.S_SOIL_P2_RAW] == 37_000
    assert inputs.value[c.S_SOIL_P2_PCT] == 5_000
    for raw, reason in ((999, c.WHY_UNPLUGGED), (1_000, c.WHY_NONE), (64_500, c.WHY_NONE), (64_501, c.WHY_UNPLUGGED)):
        read(cap.CapacitiveProbe(fake.ADC([raw]), 0), inputs)
        assert why(inputs, c.S_SOIL_P1_RAW) == why(inputs, c.S_SOIL_P1_PCT) == reason


def test_an_uncalibrated_probe_gives_raw_counts_only() -> None:
    cap = driver("capacitive")
    inputs = Inputs()
    config = list(CONFIG)
    config[c.CFG_SOIL_P1_DRY_RAW] = config[c.CFG_SOIL_P1_WET_RAW] = 0
    part = cap.CapacitiveProbe(fake.ADC([30_000]), 0)
    part.collect(0, inputs, config)
    assert inputs.value[c.S_SOIL_P1_RAW] == 30_000
    assert why(inputs, c.S_SOIL_P1_PCT) == c.WHY_UNCALIBRATED


def test_points_that_contradict_a_capacitive_probe_are_no_calibration() -> None:
    cap = driver("capacitive")
    for dry, wet, reason in (
        (24_000, 22_000, c.WHY_NONE),
        (23_999, 22_000, c.WHY_UNCALIBRATED),
        (22_000, 52_000, c.WHY_UNCALIBRATED),
        (52_000, 0, c.WHY_UNCALIBRATED),
        (0, 22_000, c.WHY_UNCALIBRATED),
    ):
        inputs = Inputs()
        config = list(CONFIG)
        config[c.CFG_SOIL_P1_DRY_RAW], config[c.CFG_SOIL_P1_WET_RAW] = dry, wet
        cap.CapacitiveProbe(fake.ADC([30_000]), 0).collect(0, inputs, config)
        assert why(inputs, c.S_SOIL_P1_PCT) == reason, (dry, wet)


def test_each_probe_has_its_own_points() -> None:
    """Calibrating probe 1 does not move what probe 2 reads."""
    cap = driver("capacitive")
    inputs = Inputs()
    config = list(CONFIG)
    both = [cap.CapacitiveProbe(fake.ADC([40_000]), n) for n in (0, 1)]
    for part in both:
        part.collect(0, inputs, config)
    assert inputs.value[c.S_SOIL_P1_PCT] == inputs.value[c.S_SOIL_P2_PCT] == 4_000
    config[c.CFG_SOIL_P1_DRY_RAW], config[c.CFG_SOIL_P1_WET_RAW] = 50_000, 24_000
    config[c.CFG_SOIL_P1_DRY_PCT], config[c.CFG_SOIL_P1_WET_PCT] = 500, 4_800
    for part in both:
        part.collect(0, inputs, config)
    assert (inputs.value[c.S_SOIL_P1_PCT], inputs.value[c.S_SOIL_P2_PCT]) == (2_153, 4_000)
    config[c.CFG_SOIL_P2_DRY_PCT], config[c.CFG_SOIL_P2_WET_PCT] = 1_000, 5_500
    for part in both:
        part.collect(0, inputs, config)
    assert (inputs.value[c.S_SOIL_P1_PCT], inputs.value[c.S_SOIL_P2_PCT]) == (2_153, 2_800)


class Part:
    """Stands in for a driver in the schedule."""

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []

    def start(self, now_ms: int, inputs: Inputs) -> None:
        self.log.append(("start", now_ms))

    def collect(self, now_ms: int, inputs: Inputs, config: list[int]) -> None:
        self.log.append(("collect", now_ms))


def all_sensors(fitted: int) -> Any:
    fake.install()
    module = importlib.reload(importlib.import_module("tomato.hal.sensors"))
    from tomato.boards import virtual

    return module.Sensors(virtual, fitted, lambda: 0)


def test_conversions_start_together_and_are_collected_later_without_waiting() -> None:
    sensors = all_sensors((1 << 14) - 1)
    assert len(sensors.parts) == 7
    part = Part()
    sensors.parts = [part]
    sensors.bus_in_use = False
    inputs = Inputs()
    inputs.flow_count = 900
    for now in range(0, 25_000, 100):
        sensors.poll(now, inputs, CONFIG)
    assert part.log == [
        ("start", 0),
        ("collect", 800),
        ("start", 10_000),
        ("collect", 10_800),
        ("start", 20_000),
        ("collect", 20_800),
    ]
    assert inputs.value[c.S_FLOW_ML] == 2_000
    assert sensors.due_ms == 30_000


def test_slow_parts_take_turns_so_that_none_holds_the_safety_tick_up() -> None:
    """32 ms to start them all, as seen on a chip: in slices, in their order, none left out, none asked twice."""
    sensors = all_sensors((1 << 14) - 1)
    clock = [0x3FFFFFFF - 20]  # it wraps on the way

    class Slow(Part):
        def start(self, now_ms: int, inputs: Inputs) -> None:
            super().start(now_ms, inputs)
            clock[0] = (clock[0] + 5) & 0x3FFFFFFF

    sensors.ticks_ms = lambda: clock[0]
    sensors.parts = [Slow() for _ in range(7)]
    turns = []
    for turn in range(6):
        began = clock[0]
        sensors.poll(turn, Inputs(), CONFIG)
        turns.append((clock[0] - began) & 0x3FFFFFFF)
        assert sensors.due_ms <= turn or turn >= 3, "what is left is due at once"
    assert turns == [10, 10, 10, 5, 0, 0]
    assert [part.log for part in sensors.parts] == [[("start", n // 2)] for n in range(7)]
    assert sensors.due_ms == 3 + 800


def test_what_is_not_fitted_says_so() -> None:
    sensors = all_sensors(0)
    assert sensors.parts == []
    inputs = Inputs()
    sensors.poll(0, inputs, CONFIG)
    sensors.poll(800, inputs, CONFIG)
    assert set(inputs.why) == {c.WHY_DISABLED}


def test_a_flow_meter_without_a_constant_has_no_value() -> None:
    sensors = all_sensors(1 << c.S_FLOW_ML)
    config = list(CONFIG)
    config[c.CFG_FLOW_PULSES_PER_L] = 0
    inputs = Inputs()
    sensors.poll(0, inputs, config)
    sensors.poll(800, inputs, config)
    assert why(inputs, c.S_FLOW_ML) == c.WHY_DISABLED
