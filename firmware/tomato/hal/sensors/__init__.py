"""All sensors of the board: conversions are started together and collected later, so that nothing ever waits."""

from machine import ADC, Pin

from tomato import contract as c
from tomato.hal.sensors.bh1750 import Bh1750
from tomato.hal.sensors.bus import Bus
from tomato.hal.sensors.capacitive import CapacitiveProbe
from tomato.hal.sensors.ds18b20 import Ds18b20
from tomato.hal.sensors.mlx90614 import Mlx90614
from tomato.hal.sensors.scd4x import Scd4x
from tomato.hal.sensors.sht4x import Sht4x

PERIOD_MS = 10_000
ON_THE_BUS = 1 << c.S_AIR_TEMP_C | 1 << c.S_CO2_PPM | 1 << c.S_LEAF_TEMP_C | 1 << c.S_LIGHT_LUX
COLLECT_AFTER_MS = 800  # the slowest part, the DS18B20, needs 750 ms
SLICE_MS = 8  # what one turn of the loop gives them; the parts that are left wait for the next turn
_TICKS = 0x3FFFFFFF


def adc(board, number):
    """The converter of a soil probe, on a scale that a probe at 3.3 V stays within."""
    pin = Pin(board.ADC_PINS[number])
    if board.ADC_FULL_SCALE:
        return ADC(pin, atten=getattr(ADC, board.ADC_FULL_SCALE))
    return ADC(pin)


class Sensors:
    """Polls the fitted parts. Each has `start(now_ms, inputs)` and `collect(now_ms, inputs, config)`."""

    def __init__(self, board, fitted, ticks_ms):
        self.bus = bus = Bus(board)
        self.bus_in_use = bool(fitted & ON_THE_BUS)
        self.parts = []
        self._fit(fitted, c.S_AIR_TEMP_C, lambda: Sht4x(bus))
        self._fit(fitted, c.S_CO2_PPM, lambda: Scd4x(bus))
        self._fit(fitted, c.S_LEAF_TEMP_C, lambda: Mlx90614(bus))
        self._fit(fitted, c.S_LIGHT_LUX, lambda: Bh1750(bus))
        self._fit(fitted, c.S_SOIL_TEMP_C, lambda: Ds18b20(board.ONEWIRE_PIN))
        self._fit(fitted, c.S_SOIL_P1_RAW, lambda: CapacitiveProbe(adc(board, 0), 0))
        self._fit(fitted, c.S_SOIL_P2_RAW, lambda: CapacitiveProbe(adc(board, 1), 1))
        self.flow_fitted = bool(fitted & (1 << c.S_FLOW_ML))
        self.missing = tuple(s for s in range(len(c.SENSORS)) if not fitted & (1 << s))
        self.ticks_ms = ticks_ms
        self.collecting = False
        self.next = 0  # the part whose turn it is in this round
        self.due_ms = 0

    def _fit(self, fitted, sensor, make):
        if fitted & (1 << sensor):
            self.parts.append(make())

    def poll(self, now_ms, inputs, config):
        """Start a round, or collect it, when that is due: a few parts a turn, so that none holds the safety tick up."""
        if now_ms < self.due_ms or not self._slice(now_ms, inputs, config):
            return
        if self.collecting:
            self._derive(now_ms, inputs, config)
        self.due_ms = now_ms + (PERIOD_MS - COLLECT_AFTER_MS if self.collecting else COLLECT_AFTER_MS)
        self.collecting = not self.collecting

    def _slice(self, now_ms, inputs, config):
        """The next parts, as many as fit; True when the round is complete."""
        began = self.ticks_ms()
        while self.next < len(self.parts):
            part = self.parts[self.next]
            self.next += 1
            if self.collecting:
                part.collect(now_ms, inputs, config)
            else:
                part.start(now_ms, inputs)
            if self.next < len(self.parts) and (self.ticks_ms() - began) & _TICKS >= SLICE_MS:
                return False
        self.next = 0
        return True

    def _derive(self, now_ms, inputs, config):
        """What no part measures itself, and how the bus is."""
        if self.bus_in_use:
            self.bus.round_over()
            inputs.bus_recoveries, inputs.bus_free = self.bus.recoveries, self.bus.free
        per_l = config[c.CFG_FLOW_PULSES_PER_L]
        if self.flow_fitted and per_l:
            inputs.put(c.S_FLOW_ML, inputs.flow_count * 1000 // per_l, now_ms)
        else:
            inputs.lost(c.S_FLOW_ML, c.WHY_DISABLED, now_ms)
        for sensor in self.missing:
            inputs.lost(sensor, c.WHY_DISABLED, now_ms)
