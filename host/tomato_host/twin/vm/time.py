"""Stand-in for `time` on the virtual board: the twin's clock, with the 2^30 ms wrap of the real boards."""

import os

import vm_channel
from micropython import const
from utime import gmtime, localtime, mktime  # noqa: F401
from vm_channel import clock_polled

_MASK = const((1 << 30) - 1)
_HALF = const(1 << 29)
_FROM = int(os.getenv("TOMATO_TICKS_FROM") or 0)  # what the counter holds at power-on: a test need not wait 12 days


def ticks_ms():
    return clock_polled() + _FROM & _MASK


def ticks_us():
    return clock_polled() * 1000 & _MASK


def ticks_cpu():
    return ticks_us()


def ticks_add(ticks, delta):
    return (ticks + delta) & _MASK


def ticks_diff(end, start):
    return ((end - start + _HALF) & _MASK) - _HALF


def sleep_ms(ms):
    if ms > 0:
        vm_channel.pass_time(vm_channel.now_ms + ms, 0)


def sleep_us(us):
    # Shorter than a tick of the twin's clock: bus timing, not life of a plant.
    if us >= 1000:
        sleep_ms(us // 1000)


def sleep(seconds):
    sleep_ms(int(seconds * 1000))


def time():
    return vm_channel.now_ms // 1000


def time_ns():
    return vm_channel.now_ms * 1000000
