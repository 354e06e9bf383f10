"""Side channel of the virtual board: simulated time and input levels come in, pin changes and resets go out.

Every record is `<BBHIqq`: kind, a, b, c, t_ms, passed_ms. The VM asks (WAIT, NEED_VALUES) and blocks until the twin
answers, so the twin alone decides how time passes: in lock step with a host, or by the wall clock. MicroPython only.
`tomato.hal.wait` calls `wait(idle_ms, sent_total)`; the stand-ins for `time` and `select` end here as well.

An answer may bring the physical values of a moment to come, when the board is expected to look at its sensors. Whether
it did (`_used`) goes back with the next WAIT, NEED_VALUES or RESET.

Each answer also says how long the VM may go on alone: until then no input changes and no byte comes, whatever the board
does, so a WAIT whose due moment lies within that span would only be answered with what is known already. The board
makes exactly the same steps at the same moments, only the exchange is left out. What others must know of - a pin that
moved, bytes for the host, the need of physical values - ends it: then the VM asks again.
"""

import os
import struct

RECORD = "<BBHIqq"
RECORD_BYTES = 24
ANSWER = "<BBHIqqq"
VALUES = "<16i"
VALUES_AT = 32
ANSWER_BYTES = 96

# Kinds the VM sends; b of those that wait for an answer: 1 = the values brought were used; passed = the moment up to
# which it has let time pass.
WAIT = 1  # a: 1 = link bytes end it too, c: link bytes written since boot, t: due
PIN = 2  # a: level, b: GPIO, t: now
NEED_VALUES = 3  # t: now; the answer is the block of values
RESET = 4  # a: cause, t: now
WATCHDOG = 5  # c: timeout in ms, t: now
HEAP = 6  # c: bytes allocated after a collection, t: now
PROMPT = 7  # the program has ended, t: now

# The answer: flags, new flow meter pulses, link bytes ready, GPIO levels, now, until when the VM may go on alone, for
# which moment the values hold, the block of values. After NEED_VALUES only the last three count.
GO_INPUTS = 0x02
GO_HEAP = 0x04
SENT_UNKNOWN = 0xFFFFFFFF

POLLS_PER_MS = 500  # a loop that only looks at the clock must still see it move

now_ms = 0
levels = 0

_cap_ms = int(os.getenv("TOMATO_WAIT_CAP_MS") or 0)  # 50 = no safety tick is skipped
_flow_gpio = int(os.getenv("TOMATO_FLOW_GPIO") or -1)
_fds = os.getenv("TOMATO_CHANNEL_FDS").split()
_in = open(int(_fds[0]), "rb", 0)
_out = open(int(_fds[1]), "wb", 0)
_tx = bytearray(RECORD_BYTES * 32)
_tx_n = 0
_rx = bytearray(ANSWER_BYTES)
_values = None
_values_ms = -1  # the moment of _values
_brought_ms = -1  # the moment of the values in _rx
_used = 0
_polls = 0
_ready = 0
_sent = 0
_told_sent = 0  # link bytes written as the last WAIT that went out had it
_passed_ms = 0
_alone_ms = -1
timers = []
edges = {}
flow = None  # called with (gpio, pulses)
watchdog = None  # called with (elapsed_ms, idle) after every wait


def _queue(kind, a, b, c, t):
    """Put a record behind those that wait for the next exchange."""
    global _tx_n
    if _tx_n == len(_tx):
        _flush()
    struct.pack_into(RECORD, _tx, _tx_n, kind, a, b, c, t, _passed_ms)
    _tx_n += RECORD_BYTES


def _flush():
    global _tx_n
    _out.write(_tx, _tx_n)
    _tx_n = 0


def _ask(kind, a, c, t):
    """Send what waits and this record, and wait for the answer in `_rx`."""
    global _used
    _queue(kind, a, _used, c, t)
    _used = 0
    _flush()
    if _in.readinto(_rx) != ANSWER_BYTES:
        raise SystemExit(0)  # the twin is gone, and with it power


def pin_changed(gpio, level):
    global _brought_ms
    if now_ms != _brought_ms:
        _brought_ms = -1  # another output, another future
    _queue(PIN, level, gpio, 0, now_ms)


def reset(cause):
    _ask(RESET, cause, 0, now_ms)  # never answered: the twin cuts the power
    raise SystemExit(0)


def at_prompt():
    _queue(PROMPT, 0, 0, 0, now_ms)


def arm_watchdog(timeout_ms):
    _queue(WATCHDOG, 0, 0, timeout_ms, now_ms)


def values():
    """The physical values at this moment, as integers (see `twin/vm_channel.py` on the host for the order)."""
    global _values, _values_ms, _brought_ms, _alone_ms, _used
    if _values_ms != now_ms:
        if _brought_ms == now_ms:
            _used = 1
        else:
            _ask(NEED_VALUES, 0, 0, now_ms)
            _alone_ms = struct.unpack_from(ANSWER, _rx, 0)[5]
            _brought_ms = -1
        _values = struct.unpack_from(VALUES, _rx, VALUES_AT)
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
    """One WAIT and its answer. Returns the flags; link bytes that became ready are counted in `_ready`."""
    global now_ms, levels, _polls, _ready, _told_sent, _passed_ms, _alone_ms, _brought_ms
    _ask(WAIT, on_bytes, _sent, due_ms)
    _told_sent = _sent
    flags, pulses, ready, seen, now_ms, _alone_ms, _brought_ms = struct.unpack_from(ANSWER, _rx, 0)
    _passed_ms = now_ms
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
        _report_heap()
    return flags


def _go_on(due_ms, on_bytes):
    """Let time pass to `due_ms`: alone where nobody else has to know of it, by an exchange otherwise."""
    global now_ms, _polls, _passed_ms
    if due_ms > _alone_ms or _tx_n or _sent != _told_sent or _sent == SENT_UNKNOWN:
        return _exchange(due_ms, on_bytes)
    if due_ms > _passed_ms:
        _passed_ms = due_ms
    now_ms = _passed_ms
    _polls = 0
    return 0


def _report_heap():
    import gc

    gc.collect()
    _queue(HEAP, 0, 0, gc.mem_alloc(), now_ms)


def _fire_due():
    for timer in timers[:]:  # firing changes the list
        if timer.due_ms <= now_ms:
            timer.fire(now_ms)


def pass_time(due_ms, on_bytes):
    """Let simulated time pass to `due_ms`, timers included. Link bytes or an input end it early when `on_bytes`."""
    while True:
        soonest = due_ms
        for timer in timers:
            if timer.due_ms < soonest:
                soonest = timer.due_ms
        started = now_ms
        flags = _go_on(soonest, on_bytes)
        for timer in timers:
            if timer.due_ms <= now_ms:
                _fire_due()
                break
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
