"""The one place where the loop sleeps: until link bytes arrive or the time is up.

Agreement with a simulator. A module `vm_channel` on the import path (the virtual board has one, a real board never)
replaces the wait. It offers:

    vm_channel.wait(idle_ms, sent_total) -> int
        Called once a loop. `idle_ms` is the time until the next due moment (0 = call again at once);
        `sent_total` counts all bytes the board has written to the link since it started.
        Returns how many link bytes are ready on stdin, all of which the board then reads without polling
        (0 = none; time may have passed, an input may have changed); -1 = unknown, look as a real board does.

With a channel idle_ms is not capped: nothing but the simulator changes an input, and it returns early when it does.
Without one the wait is capped at the 50 ms safety tick.
"""

import select
import sys

from tomato.contract import SAFETY_TICK_MS

try:
    import vm_channel
except ImportError:
    vm_channel = None

_poller = select.poll()
_poller.register(sys.stdin, select.POLLIN)


class Gone(Exception):
    """The other end of the line is closed for ever (a pseudo-terminal hung up). A USB or UART line never says so."""


def until(idle_ms, sent_total):
    """Sleep at most idle_ms. Returns the number of link bytes to read, or -1 for unknown. Raises Gone on hang-up."""
    if vm_channel is not None:
        return vm_channel.wait(idle_ms, sent_total)
    for event in _poller.ipoll(min(idle_ms, SAFETY_TICK_MS)):
        if event[1] & (select.POLLHUP | select.POLLERR):
            raise Gone
    return -1
