"""Maxim DS18B20: soil temperature on one wire. Data sheet (2019), temperature register, scratchpad, commands."""

import onewire
from machine import Pin

from tomato import contract as c
from tomato.hal.sensors.crc import onewire_crc8

SKIP_ROM = 0xCC
CONVERT = 0x44
READ_SCRATCHPAD = 0xBE
POWER_ON_RAW = 0x0550  # 85 degC: what it holds before the first conversion


def temp_c_x100(raw):
    """A signed 16-bit count of 1/16 degC."""
    if raw & 0x8000:
        raw -= 0x10000
    return raw * 25 // 4


class Ds18b20:
    """The only part on its wire. Converts in 750 ms at 12 bit."""

    def __init__(self, gpio):
        self.wire = onewire.OneWire(Pin(gpio))
        self.buf = bytearray(9)
        self.started = False

    def start(self, now_ms, inputs):
        """Start a conversion."""
        self.started = self._command(CONVERT)
        if not self.started:
            inputs.lost(c.S_SOIL_TEMP_C, c.WHY_NO_ANSWER, now_ms)

    def collect(self, now_ms, inputs, config):
        """Read the scratchpad and check it."""
        if not self.started:
            return
        self.started = False
        if not self._command(READ_SCRATCHPAD):
            inputs.lost(c.S_SOIL_TEMP_C, c.WHY_NO_ANSWER, now_ms)
            return
        self.wire.readinto(self.buf)
        raw = self.buf[1] << 8 | self.buf[0]
        if onewire_crc8(self.buf, 8) != self.buf[8] or not any(self.buf):
            # Nine zeros have a correct check sum: a wire shorted to ground sends them.
            inputs.lost(c.S_SOIL_TEMP_C, c.WHY_BAD_CRC, now_ms)
        elif raw == POWER_ON_RAW:
            inputs.lost(c.S_SOIL_TEMP_C, c.WHY_WARMING_UP, now_ms)
        else:
            inputs.put(c.S_SOIL_TEMP_C, temp_c_x100(raw), now_ms)

    def _command(self, code):
        """Reset the wire and send a command to its only part; False when nobody answers the reset."""
        try:
            if not self.wire.reset():
                return False
        except onewire.OneWireError:
            return False
        self.wire.writebyte(SKIP_ROM)
        self.wire.writebyte(code)
        return True
