"""Stand-in for `machine` on the virtual board: pins, buses, timers, watchdog and reset, tied to the twin."""

import os

import chips
import micropython
import ports
import vm_channel
from umachine import Signal  # noqa: F401

PORT = ports.profile(os.getenv("TOMATO_PORT_PROFILE") or ports.DEFAULT)
_AS_THE_CHIP = bool(os.getenv("TOMATO_PLATFORM"))  # else the twin's own board, whose resets tell their cause
PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
SOFT_RESET = 5
_SKIPPED_TICK_MS = 50  # a wait longer than the safety tick counts as one tick that was skipped on purpose


def reset_cause():
    return int(os.getenv("TOMATO_RESET_CAUSE") or PWRON_RESET)


def unique_id():
    name = (os.getenv("TOMATO_UNIQUE_ID") or "746f6d61746f0001").encode()
    whole = bytes(int(name[i : i + 2], 16) for i in range(0, len(name), 2))
    return whole[:6] if PORT["port"] == "esp32" else whole


def reset():
    vm_channel.reset(PORT["cause_of_reset"] if _AS_THE_CHIP else PWRON_RESET)


def soft_reset():
    vm_channel.reset(SOFT_RESET if _AS_THE_CHIP else PWRON_RESET)


def freq(hz=None):
    return 125000000


def idle():
    pass


def disable_irq():
    return 0


def enable_irq(state):
    pass


def _interrupt(handler, argument, hard):
    """Call a handler; a hard one finds the heap locked, as in an interrupt."""
    if not hard:
        handler(argument)
        return
    micropython.heap_lock()
    try:
        handler(argument)
    finally:
        micropython.heap_unlock()


def _retained_read():
    try:
        with open(os.getenv("TOMATO_RETAINED") or "", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _retained_write(data):
    with open(os.getenv("TOMATO_RETAINED") or "retained", "wb") as file:
        file.write(data)


class _Registers:
    """`mem32`: of all registers the twin has the one that outlives a reset."""

    _SCRATCH0 = 0x4005800C  # RP2040 data sheet, 4.7.6: WATCHDOG_BASE + 0x0c

    def __getitem__(self, address):
        self._check(address)
        return int.from_bytes(_retained_read()[:4], "little")

    def __setitem__(self, address, word):
        self._check(address)
        _retained_write(word.to_bytes(4, "little"))

    def _check(self, address):
        if PORT["port"] != "rp2" or address != self._SCRATCH0:
            raise ValueError("the virtual board has no register 0x%x" % address)


mem32 = _Registers()


class Pin:
    IN, OUT, IRQ_FALLING, IRQ_RISING = PORT["pin_constants"]
    OPEN_DRAIN = 7 if PORT["port"] == "esp32" else 2
    PULL_UP = 2 if PORT["port"] == "esp32" else 1
    PULL_DOWN = 1 if PORT["port"] == "esp32" else 2

    _cells = {}  # id -> [is an output, its level or None]: there is one pin, however many objects look at it

    def __init__(self, id, mode=-1, pull=-1, *, value=None):
        if id not in PORT["pins"]:
            raise ValueError("invalid pin")
        self._id = id
        self._bit = id & 31  # no two inputs of a board share that bit
        self._cell = self._cells.setdefault(id, [False, None])
        self._handler = None
        self._hard = False
        if mode != -1 or pull != -1 or value is not None:
            self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None):
        if mode != -1 and mode != self.IN and self._id in PORT["input_only"]:
            raise ValueError("pin can only be input")
        if mode != -1:
            self._cell[0] = mode == self.OUT
        if self._cell[0]:
            if value is None:
                value = self._cell[1] or 0
            self._drive(1 if value else 0)

    def _drive(self, level):
        if self._cell[1] != level:
            self._cell[1] = level
            vm_channel.pin_changed(self._id, level)

    def value(self, level=None):
        cell = self._cell
        if level is None:
            return cell[1] if cell[0] else vm_channel.levels >> self._bit & 1
        if cell[0]:
            self._drive(1 if level else 0)

    def __call__(self, level=None):
        return self.value(level)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def toggle(self):
        self.value(1 - self.value())

    def irq(self, handler=None, trigger=-1, **more):
        if more and (PORT["irq_hard"] != "yes" or list(more) != ["hard"]):
            raise TypeError("extra keyword arguments given")
        self._hard = bool(more.get("hard"))
        self._handler = handler
        self._trigger = trigger if trigger != -1 else self.IRQ_FALLING | self.IRQ_RISING
        if handler is None:
            vm_channel.edges.pop(self._id, None)
            _flow_pins.pop(self._id, None)
        else:
            vm_channel.edges[self._id] = self._edge
            _flow_pins[self._id] = self
        return self

    def _edge(self, level):
        if self._trigger & (self.IRQ_RISING if level else self.IRQ_FALLING):
            _interrupt(self._handler, self, self._hard)

    def __repr__(self):
        return "Pin(%s)" % self._id


if PORT["pin_high_low"]:
    Pin.high = Pin.on
    Pin.low = Pin.off

_flow_pins = {}


def _flow(gpio, pulses):
    pin = _flow_pins.get(gpio)
    if pin is None or pin._handler is None:
        return
    edges = 2 if pin._trigger == Pin.IRQ_FALLING | Pin.IRQ_RISING else 1
    for _ in range(pulses * edges):
        _interrupt(pin._handler, pin, pin._hard)


vm_channel.flow = _flow


class ADC:
    ATTN_0DB, ATTN_2_5DB, ATTN_6DB, ATTN_11DB = range(4)

    def __init__(self, pin, **more):
        gpio = pin._id if isinstance(pin, Pin) else pin + PORT["adc_pins"][0] if pin < 5 else pin
        if gpio not in PORT["adc_pins"]:
            raise ValueError("invalid pin")
        if more and (not PORT["adc_atten"] or list(more) != ["atten"]):
            raise TypeError("extra keyword arguments given")
        full_scale_mv = 3300 if more.get("atten") == self.ATTN_11DB else PORT["adc_default_mv"]
        # The twin's probes are wired to the first two converters of the board's pin map.
        self._place = 7 + gpio - (34 if PORT["port"] == "esp32" else 26)
        self._scale = 3300 * 16 // full_scale_mv

    def read_u16(self):
        return min(65535, vm_channel.values()[self._place] * self._scale >> 4)


class I2C:
    """A bus with the fitted chips; the same object answers for hardware and software buses."""

    def __init__(self, id=-1, *, scl=None, sda=None, freq=400000, timeout=50000):
        if id not in (-1, 0, 1):
            raise ValueError("I2C(%s) doesn't exist" % id)
        self._chips = chips.fitted()

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

    _hardware = {}  # id -> the object whose settings it has: two objects of one id share one timer

    def __init__(self, id=None, **settings):
        if id is None and PORT["timer_ids"]:
            raise TypeError("function missing 1 required positional arguments")
        self._number = self._allotted(-1 if id is None else id)
        self.due_ms = 0
        self._callback = None
        self._hard = False
        if settings:
            self.init(**settings)

    @staticmethod
    def _allotted(id):
        """The hardware timer an id stands for, -1 for one in software. Raises ValueError where there is none."""
        if id == -1 and PORT["timer_minus_1"] == "software timer":
            return -1
        if id == -1 and PORT["timer_minus_1"] == "hardware timer 3":
            return 3
        if id not in PORT["timer_ids"]:
            raise ValueError("invalid Timer number")
        return id

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, tick_hz=1000, callback=None, **more):
        if more and (PORT["timer_hard"] == "unknown" or list(more) != ["hard"]):
            raise TypeError("extra keyword arguments given")
        if more.get("hard") and PORT["timer_hard"] == "refused":
            raise ValueError("hard Timers are not implemented")
        self.deinit()
        if self._number >= 0:
            if self._number in self._hardware:
                self._hardware[self._number].deinit()
            self._hardware[self._number] = self
        self._hard = bool(more.get("hard"))
        self._mode = mode
        self._period_ms = int(period * 1000 // tick_hz if period >= 0 else 1000 / freq)
        self._callback = callback
        self.due_ms = vm_channel.now_ms + self._period_ms
        vm_channel.timers.append(self)

    def fire(self, now_ms):
        if self._mode == self.ONE_SHOT:
            self.deinit()
        else:
            self.due_ms += max(1, self._period_ms)
        if self._callback:
            _interrupt(self._callback, self, self._hard)

    def deinit(self):
        if self in vm_channel.timers:
            vm_channel.timers.remove(self)


class WDT:
    """Resets the board when it is not fed for its timeout; a wait longer than one safety tick counts as one tick.

    A VM that hangs without waiting is the twin's to notice: it was told the timeout (WATCHDOG record).
    """

    def __init__(self, id=0, timeout=5000):
        lowest, highest = PORT["wdt_ms"]
        if id != 0 or not lowest <= timeout <= highest:
            raise ValueError("timeout exceeds %d" % highest)
        self._timeout_ms = timeout
        self._unfed_ms = 0
        vm_channel.watchdog = self._passed
        vm_channel.arm_watchdog(timeout)

    def feed(self):
        self._unfed_ms = 0

    def _passed(self, elapsed_ms, idle):
        self._unfed_ms += min(elapsed_ms, _SKIPPED_TICK_MS) if idle else elapsed_ms
        if self._unfed_ms > self._timeout_ms:
            vm_channel.reset(WDT_RESET)


class RTC:
    """The part of an ESP32 that keeps a little memory over a reset."""

    if PORT["port"] == "esp32":

        def memory(self, data=None):
            if data is None:
                return _retained_read()
            if len(data) > 2048:
                raise ValueError("buffer too long")
            _retained_write(bytes(data))
