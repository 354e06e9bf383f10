"""Sensirion SHT4x: air temperature and humidity. Data sheet SHT4x (2023), sections 4.3 to 4.6."""

from tomato import contract as c
from tomato.hal.sensors.crc import sensirion_word_ok

ADDRESS = 0x44
MEASURE_HIGH = b"\xfd"  # high repeatability, 8.3 ms at most


def temp_c_x100(raw):
    """T = -45 + 175 raw / 65535 degC."""
    return (17_500 * raw + 32_767) // 65_535 - 4_500


# Near saturation the formula gives a little more than 100 %; far more is no humidity but a line held high.
RH_HIGHEST = 11_000


def rh_pct_x100(raw):
    """RH = -6 + 125 raw / 65535 %, not cropped."""
    return (12_500 * raw + 32_767) // 65_535 - 600


class Sht4x:
    """Measures on command, answers six bytes: temperature, CRC, humidity, CRC."""

    def __init__(self, bus):
        self.bus = bus
        self.buf = bytearray(6)
        self.started = False

    def start(self, now_ms, inputs):
        """Ask for a measurement."""
        try:
            self.bus.writeto(ADDRESS, MEASURE_HIGH)
            self.started = True
        except OSError:
            self._lost(c.WHY_NO_ANSWER, now_ms, inputs)

    def collect(self, now_ms, inputs, config):
        """Read it."""
        if not self.started:
            return
        self.started = False
        try:
            self.bus.readfrom_into(ADDRESS, self.buf)
        except OSError:
            # It took the command and is not done yet, or was pulled in between: the next start will tell.
            self._lost(c.WHY_TIMEOUT, now_ms, inputs)
            return
        buf = self.buf
        if not sensirion_word_ok(buf, 0) or not sensirion_word_ok(buf, 3):
            self._lost(c.WHY_BAD_CRC, now_ms, inputs)
            return
        temp = temp_c_x100(buf[0] << 8 | buf[1])
        rh = rh_pct_x100(buf[3] << 8 | buf[4])
        cropped = max(0, min(10_000, rh))
        if rh > RH_HIGHEST or not inputs.plausible(c.S_AIR_TEMP_C, temp) or not inputs.plausible(c.S_RH_PCT, cropped):
            # One transfer is believed whole or not at all.
            self._lost(c.WHY_OUT_OF_RANGE, now_ms, inputs)
            return
        inputs.put(c.S_AIR_TEMP_C, temp, now_ms)
        inputs.put(c.S_RH_PCT, cropped, now_ms)

    def _lost(self, why, now_ms, inputs):
        self.started = False
        inputs.lost(c.S_AIR_TEMP_C, why, now_ms)
        inputs.lost(c.S_RH_PCT, why, now_ms)
