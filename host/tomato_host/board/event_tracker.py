"""Which events of one boot have arrived, and up to where the board may forget them.

The board tells its events in rounds: a round begins with the oldest that it keeps and goes up in order. Five seconds
after the last of them, and after each HELLO, the next round begins, until all are acknowledged. So a frame that the
line has damaged leaves a gap in one round that the next round fills, if nothing behind the gap was acknowledged. Hence
only what has no gap before it may be.

A gap before the oldest event of a round is either that round's first frame, lost on the line, or what the board no
longer keeps: an earlier process has acknowledged it, or the board's 64 places were full. Two rounds in a row that begin
behind the gap are taken for the latter.
"""

from __future__ import annotations

ROUNDS = 2
"""Rounds that begin behind a gap before it is given up. A line that loses one frame in 100 does so twice in 10,000."""


class EventTracker:
    """Takes the numbers of events in the order in which they arrive."""

    def __init__(self) -> None:
        self.whole_up_to = -1
        """Everything up to here has arrived, or is known to be lost."""
        self._beyond: set[int] = set()
        self._last = -1
        """The newest number of the present round; -1 before its first."""
        self._began_behind = 0
        """Rounds in a row whose first event lay behind a gap."""

    def add(self, seq: int) -> bool:
        """Take an event; True when it is new."""
        if seq <= self._last or self._last < 0:
            self._begin_round(seq)
        self._last = seq
        if seq <= self.whole_up_to or seq in self._beyond:
            return False
        self._beyond.add(seq)
        self._advance()
        return True

    def _begin_round(self, seq: int) -> None:
        self._began_behind = self._began_behind + 1 if seq > self.whole_up_to + 1 else 0
        if self._began_behind == ROUNDS:
            self._began_behind = 0
            self.whole_up_to = seq - 1
            self._beyond = {one for one in self._beyond if one >= seq}
            self._advance()

    def _advance(self) -> None:
        while self.whole_up_to + 1 in self._beyond:
            self.whole_up_to += 1
            self._beyond.discard(self.whole_up_to)
