"""Side channel of the virtual board: simulated time and input levels come in, pin changes and resets go out.

Every record is 16 bytes, `<BBHIq`: kind, a, b, c, t_ms. The VM asks (WAIT, VALUES) and blocks until the twin answers,
so the twin alone decides how time passes: in lock step with a host, or by the wall clock. Runs under MicroPython only.
"""

import os
import struct

RECORD = "<BBHIq"
RECORD_BYTES = 16
VALUES = "<16i"
VALUES_BYTES = 64

# Kinds the VM sends.
WAIT = 1  # a: 1 = link bytes wake it too, b: heap asked -> c: bytes allocated, t: due
PIN = 2  # a: level, b: GPIO, t: now
NEED_VALUES = 3  # t: now; the answer is the block of values
RESET = 4  # a: cause, t: now
WATCHDOG = 5  # c: timeout in ms, t: now
CHIP = 6  # a: chip, b: register or command, t: now; a note for tests, no answer

# Flags of the answer to WAIT (GO): a = GPIO of the flow meter, b = its new pulses, c = levels of GPIO 0..31, t = now.
GO_BYTES = 0x01
GO_INPUTS = 0x02
GO_HEAP = 0x04

POLLS_PER_MS = 500  # a loop that only looks at the clock must still see it move

now_ms = 0
levels = 0

_fd = int(os.getenv("TOMATO_TETHER_FD"))
_out = open(_fd, "wb", 0)
_in = open(_fd, "rb", 0)
_tx = bytearray(RECORD_BYTES)
_rx = bytearray(RECORD_BYTES)
_block = bytearray(VALUES_BYTES)
_values = None
_values_ms = -1
_heap = 0
_polls = 0
timers = []
edges = {}
flow = None  # called with (gpio, pulses)
watchdog = None  # called with (elapsed_ms, on_bytes) after every wait


def _send(kind, a, b, c, t):
    struct.pack_into(RECORD, _tx, 0, kind, a, b, c, t)
    _out.write(_tx)


def _receive(buf, n):
    if _in.readinto(buf) != n:
        raise SystemExit(0)  # the twin is gone, and with it power


def pin_changed(gpio, level):
    _send(PIN, level, gpio, 0, now_ms)


def reset(cause):
    _send(RESET, cause, 0, 0, now_ms)
    _receive(_rx, RECORD_BYTES)  # never answered: the twin cuts the power
    raise SystemExit(0)


def arm_watchdog(timeout_ms):
    _send(WATCHDOG, 0, 0, timeout_ms, now_ms)


def values():
    """The physical values at this moment, as integers (see `twin/tether.py` on the host for the order)."""
    global _values, _values_ms
    if _values_ms != now_ms:
        _send(NEED_VALUES, 0, 0, 0, now_ms)
        _receive(_block, VALUES_BYTES)
        _values = struct.unpack(VALUES, _block)
        _values_ms = now_ms
    return _values


def clock_polled():
    """Time as a busy loop sees it: it creeps on by call count, never by the machine's speed."""
    global _polls, now_ms
    _polls += 1
    if _polls >= POLLS_PER_MS:
        _polls = 0
        now_ms += 1
    return now_ms


def _exchange(due_ms, on_bytes):
    """One WAIT and its GO. Returns the flags."""
    global now_ms, levels, _heap, _polls
    _send(WAIT, on_bytes, 0, _heap, due_ms)
    _heap = 0
    _receive(_rx, RECORD_BYTES)
    flags, gpio, pulses, seen, now = struct.unpack_from(RECORD, _rx, 0)
    now_ms = now
    _polls = 0
    if seen != levels:
        old = levels
        levels = seen
        for number, handler in edges.items():
            if (old ^ seen) >> number & 1:
                handler(seen >> number & 1)
    if pulses and flow:
        flow(gpio, pulses)
    if flags & GO_HEAP:
        import gc

        gc.collect()
        _heap = gc.mem_alloc()
    return flags


def wait(due_ms, on_bytes):
    """Let simulated time pass to `due_ms`, running timers on the way. True when bytes or an input ended it."""
    while True:
        soonest = due_ms
        for timer in timers:
            if timer.due_ms < soonest:
                soonest = timer.due_ms
        started = now_ms
        flags = _exchange(soonest, 1 if on_bytes else 0)
        for timer in timers[:]:
            if timer.due_ms <= now_ms:
                timer.fire(now_ms)
        if watchdog:
            watchdog(now_ms - started, on_bytes)
        if on_bytes and flags & (GO_BYTES | GO_INPUTS):
            return True
        if now_ms >= due_ms:
            return False
