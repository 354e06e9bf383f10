"""Sensirion SCD4x: CO2. Data sheet SCD4x (2023), sections 3.5 and 3.6; periodic measurement every 5 s."""

from tomato import contract as c
from tomato.hal.sensors.crc import sensirion_word_ok

ADDRESS = 0x62
START_PERIODIC = b"\x21\xb1"
READ_MEASUREMENT = b"\xec\x05"
MISSES_UNTIL_LOST = 3


class Scd4x:
    """Started once, then read at every round. Without new data it does not acknowledge; that is no fault yet."""

    def __init__(self, bus):
        self.bus = bus
        self.buf = bytearray(9)
        self.measuring = False
        self.asked = False
        self.misses = 0

    def start(self, now_ms, inputs):
        """Start the periodic measurement, or ask for the newest value."""
        self.asked = False
        if not self.measuring:
            self._start_periodic(now_ms, inputs)
            return
        try:
            self.bus.writeto(ADDRESS, READ_MEASUREMENT)
            self.asked = True
        except OSError:
            self._missed(now_ms, inputs)

    def _start_periodic(self, now_ms, inputs):
        try:
            self.bus.writeto(ADDRESS, START_PERIODIC)
            inputs.lost(c.S_CO2_PPM, c.WHY_WARMING_UP, now_ms)
        except OSError:
            # Not there, or still measuring since before our own reset, when it refuses this command: asking tells.
            inputs.lost(c.S_CO2_PPM, c.WHY_NO_ANSWER, now_ms)
        self.measuring = True
        self.misses = 0

    def collect(self, now_ms, inputs, config):
        """Read what was asked for."""
        if not self.asked:
            return
        self.asked = False
        try:
            self.bus.readfrom_into(ADDRESS, self.buf)
        except OSError:
            self._missed(now_ms, inputs)
            return
        self.misses = 0
        buf = self.buf
        if not (sensirion_word_ok(buf, 0) and sensirion_word_ok(buf, 3) and sensirion_word_ok(buf, 6)):
            inputs.lost(c.S_CO2_PPM, c.WHY_BAD_CRC, now_ms)
        elif not self._air_plausible(inputs):
            # One transfer is believed whole or not at all.
            inputs.lost(c.S_CO2_PPM, c.WHY_OUT_OF_RANGE, now_ms)
        else:
            inputs.put(c.S_CO2_PPM, buf[0] << 8 | buf[1], now_ms)

    def _air_plausible(self, inputs):
        """Its own temperature and humidity, which are not used otherwise, can be true."""
        buf = self.buf
        temp = (17_500 * (buf[3] << 8 | buf[4])) // 65_535 - 4_500
        rh = (10_000 * (buf[6] << 8 | buf[7])) // 65_535
        return inputs.plausible(c.S_AIR_TEMP_C, temp) and inputs.plausible(c.S_RH_PCT, rh)

    def _missed(self, now_ms, inputs):
        self.misses += 1
        if self.misses >= MISSES_UNTIL_LOST:
            self.measuring = False
            inputs.lost(c.S_CO2_PPM, c.WHY_NO_ANSWER, now_ms)
