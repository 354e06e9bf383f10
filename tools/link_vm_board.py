"""Runs on the MicroPython VM: the body's link, session and core alone on a pseudo-terminal, without pins or twin."""

import time

from link_vm_cost import Store
from tomato.core.board import Core
from tomato.core.ring import SampleRing
from tomato.core.sampler import Sampler
from tomato.core.session import Session
from tomato.hal import wait
from tomato.hal.link import Link

link = Link()
core = Core({}, Store())
ring = SampleRing()
session = Session(core, Sampler(core, ring), ring, link.send)
link.open()
while not session.console_asked:
    now_ms = time.ticks_ms()
    n = link.read()
    if n:
        session.feed(now_ms, link.buf, n)
    core.tick(now_ms)
    session.tick(now_ms)
    link.flush()
    wait.until(50, 0, now_ms)
link.close()
