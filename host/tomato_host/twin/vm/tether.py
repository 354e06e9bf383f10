"""Side channel of the virtual board: simulated time and input levels come in, pin changes and resets go out.

Every record is 16 bytes, `<BBHIq`: kind, a, b, c, t_ms. The VM asks (WAIT, NEED_VALUES) and blocks until the twin
answers, so the twin alone decides how time passes: in lock step with a host, or by the wall clock. MicroPython only.
`tomato.hal.wait` calls `wait(idle_ms, sent_total)`; the stand-ins for `time` and `select` end here as well.
"""

import os
import struct

RECORD = "<BBHIq"
RECORD_BYTES = 16
VALUES = "<16i"
VALUES_BYTES = 64

# Kinds the VM sends.
WAIT = 1  # a: 1 = link bytes end it too, c: link bytes written since boot, t: due
PIN = 2  # a: level, b: GPIO, t: now
NEED_VALUES = 3  # t: now; the answer is the block of values
RESET = 4  # a: cause, t: now
WATCHDOG = 5  # c: timeout in ms, t: now
HEAP = 6  # c: bytes allocated after a collection, t: now
PROMPT = 7  # the program has ended, t: now

# The answer to WAIT (GO): kind = flags, a = new flow meter pulses, b = link bytes ready, c = GPIO levels, t = now.
GO_INPUTS = 0x02
GO_HEAP = 0x04

POLLS_PER_MS = 500  # a loop that only looks at the clock must still see it move

now_ms = 0
levels = 0

_fd = int(os.getenv("TOMATO_TETHER_FD"))
_cap_ms = int(os.getenv("TOMATO_WAIT_CAP_MS") or 0)  # 50 = no safety tick is skipped
_flow_gpio = int(os.getenv("TOMATO_FLOW_GPIO") or -1)
_out = open(_fd, "wb", 0)
_in = open(_fd, "rb", 0)
_tx = bytearray(RECORD_BYTES)
_rx = bytearray(RECORD_BYTES)
_block = bytearray(VALUES_BYTES)
_values = None
_values_ms = -1
_polls = 0
_ready = 0
_sent = 0
timers = []
edges = {}
flow = None  # called with (gpio, pulses)
watchdog = None  # called with (elapsed_ms, idle) after every wait


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


def at_prompt():
    _send(PROMPT, 0, 0, 0, now_ms)


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
    """One WAIT and its GO. Returns the flags; link bytes that became ready are counted in `_ready`."""
    global now_ms, levels, _polls, _ready
    _send(WAIT, on_bytes, 0, _sent, due_ms)
    _receive(_rx, RECORD_BYTES)
    flags, pulses, ready, seen, now_ms = struct.unpack_from(RECORD, _rx, 0)
    _polls = 0
    _ready += ready
    if seen != levels:
        changed = levels ^ seen
        levels = seen
        for gpio, handler in edges.items():
            if changed >> gpio & 1:
                handler(seen >> gpio & 1)
    if pulses and flow:
        flow(_flow_gpio, pulses)
    if flags & GO_HEAP:
        _tell_heap()
    return flags


def _tell_heap():
    import gc

    gc.collect()
    _send(HEAP, 0, 0, gc.mem_alloc(), now_ms)


def pass_time(due_ms, on_bytes):
    """Let simulated time pass to `due_ms`, timers included. Link bytes or an input end it early when `on_bytes`."""
    while True:
        soonest = due_ms
        for timer in timers:
            if timer.due_ms < soonest:
                soonest = timer.due_ms
        started = now_ms
        flags = _exchange(soonest, on_bytes)
        for timer in timers[:]:
            if timer.due_ms <= now_ms:
                timer.fire(now_ms)
        if watchdog:
            watchdog(now_ms - started, on_bytes)
        if on_bytes and (_ready or flags & GO_INPUTS) or now_ms >= due_ms:
            return


def wait(idle_ms, sent_total):
    """The firmware's own wait. Returns how many link bytes are ready on stdin."""
    global _ready, _sent
    _sent = sent_total
    if _cap_ms:
        idle_ms = min(idle_ms, _cap_ms - now_ms % _cap_ms)
    if not _ready:
        pass_time(now_ms + idle_ms, 1)
    ready = _ready
    _ready = 0
    return ready
