"""The one place where the loop sleeps: until link bytes arrive or the time is up.

Agreement with a simulator. A module `tether` on the import path (the virtual board has one, a real board never)
replaces the wait. It offers:

    tether.wait(idle_ms, sent_total) -> int
        Called once a loop. `idle_ms` is the time until the core's next due moment (0 = call again at once);
        `sent_total` counts all bytes the board has written to the link since it started.
        Returns how many link bytes are ready on stdin, all of which the board then reads without polling
        (0 = none; time may have passed, an input may have changed); -1 = unknown, poll stdin as on a real board.
        In lock-step it sends (idle_ms, sent_total) to the simulator and blocks for the answer; time comes back through
        the stand-in `time.ticks_ms`. Running freely it may sleep in poll itself and return -1.

With a tether idle_ms is not capped: nothing but the simulator changes an input, and it returns early when it does.
Without one the wait is capped at the 50 ms safety tick.
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
    """The other end of the link is closed for ever (a pseudo-terminal hung up). A USB or UART link never says so."""


def readable(timeout_ms):
    """True when stdin has a byte. Raises Gone when it was hung up."""
    for event in _poller.ipoll(timeout_ms):
        if event[1] & (select.POLLHUP | select.POLLERR):
            raise Gone
        return True
    return False


def until(idle_ms, sent_total):
    """Sleep at most idle_ms. Returns the number of link bytes to read, or -1 for unknown."""
    if tether is not None:
        return tether.wait(idle_ms, sent_total)
    readable(min(idle_ms, SAFETY_TICK_MS))
    return -1
