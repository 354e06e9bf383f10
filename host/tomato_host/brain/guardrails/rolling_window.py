"""Sums over the last hour or day, of this process and of earlier ones, that no wrong clock can jam or empty."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterable

DAY_S = 86_400.0
AHEAD_S = 5.0
"""What lies further in the future was written under a clock that was ahead; smaller errors are slewed away."""


class RollingWindow:
    """The sum of what was used within the last `span_s` seconds."""

    __slots__ = ("_entries", "_span_s", "_sum")

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, at_s: float, milli: int) -> None:
        """Count `milli` as used at `at_s`."""
        insort(self._entries, (at_s, milli))  # nearly always at the end
        self._sum += milli

    def used(self, now_s: float, until_s: float = 0.0) -> int:
        """Thousandths used in (now - span, now]; forgets what is older, passes over what lies in the future.

        `until_s`: of these, what will still lie in the window that many seconds from now.
        """
        self._forget(now_s)
        left_out, oldest = 0, now_s + until_s - self._span_s
        for at_s, milli in self._entries:
            if at_s > oldest:
                break
            left_out += milli
        for at_s, milli in reversed(self._entries):
            if at_s <= now_s + AHEAD_S:
                break
            left_out += milli
        return self._sum - left_out

    def newest_s(self, now_s: float) -> float | None:
        """When something was last used, at most `span_s` ago; None for nothing."""
        self._forget(now_s)
        return next((at_s for at_s, _ in reversed(self._entries) if at_s <= now_s + AHEAD_S), None)

    def shift(self, by_s: float) -> None:
        """The clock was set by this much, and all entries with it."""
        self._entries = deque((at_s + by_s, milli) for at_s, milli in self._entries)

    def frees_at_s(self, milli: int) -> float | None:
        """When so many thousandths have left the window; None when it does not hold as many."""
        freed = 0
        for at_s, entry in self._entries:
            freed += entry
            if freed >= milli:
                return at_s + self._span_s
        return None

    def _forget(self, now_s: float) -> None:
        entries, oldest = self._entries, now_s - self._span_s
        while entries and entries[0][0] <= oldest:
            self._sum -= entries.popleft()[1]


class EarlierUse:
    """What earlier processes have used, by their records.

    Nothing says how right the clock was that stamped them, nor how right the present one is. So the records stay as
    they are, however old they look now: the clock may be set right yet. Those that lie ahead of the moment at which
    they were read are moved back as one block, so that the newest lies at that moment: order and distances are true.
    """

    __slots__ = ("_begun_s", "_recorded", "_used")

    def __init__(self) -> None:
        self._begun_s = 0.0
        self._recorded: tuple[tuple[float, int], ...] = ()
        self._used: tuple[tuple[float, int], ...] = ()

    def begin(self, recorded: Iterable[tuple[float, int]], now_s: float) -> None:
        """Read the records (epoch seconds, thousandths) at `now_s`; only the day before the newest counts."""
        self._recorded = tuple(sorted(recorded))
        self._begun_s = now_s
        self._place()

    def used(self, now_s: float, span_s: float) -> int:
        """Thousandths used in (now - span, now]."""
        if not self._used:
            return 0
        oldest, newest = now_s - span_s, now_s + AHEAD_S
        return sum(milli for at_s, milli in self._used if oldest < at_s <= newest)

    def newest_s(self, now_s: float, span_s: float) -> float | None:
        """When something was last used in (now - span, now]; None for nothing."""
        oldest, newest = now_s - span_s, now_s + AHEAD_S
        return next((at_s for at_s, _ in reversed(self._used) if oldest < at_s <= newest), None)

    def shift(self, by_s: float) -> None:
        """The clock was set: the moment of reading moves with it, the records do not."""
        self._begun_s += by_s
        self._place()

    def _place(self) -> None:
        if not self._recorded:
            return
        ahead_s = max(0.0, self._recorded[-1][0] - self._begun_s)
        moved = [(at_s - ahead_s if at_s > self._begun_s else at_s, milli) for at_s, milli in self._recorded]
        newest_s = max(at_s for at_s, _ in moved)
        self._used = tuple(sorted(entry for entry in moved if newest_s - entry[0] < DAY_S))
