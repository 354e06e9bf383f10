"""Board time: ticks that wrap, extended to a count of milliseconds since boot that never does, kept in two parts.

A 32-bit board has small integers of 31 bits; a larger one is an object, made anew by every addition. So the count is
`epochs` times EPOCH_MS and a `now_ms` that stays below TURN_OVER_MS: all that decides works with `now_ms` and with
moments that are shifted along (`shift(EPOCH_MS)` of each part that keeps one), and a difference of any two fits.
Only what tells a moment to the host puts the parts together.
"""

EPOCH_MS = 1 << 28  # 3.1 days
TURN_OVER_MS = 2 * EPOCH_MS
LONG_AGO_MS = -EPOCH_MS  # a moment that is kept is never older than this


class Clock64:
    """Extends a wrapping counter of `bits` bits. Must be asked more often than half a wrap (6.2 days at 30 bits)."""

    def __init__(self, first_ticks, bits=30):
        self.mask = (1 << bits) - 1
        self.last = first_ticks & self.mask
        self.now_ms = 0
        self.epochs = 0

    def update(self, ticks):
        """Milliseconds since `epochs` * EPOCH_MS. A counter that steps back a little does not move time."""
        step = (ticks - self.last) & self.mask
        if step <= self.mask >> 1:
            self.last = ticks & self.mask
            self.now_ms += step
        return self.now_ms

    def turn_over(self):
        """Begin a new epoch when it is time to; True then: whoever keeps a moment must shift it by EPOCH_MS."""
        if self.now_ms < TURN_OVER_MS:
            return False
        self.now_ms -= EPOCH_MS
        self.epochs += 1
        return True


def shifted(moment_ms, by_ms):
    """A moment of the epoch before, in this one."""
    return max(LONG_AGO_MS, moment_ms - by_ms)
