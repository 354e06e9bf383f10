"""The board's one loop: listen, look, decide, act, speak, sleep. Everything it touches comes in through `hal`.

`hal` (on a board `hal.hardware.Hardware`) offers:
    ticks_ms() -> int          wrapping counter of 30 bits; a turn begins with it
    link                       read(ready) -> n into link.buf, send, flush, waiting, open, close
    wait(idle_ms) -> int       until idle_ms after the turn began, or bytes arrive; how many there are, -1 = unknown
    lines(now_ms, inputs)      switches, flow count, pin read-back into core.inputs: fast, every loop
    sense(now_ms, core)        start or collect sensor readings that are due
    sense_due_ms(now_ms)       when `sense` has something to do
    act(now_ms, core)          outputs, LED and buzzer to the pins, the timer armed, flash written when all is off
    apply(outputs)             bit mask -> pins, without a core
    bitten                     True when the last reset is known to be the watchdog's
    fed()                      feed the watchdog; called only after every task of one loop has checked in
    store, config, identity    for the core; for HELLO
    heap_free()                garbage collected, and how many bytes are free then
    shift(by_ms)               a new epoch has begun (core.clock64): moments it keeps count from it
    maintenance()              outputs off, watchdog kept fed: the console is in charge
"""

from tomato import contract as c
from tomato.core.board import Core
from tomato.core.clock64 import EPOCH_MS, Clock64
from tomato.core.ring import SampleRing
from tomato.core.sampler import Sampler
from tomato.core.session import Session

SETTLED_MS = 60_000
# Garbage is collected while nothing else is to do, and not when an allocation in the middle of a turn finds the heap
# full: that takes 20 ms on an RP2040.
COLLECT_MS = 120_000
COLLECT_IDLE_MS = 30

_LISTENED = 1
_LOOKED = 2
_DECIDED = 4
_ACTED = 8
_SPOKE = 16
_ALL = 31


class App:
    """Wires core, sampler, ring and session to one hal, and runs them."""

    def __init__(self, hal, ring=None, config=None):
        self.hal = hal
        self.clock = Clock64(hal.ticks_ms())
        self.core = Core(config or hal.config, hal.store)
        if hal.bitten:
            self.core.faults.latch(c.FAULT_WATCHDOG_RESET, 0, hal.identity.reset_cause)
        self.ring = ring or SampleRing()
        self.sampler = Sampler(self.core, self.ring, self.core.config[c.CFG_SAMPLE_PERIOD_MS])
        self.session = Session(self.core, self.sampler, self.ring, hal.link.send, hal.identity)
        self.lasted = None  # main.py puts it here: a run of its own without it must work, too
        self.collect_ms = 0  # when garbage is collected next
        self.checked_in = 0
        self.ready = -1  # link bytes known to wait; -1 = look

    def step(self, now_ms):
        """One turn of the loop; returns how many ms it may sleep."""
        hal, core, session = self.hal, self.core, self.session
        # Switches first: a command is judged by what they say now.
        hal.lines(now_ms, core.inputs)
        self._listen(now_ms)
        self.checked_in |= _LISTENED
        hal.sense(now_ms, core)
        self.checked_in |= _LOOKED
        core.tick(now_ms)
        self.checked_in |= _DECIDED
        hal.act(now_ms, core)
        self.checked_in |= _ACTED
        session.tick(now_ms)
        hal.link.flush()
        self.checked_in |= _SPOKE
        return self._idle_ms(now_ms)

    def _listen(self, now_ms):
        """Take what the host has sent, at most one buffer a turn: a flood may not hold up the safety tick."""
        link = self.hal.link
        n = link.read(self.ready)
        if n:
            self.session.feed(now_ms, link.buf, n)
        self.ready = max(0, self.ready - n) if self.ready >= 0 else -1

    def _idle_ms(self, now_ms):
        if self.ready > 0:
            return 0
        if self.hal.link.waiting():
            return 5
        due = min(self.core.next_due_ms(now_ms), self.session.next_due_ms(now_ms), self.hal.sense_due_ms(now_ms))
        return max(0, due - now_ms)

    def _settle(self, settled):
        """Say that this start has lasted, and confirm the firmware while all is off; what is left to call."""
        if self.lasted:
            self.lasted()
            self.lasted = None
        if self.core.outputs:
            return settled
        settled()
        return None

    def turn(self):
        """One step by the hal's own clock, with the watchdog fed when every task has checked in; returns idle ms."""
        now_ms = self.clock.update(self.hal.ticks_ms())
        if self.clock.turn_over():
            now_ms = self._shift()
        idle_ms = self.step(now_ms)
        if self.checked_in == _ALL:
            self.hal.fed()
        self.checked_in = 0
        if idle_ms >= COLLECT_IDLE_MS and now_ms >= self.collect_ms:
            self.collect_ms = now_ms + COLLECT_MS
            self.session.heap_free = self.hal.heap_free()
        return idle_ms

    def _shift(self):
        """A new epoch has begun: every moment that is kept counts from it. Returns the time in it."""
        for part in (self.core, self.sampler, self.session, self.hal):
            part.shift(EPOCH_MS)
        self.collect_ms -= EPOCH_MS
        return self.clock.now_ms

    def run(self, settled=None):
        """Loop until mpremote knocks on the console; everything is off when it returns or raises.

        `self.lasted()` is called once when the firmware has run for a minute, `settled()` then at the first moment
        with every output off.
        """
        hal, session = self.hal, self.session
        hal.link.open()
        try:
            self.ready = hal.wait(0)  # what came while the board was starting
            while not session.console_asked:
                idle_ms = self.turn()
                if settled and self.clock.now_ms >= SETTLED_MS:
                    settled = self._settle(settled)
                if self.ready <= 0:
                    self.ready = hal.wait(idle_ms)
        finally:
            hal.apply(0)
            hal.link.close()
        hal.maintenance()
