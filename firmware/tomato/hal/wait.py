"""The one place where the loop sleeps: until link bytes arrive or the time is up.

Agreement with a simulator. A module `vm_channel` on the import path (the virtual board has one, a real board never)
replaces the wait. It offers:

    vm_channel.wait(idle_ms, sent_total) -> int
        Called once a loop. `idle_ms` is the time until the next due moment (0 = call again at once);
        `sent_total` counts all bytes the board has written to the link since it started.
        Returns how many link bytes are ready on stdin, all of which the board then reads without polling
        (0 = none; time may have passed, an input may have changed); -1 = unknown, look as a real board does.

With a channel idle_ms is not capped: nothing but the simulator changes an input, and it returns early when it does.
Without one the next turn begins 45 ms after this one began, whatever that took: the longest gap between two safety
ticks is then the longest turn.
"""

import select
import sys
import time

from tomato.contract import SAFETY_TICK_MS

try:
    import vm_channel
except ImportError:
    vm_channel = None

_TICK_MS = SAFETY_TICK_MS - 5  # a sleep ends a little late, never early

_poller = select.poll()
_poller.register(sys.stdin, select.POLLIN)


class Gone(Exception):
    """The other end of the line is closed for ever (a pseudo-terminal hung up). A USB or UART line never says so."""


def until(idle_ms, sent_total, turn_ms):
    """Sleep until idle_ms after `turn_ms` (ticks) at most.

    Returns the number of link bytes to read, or -1 for unknown. Raises Gone on hang-up.
    """
    if vm_channel is not None:
        return vm_channel.wait(idle_ms, sent_total)
    spent_ms = time.ticks_diff(time.ticks_ms(), turn_ms)
    for event in _poller.ipoll(max(0, min(idle_ms, _TICK_MS) - spent_ms)):
        if event[1] & (select.POLLHUP | select.POLLERR):
            raise Gone
    return -1
