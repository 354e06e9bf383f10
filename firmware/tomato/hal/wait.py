"""The one place where the loop sleeps: until link bytes arrive or the time is up.

Agreement with a simulator: a module `tether` on the import path (the virtual board has one, a real board never)
replaces the wait. `tether.wait(due_ms, True)` lets simulated time pass up to `due_ms` on the clock of `tether.now_ms`,
and returns early when link bytes are on stdin or an input changed. The idle time is then not capped: nothing but the
simulator changes an input. Without a tether the wait is capped at the 50 ms safety tick.
"""

import select
import sys

from tomato.contract import SAFETY_TICK_MS

try:
    import tether
except ImportError:
    tether = None

_poller = select.poll()
_poller.register(sys.stdin, select.POLLIN)


class Gone(Exception):
    """The other end of the line is closed for ever (a pseudo-terminal hung up). A USB or UART line never says so."""


def until(idle_ms):
    """Sleep at most idle_ms, less when link bytes arrive. Raises Gone when the line was hung up."""
    if tether is not None:
        tether.wait(tether.now_ms + idle_ms, True)
        return
    for event in _poller.ipoll(min(idle_ms, SAFETY_TICK_MS)):
        if event[1] & (select.POLLHUP | select.POLLERR):
            raise Gone
