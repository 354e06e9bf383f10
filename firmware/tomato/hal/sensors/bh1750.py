"""Rohm BH1750FVI: illuminance. Data sheet (2011), pages 5 and 11; shortest measurement time, so that sunlight fits."""

from tomato import contract as c

ADDRESS = 0x23
# Measurement time register 31 instead of 69: full scale 121 klx instead of 54.
TIME_HIGH_BITS = b"\x40"
TIME_LOW_BITS = b"\x7f"
MEASURE_ONCE = b"\x20"  # one shot, high resolution: 180 ms at most, then it sleeps


def lux(raw):
    """E = raw / 1.2 * 69 / 31 lx, to the nearest lx."""
    return (raw * 115 + 31) // 62


class Bh1750:
    """Measures on command. It has no check sum: the range is all that can be checked."""

    def __init__(self, bus):
        self.bus = bus
        self.buf = bytearray(2)
        self.started = False

    def start(self, now_ms, inputs):
        """Ask for a measurement; the time register is set each time, since a replaced part forgets it."""
        self.started = False
        try:
            self.bus.writeto(ADDRESS, TIME_HIGH_BITS)
            self.bus.writeto(ADDRESS, TIME_LOW_BITS)
            self.bus.writeto(ADDRESS, MEASURE_ONCE)
            self.started = True
        except OSError:
            inputs.lost(c.S_LIGHT_LUX, c.WHY_NO_ANSWER, now_ms)

    def collect(self, now_ms, inputs, config):
        """Read it."""
        if not self.started:
            return
        self.started = False
        try:
            self.bus.readfrom_into(ADDRESS, self.buf)
        except OSError:
            inputs.lost(c.S_LIGHT_LUX, c.WHY_NO_ANSWER, now_ms)
            return
        inputs.put(c.S_LIGHT_LUX, lux(self.buf[0] << 8 | self.buf[1]), now_ms)
