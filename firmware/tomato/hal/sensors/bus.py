"""The I2C bus with a way out of a held line: clock it out, start it anew, count it.

A part that was interrupted in the middle of an answer - by our reset, by a glitch on SCL - may hold SDA low and wait
for clocks that nobody sends. Up to nine clocks on SCL let it end its byte (UM10204, section 3.1.16), then a stop
condition frees the bus, and the controller is set up anew, which also ends whatever state it was in itself.
"""

import time

from machine import I2C, Pin

CLOCKS = 9
HALF_CLOCK_US = 5  # 100 kHz
# Rounds in which no part answered before it is tried, and between two tries: a bus without parts is no held bus.
SILENT_ROUNDS = 2
ROUNDS_BETWEEN = 6


class Bus:
    """As `machine.I2C` for the drivers. `recoveries` counts; `free`: both lines were high after the last one."""

    def __init__(self, board):
        self.board = board
        self.i2c = self._make()
        self.answered = 0
        self.silent = 0
        self.recoveries = 0
        self.free = True

    def _make(self):
        number, scl, sda = self.board.I2C_PINS
        return I2C(number, scl=Pin(scl), sda=Pin(sda), freq=100_000, timeout=10_000)

    def writeto(self, address, data):
        """As machine.I2C.writeto; raises OSError when nobody acknowledges."""
        self.i2c.writeto(address, data)
        self.answered += 1

    def readfrom_into(self, address, buf):
        """As machine.I2C.readfrom_into."""
        self.i2c.readfrom_into(address, buf)
        self.answered += 1

    def readfrom_mem_into(self, address, register, buf):
        """As machine.I2C.readfrom_mem_into."""
        self.i2c.readfrom_mem_into(address, register, buf)
        self.answered += 1

    def round_over(self):
        """Called after every round of readings; recovers the bus when no part on it has answered for a while."""
        self.silent = 0 if self.answered else self.silent + 1
        self.answered = 0
        if self.silent >= SILENT_ROUNDS and (self.silent - SILENT_ROUNDS) % ROUNDS_BETWEEN == 0:
            self.recover()

    def recover(self):
        """Clock a held line free and set the controller up anew: 0.1 ms."""
        _, scl_gpio, sda_gpio = self.board.I2C_PINS
        sda = Pin(sda_gpio, Pin.IN, Pin.PULL_UP)
        scl = Pin(scl_gpio, Pin.OPEN_DRAIN, value=1)
        for _ in range(CLOCKS):
            if sda.value():
                break
            scl.value(0)
            time.sleep_us(HALF_CLOCK_US)
            scl.value(1)
            time.sleep_us(HALF_CLOCK_US)
        # A stop condition: SDA rises while SCL is high.
        sda = Pin(sda_gpio, Pin.OPEN_DRAIN, value=0)
        time.sleep_us(HALF_CLOCK_US)
        sda.value(1)
        time.sleep_us(HALF_CLOCK_US)
        sda = Pin(sda_gpio, Pin.IN, Pin.PULL_UP)
        scl = Pin(scl_gpio, Pin.IN, Pin.PULL_UP)
        self.free = bool(sda.value() and scl.value())
        self.recoveries += 1
        self.i2c = self._make()
