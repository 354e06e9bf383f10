"""Stand-in for `time` on the virtual board: the twin's clock, with the 2^30 ms wrap of the real boards."""

import os

import tether
from utime import gmtime, localtime, mktime  # noqa: F401

_PERIOD = 1 << 30
_HALF = 1 << 29
_FROM = int(os.getenv("TOMATO_TICKS_FROM") or 0)  # what the counter holds at power-on: a test need not wait 12 days


def ticks_ms():
    return tether.clock_polled() + _FROM & (_PERIOD - 1)


def ticks_us():
    return tether.clock_polled() * 1000 & (_PERIOD - 1)


def ticks_cpu():
    return ticks_us()


def ticks_add(ticks, delta):
    return (ticks + delta) & (_PERIOD - 1)


def ticks_diff(end, start):
    return ((end - start + _HALF) & (_PERIOD - 1)) - _HALF


def sleep_ms(ms):
    if ms > 0:
        tether.pass_time(tether.now_ms + ms, 0)


def sleep_us(us):
    # Shorter than a tick of the twin's clock: bus timing, not life of a plant.
    if us >= 1000:
        sleep_ms(us // 1000)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def time():
    return tether.now_ms // 1000


def time_ns():
    return tether.now_ms * 1000000
