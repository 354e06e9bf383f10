"""The twin's side channel without a twin: the wall clock, quiet inputs, a reset that ends the VM. MicroPython only."""

import os
import sys

import uselect
import utime

GO_INPUTS = 2
levels = 1 << 14 | 1 << 11  # the emergency stop is closed, the button is up
timers = []
edges = {}
flow = None
watchdog = None
_begun_ms = utime.ticks_ms()
_fd = int(os.getenv("TOMATO_CHANNEL_FD"))
_out = open(_fd, "wb", 0)
_line = uselect.poll()
_line.register(sys.stdin, uselect.POLLIN)
_values = (21000, 60000, 4500, 20500, 20500, 0, 20000, 40000, 40000, 40000, 40000, 21000, 60000, 0, 0, 0)


def __getattr__(name):
    """`vm_channel.now_ms` is asked for as a value."""
    if name == "now_ms":
        return clock_polled()
    raise AttributeError(name)


def report(text):
    _out.write(text.encode() + b"\n")


def clock_polled():
    return utime.ticks_diff(utime.ticks_ms(), _begun_ms)


def pin_changed(gpio, level):
    report("pin %d %d" % (gpio, level))


def arm_watchdog(_timeout_ms):
    report("watchdog")


def at_prompt():
    report("prompt")


def reset(cause):
    report("reset %d" % cause)
    raise SystemExit(0)


def values():
    return _values


def _pass(ms):
    started = clock_polled()
    _line.poll(max(0, min(ms, 50)))
    now_ms = clock_polled()
    for timer in timers[:]:
        if timer.due_ms <= now_ms:
            timer.fire(now_ms)
    if watchdog:
        watchdog(now_ms - started, 1)


def pass_time(due_ms, _on_bytes):
    while clock_polled() < due_ms:
        utime.sleep_ms(1)


def wait(idle_ms, _sent_total):
    """-1: look at the line, as a chip does."""
    _pass(idle_ms)
    return -1
