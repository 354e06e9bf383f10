"""The board's one loop: listen, look, decide, act, speak, sleep. Everything it touches comes in through `hal`.

`hal` (on a board `hal.hardware.Hardware`) offers:
    ticks_ms() -> int          wrapping counter of 30 bits
    link                       read(ready) -> n into link.buf, send, flush, waiting, open, close
    wait(idle_ms, turn_ticks)  until idle_ms after the turn began, or bytes arrive; how many there are, -1 = unknown
    lines(now_ms, inputs)      switches, flow count, pin read-back into core.inputs: fast, every loop
    sense(now_ms, core)        start or collect sensor readings that are due
    sense_due_ms(now_ms)       when `sense` has something to do
    act(now_ms, core)          outputs, LED and buzzer to the pins, the timer armed, flash written when all is off
    apply(outputs)             bit mask -> pins, without a core
    watchdog_reset             True when the last reset is known to be the watchdog's
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
LATE_MS = 500
"""A task of the loop that takes this long is an event: ten safety ticks, a quarter of the watchdog's patience."""
LATE_PAUSE_MS = 600_000
"""Least time between two such events: a loop that is always slow must not push others out of the ring."""

_LISTENED = 0
_LOOKED = 1
_DECIDED = 2
_ACTED = 3
_SPOKE = 4
_ALL = 31
_TICKS = 0x3FFFFFFF


class App:
    """Wires core, sampler, ring and session to one hal, and runs them."""

    def __init__(self, hal, ring=None, config=None):
        self.hal = hal
        self.clock = Clock64(hal.ticks_ms())
        self.core = Core(config or hal.config, hal.store)
        self.core.events.push(0, c.EV_BOOT, hal.identity.reset_cause, self.core.used.restarts)
        if hal.watchdog_reset:
            self.core.faults.latch(c.FAULT_WATCHDOG_RESET, 0, hal.identity.reset_cause)
        self.ring = ring or SampleRing()
        self.sampler = Sampler(self.core, self.ring, self.core.config[c.CFG_SAMPLE_PERIOD_MS])
        self.session = Session(self.core, self.sampler, self.ring, hal.link.send, hal.identity)
        self.lasted = None  # main.py puts it here: a run of its own without it must work, too
        self.turn_ticks = 0  # when this turn began
        self.collect_ms = 0  # when garbage is collected next
        self.checked_in = 0
        self.task_began = 0  # ticks
        self.late_ms = 0  # board time before which no late task is told again
        self.ready = -1  # link bytes known to wait; -1 = look

    def step(self, now_ms):
        """One turn of the loop; returns how many ms it may sleep."""
        hal, core, session = self.hal, self.core, self.session
        self.task_began = hal.ticks_ms()
        # Switches first: a command is judged by what they say now.
        hal.lines(now_ms, core.inputs)
        self._listen(now_ms)
        self._check_in(_LISTENED, now_ms)
        hal.sense(now_ms, core)
        self._check_in(_LOOKED, now_ms)
        core.tick(now_ms)
        self._check_in(_DECIDED, now_ms)
        hal.act(now_ms, core)
        self._check_in(_ACTED, now_ms)
        session.tick(now_ms)
        hal.link.flush()
        self._check_in(_SPOKE, now_ms)
        return self._idle_ms(now_ms)

    def _check_in(self, task, now_ms):
        """One task of this turn is done; one that took too long becomes an event, ahead of a watchdog reset."""
        self.checked_in |= 1 << task
        ticks = self.hal.ticks_ms()
        took_ms = (ticks - self.task_began) & _TICKS
        self.task_began = ticks
        if took_ms >= LATE_MS and now_ms >= self.late_ms:
            self.late_ms = now_ms + LATE_PAUSE_MS
            self.core.events.push(now_ms, c.EV_WATCHDOG, task, took_ms)

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
        self.turn_ticks = self.hal.ticks_ms()
        now_ms = self.clock.update(self.turn_ticks)
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
        self.late_ms -= EPOCH_MS
        return self.clock.now_ms

    def run(self, settled=None):
        """Loop until mpremote asks for the console; everything is off when it returns or raises.

        `self.lasted()` is called once when the firmware has run for a minute, `settled()` then at the first moment
        with every output off.
        """
        hal, session = self.hal, self.session
        hal.link.open()
        try:
            self.ready = hal.wait(0, hal.ticks_ms())  # what came while the board was starting
            while not session.console_asked:
                idle_ms = self.turn()
                if settled and self.clock.now_ms >= SETTLED_MS:
                    settled = self._settle(settled)
                if self.ready <= 0:
                    self.ready = hal.wait(idle_ms, self.turn_ticks)
        finally:
            hal.apply(0)
            hal.link.close()
        hal.maintenance()
