"""Stand-in for `select` on the virtual board: a wait on the link is the moment in which the twin lets time pass."""

import uselect
import vm_channel
from uselect import POLLERR, POLLHUP, POLLIN, POLLOUT  # noqa: F401


class _Poll:
    """`poll()` whose timeout runs on the twin's clock. The twin puts bytes on stdin before it wakes the board."""

    def __init__(self):
        self._real = uselect.poll()

    def register(self, stream, mask=POLLIN | POLLOUT):
        self._real.register(stream, mask)

    def unregister(self, stream):
        self._real.unregister(stream)

    def modify(self, stream, mask):
        self._real.modify(stream, mask)

    def poll(self, timeout=-1):
        ready = self._real.poll(0)
        if ready or timeout == 0:
            return ready
        self._pass(timeout)
        return self._real.poll(0)

    def ipoll(self, timeout=-1, flags=0):
        if timeout != 0:
            for _ in self._real.ipoll(0):
                return self._real.ipoll(0, flags)
            self._pass(timeout)
        return self._real.ipoll(0, flags)

    def _pass(self, timeout):
        vm_channel.wait(3600000 if timeout < 0 else int(timeout), 0xFFFFFFFF)


def poll():
    return _Poll()
