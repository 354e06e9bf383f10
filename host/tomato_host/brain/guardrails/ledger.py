"""What has been promised to the board and what it has delivered: the ledger the guardrails keep.

Amounts are integers in thousandths (ms of on-time, or microlitres), so that sums never drift. Times are seconds since
the epoch. Plain data: `to_dict` and `from_dict` survive a restart, and equal histories give equal ledgers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

HOUR_S = 3_600.0
DAY_S = 86_400.0
MAX_KEYS = 8_192
"""Idempotency keys kept at most; an older proposal is refused by its age anyhow."""


@dataclass(slots=True)
class Hold:
    """An accepted action that holds its output until `end_s` and may still draw `left_milli` from it."""

    key: str
    rank: int
    left_milli: int
    end_s: float


class RollingWindow:
    """The sum of what was used within the last `span_s` seconds."""

    __slots__ = ("_entries", "_span_s", "_sum")

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s
        self._entries: deque[tuple[float, int]] = deque()
        self._sum = 0

    def add(self, at_s: float, milli: int) -> None:
        """Count `milli` as used at `at_s`."""
        self._entries.append((at_s, milli))
        self._sum += milli

    def used(self, now_s: float) -> int:
        """Thousandths used in (now - span, now]; forgets what is older."""
        entries, oldest = self._entries, now_s - self._span_s
        while entries and entries[0][0] <= oldest:
            self._sum -= entries.popleft()[1]
        return self._sum


class Ledger:
    """Books of all outputs. Only `Guardrails` writes context."""

    __slots__ = ("_accepted", "_day", "_holds", "_hour", "_keys", "_last_s", "_under_way")

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self._hour = {name: RollingWindow(HOUR_S) for name in outputs}
        self._day = {name: RollingWindow(DAY_S) for name in outputs}
        self._under_way = dict.fromkeys(outputs, 0)
        self._holds: dict[str, Hold] = {}
        self._accepted: deque[float] = deque()
        self._keys: dict[str, None] = {}
        self._last_s: dict[str, float] = {}

    def hour_used(self, output: str, now_s: float) -> int:
        """Thousandths delivered in the last hour or under way on the board."""
        return self._hour[output].used(now_s) + self._under_way[output]

    def day_used(self, output: str, now_s: float) -> int:
        """Thousandths delivered in the last 24 h or under way on the board."""
        return self._day[output].used(now_s) + self._under_way[output]

    def hold(self, output: str, now_s: float) -> Hold | None:
        """Who holds this output now."""
        held = self._holds.get(output)
        return held if held is not None and held.end_s > now_s else None

    def last_s(self, output: str) -> float | None:
        """When this output was last promised or used, epoch seconds; None when never."""
        return self._last_s.get(output)

    def accepted_within_hour(self, now_s: float) -> int:
        """Actions accepted in the last hour."""
        times, oldest = self._accepted, now_s - HOUR_S
        while times and times[0] <= oldest:
            times.popleft()
        return len(times)

    def knows(self, key: str) -> bool:
        """Whether this idempotency key was judged before."""
        return key in self._keys

    def remember(self, key: str) -> None:
        """Keep an idempotency key; the oldest leaves when the table is full."""
        if len(self._keys) >= MAX_KEYS:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = None

    def reserve(self, output: str, hold: Hold, now_s: float) -> None:
        """Give the output to an accepted action; what an earlier one had left to draw is free again."""
        self._holds[output] = hold
        self._accepted.append(now_s)
        if hold.left_milli > 0:
            self._last_s[output] = now_s

    def allocate(self, output: str, milli: int) -> None:
        """A pulse goes to the board: take it from the hold, count it as under way."""
        self._holds[output].left_milli -= milli
        self._under_way[output] += milli

    def settle(self, output: str, drawn_milli: int, delivered_milli: int, at_s: float) -> None:
        """The board's result is in: the pulse is no longer under way, what it delivered is used at `at_s`."""
        self._under_way[output] = max(0, self._under_way[output] - drawn_milli)
        if delivered_milli > 0:
            self._hour[output].add(at_s, delivered_milli)
            self._day[output].add(at_s, delivered_milli)
            self._last_s[output] = max(at_s, self._last_s.get(output, at_s))

    def refund(self, output: str, key: str, drawn_milli: int) -> None:
        """A pulse that never began: it is not under way, and its hold, if it still stands, may draw it again."""
        self._under_way[output] = max(0, self._under_way[output] - drawn_milli)
        held = self._holds.get(output)
        if held is not None and held.key == key:
            held.left_milli += drawn_milli

    def end_hold(self, output: str) -> None:
        """End the hold; what was not drawn is free again. What is under way stays counted until settled."""
        self._holds.pop(output, None)
