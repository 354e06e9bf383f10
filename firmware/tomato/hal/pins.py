"""Output pins, switches, LED and buzzer. Drives what it is told and reads back what is really there."""

from machine import Pin


class OutputPins:
    """The output pins by wire id. A pin the hardware timer has cut stays off until it is asked for anew."""

    def __init__(self, gpios, led_gpio, buzzer_gpio):
        self.pins = [Pin(gpio, Pin.OUT, value=0) for gpio in gpios]
        self.led = Pin(led_gpio, Pin.OUT, value=0)
        self.buzzer = Pin(buzzer_gpio, Pin.OUT, value=0)
        self.word = 0
        self.cut_mask = 0
        self.wrong = 0
        self.shown = 0

    def apply(self, wanted):
        """Drive the outputs to the bit mask `wanted`; only pins that change are touched, and pins found wrong.

        The timer may cut in the middle of this. Then word and pin differ until the next call, which finds the pin
        wrong and drives it anew.
        """
        self.cut_mask &= wanted
        word = wanted & ~self.cut_mask
        changed = word ^ self.word | self.wrong
        self.word = word
        if not changed:
            return
        for i in range(len(self.pins)):
            if changed & (1 << i):
                self.pins[i].value(word >> i & 1)

    def cut(self, mask):
        """Switch these off at once and keep them off until the core has dropped them, too. Called by the timer."""
        self.cut_mask |= mask
        self.word &= ~mask
        for i in range(len(self.pins)):
            if mask & (1 << i):
                self.pins[i].value(0)

    def uncut(self):
        """The core has decided anew since the cut, or a new deadline is armed: the old cut is over."""
        self.cut_mask = 0

    def mismatch(self):
        """Mask of outputs whose pin does not read back what was written."""
        wrong, bit, word = 0, 1, self.word
        for pin in self.pins:
            if pin.value() != word & 1:
                wrong |= bit
            bit <<= 1
            word >>= 1
        self.wrong = wrong
        return wrong

    def signal(self, led, buzzer):
        """Set LED and buzzer."""
        shown = led | buzzer << 1
        if shown != self.shown:
            self.shown = shown
            self.led.value(led)
            self.buzzer.value(buzzer)


class Switch:
    """One digital input; `read` is 1 while what it watches is true."""

    def __init__(self, gpio, level_while_true):
        self.pin = Pin(gpio, Pin.IN, Pin.PULL_UP)
        self.true_level = level_while_true

    def read(self):
        return 1 if self.pin.value() == self.true_level else 0
