"""Counts the pulses of the flow meter by interrupt."""

from array import array

from machine import Pin


class FlowCounter:
    """`read` gives the pulses since boot. The handler only adds to a preallocated array: it may run as a hard one."""

    def __init__(self, gpio, pull_up=True):
        self.total = array("I", [0])
        self.pin = Pin(gpio, Pin.IN, Pin.PULL_UP) if pull_up else Pin(gpio, Pin.IN)
        try:
            self.pin.irq(handler=self._pulse, trigger=Pin.IRQ_RISING, hard=True)
        except TypeError:  # a port without hard interrupts
            self.pin.irq(handler=self._pulse, trigger=Pin.IRQ_RISING)

    def _pulse(self, _pin):
        # 30 bits: a small int on every board, 2 million litres.
        self.total[0] = (self.total[0] + 1) & 0x3FFFFFFF

    def read(self):
        return self.total[0]
