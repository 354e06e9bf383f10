"""Melexis MLX90614: leaf temperature by infrared. Data sheet (2019), sections 8.3 (RAM) and 8.4.3 (SMBus, PEC)."""

from tomato import contract as c
from tomato.hal.sensors.crc import crc8

ADDRESS = 0x5A
OBJECT_TEMP = 0x07
_ERROR_FLAG = 0x8000


def temp_c_x100(raw):
    """T = raw / 50 - 273.15 degC."""
    return 2 * raw - 27_315


class Mlx90614:
    """Measures by itself; a register read returns low byte, high byte, PEC over the whole transfer."""

    def __init__(self, bus):
        self.bus = bus
        self.buf = bytearray(3)
        # The PEC covers write address, register, read address and both data bytes.
        self.transfer = bytearray((ADDRESS << 1, OBJECT_TEMP, ADDRESS << 1 | 1, 0, 0))

    def start(self, now_ms, inputs):
        """Nothing to start."""

    def collect(self, now_ms, inputs, config):
        """Read the object temperature."""
        try:
            self.bus.readfrom_mem_into(ADDRESS, OBJECT_TEMP, self.buf)
        except OSError:
            inputs.lost(c.S_LEAF_TEMP_C, c.WHY_NO_ANSWER, now_ms)
            return
        self.transfer[3] = self.buf[0]
        self.transfer[4] = self.buf[1]
        if crc8(self.transfer, 0, 5, 0x07, 0) != self.buf[2]:
            inputs.lost(c.S_LEAF_TEMP_C, c.WHY_BAD_CRC, now_ms)
            return
        raw = self.buf[1] << 8 | self.buf[0]
        if raw & _ERROR_FLAG:
            inputs.lost(c.S_LEAF_TEMP_C, c.WHY_OUT_OF_RANGE, now_ms)
            return
        inputs.put(c.S_LEAF_TEMP_C, temp_c_x100(raw), now_ms)
