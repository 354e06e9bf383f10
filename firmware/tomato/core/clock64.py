"""Board time: ticks that wrap, extended to a count of milliseconds since boot that never does."""


class Clock64:
    """Extends a wrapping counter of `bits` bits. Must be asked more often than half a wrap (6.2 days at 30 bits)."""

    def __init__(self, first_ticks, bits=30):
        self.mask = (1 << bits) - 1
        self.last = first_ticks & self.mask
        self.now_ms = 0

    def update(self, ticks):
        """Milliseconds since boot. A counter that steps back a little (an interrupt read later) does not move time."""
        step = (ticks - self.last) & self.mask
        if step <= self.mask >> 1:
            self.last = ticks & self.mask
            self.now_ms += step
        return self.now_ms
