"""Stand-in for `machine` on the virtual board: pins, buses, timers, watchdog and reset, tied to the twin."""

import os

import chips
import vm_channel
from umachine import Signal, mem8, mem16, mem32  # noqa: F401

PWRON_RESET = 1
WDT_RESET = 3
_SKIPPED_TICK_MS = 50  # a wait longer than the safety tick counts as one tick that was skipped on purpose


def reset_cause():
    return int(os.getenv("TOMATO_RESET_CAUSE") or PWRON_RESET)


def unique_id():
    name = (os.getenv("TOMATO_UNIQUE_ID") or "746f6d61746f0001").encode()
    return bytes(int(name[i : i + 2], 16) for i in range(0, len(name), 2))


def reset():
    vm_channel.reset(PWRON_RESET)


def soft_reset():
    vm_channel.reset(PWRON_RESET)


def freq(hz=None):
    return 125000000


def idle():
    pass


def disable_irq():
    return 0


def enable_irq(state):
    pass


class Pin:
    IN = 0
    OUT = 1
    OPEN_DRAIN = 2
    PULL_UP = 1
    PULL_DOWN = 2
    IRQ_FALLING = 4
    IRQ_RISING = 8

    _level = {}  # outputs keep their level when a second Pin object looks at them

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **_unused):
        self._id = id
        self._mode = self.IN
        self._handler = None
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, **_unused):
        if mode >= 0:
            self._mode = mode
        if self._mode == self.OUT:
            if value is None:
                value = self._level.get(self._id, 0)
            self._drive(1 if value else 0)

    def _drive(self, level):
        if self._level.get(self._id) != level:
            self._level[self._id] = level
            vm_channel.pin_changed(self._id, level)

    def value(self, level=None):
        if level is None:
            if self._mode == self.IN:
                return vm_channel.levels >> self._id & 1
            return self._level.get(self._id, 0)
        if self._mode != self.IN:
            self._drive(1 if level else 0)

    def __call__(self, level=None):
        return self.value(level)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    high = on
    low = off

    def toggle(self):
        self.value(1 - self.value())

    def irq(self, handler=None, trigger=IRQ_FALLING | IRQ_RISING, hard=False, **_unused):
        self._handler = handler
        self._trigger = trigger
        if handler is None:
            vm_channel.edges.pop(self._id, None)
            _flow_pins.pop(self._id, None)
        else:
            vm_channel.edges[self._id] = self._edge
            _flow_pins[self._id] = self
        return self

    def _edge(self, level):
        if self._trigger & (self.IRQ_RISING if level else self.IRQ_FALLING):
            self._handler(self)

    def __repr__(self):
        return "Pin(%s)" % self._id


_flow_pins = {}


def _flow(gpio, pulses):
    pin = _flow_pins.get(gpio)
    if pin is None or pin._handler is None:
        return
    edges = 2 if pin._trigger == Pin.IRQ_FALLING | Pin.IRQ_RISING else 1
    for _ in range(pulses * edges):
        pin._handler(pin)


vm_channel.flow = _flow


class ADC:
    def __init__(self, pin, **_unused):
        gpio = pin._id if isinstance(pin, Pin) else pin
        self._place = 7 + (gpio - 26 if gpio >= 26 else gpio)

    def read_u16(self):
        return vm_channel.values()[self._place]


class I2C:
    """A bus with the fitted chips; the same object answers for hardware and software buses."""

    def __init__(self, id=-1, *, scl=None, sda=None, freq=400000, timeout=50000):
        self._chips = chips.fitted()

    def init(self, **_unused):
        pass

    def _chip(self, address):
        chip = self._chips.get(address)
        if chip is None:
            raise OSError(chips.ENODEV)
        return chip

    def scan(self):
        return sorted(a for a, chip in self._chips.items() if chip.present())

    def writeto(self, address, buf, stop=True):
        data = bytes(buf)
        self._chip(address).write(data)
        return len(data)

    def writevto(self, address, vector, stop=True):
        return self.writeto(address, b"".join(bytes(part) for part in vector))

    def readfrom(self, address, nbytes, stop=True):
        return self._chip(address).read(nbytes)

    def readfrom_into(self, address, buf, stop=True):
        buf[:] = self._chip(address).read(len(buf))

    def writeto_mem(self, address, register, buf, *, addrsize=8):
        self._chip(address).write(bytes((register,)) + bytes(buf))

    def readfrom_mem(self, address, register, nbytes, *, addrsize=8):
        chip = self._chip(address)
        chip.write(bytes((register,)))
        return chip.read(nbytes)

    def readfrom_mem_into(self, address, register, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(address, register, len(buf))


class SoftI2C(I2C):
    def __init__(self, scl=None, sda=None, *, freq=400000, timeout=50000):
        super().__init__(scl=scl, sda=sda, freq=freq)


class Timer:
    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id=-1, **settings):
        self.due_ms = 0
        self._callback = None
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None, **_unused):
        self.deinit()
        self._mode = mode
        self._period_ms = int(period if period >= 0 else 1000 / freq)
        self._callback = callback
        self.due_ms = vm_channel.now_ms + self._period_ms
        vm_channel.timers.append(self)

    def fire(self, now_ms):
        if self._mode == self.ONE_SHOT:
            self.deinit()
        else:
            self.due_ms += max(1, self._period_ms)
        if self._callback:
            self._callback(self)

    def deinit(self):
        if self in vm_channel.timers:
            vm_channel.timers.remove(self)


class WDT:
    """Bites when the board is not fed for its timeout; a wait longer than one safety tick counts as one tick.

    A VM that hangs without waiting is the twin's to notice: it was told the timeout (WATCHDOG record).
    """

    def __init__(self, id=0, timeout=5000):
        self._timeout_ms = timeout
        self._hungry_ms = 0
        vm_channel.watchdog = self._passed
        vm_channel.arm_watchdog(timeout)

    def feed(self):
        self._hungry_ms = 0

    def _passed(self, elapsed_ms, idle):
        self._hungry_ms += min(elapsed_ms, _SKIPPED_TICK_MS) if idle else elapsed_ms
        if self._hungry_ms > self._timeout_ms:
            vm_channel.reset(WDT_RESET)
