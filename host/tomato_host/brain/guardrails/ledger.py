"""What has been promised to the board and what it has delivered: the ledger the guardrails keep.

Amounts are integers in thousandths (ms of on-time, or microlitres), so that sums never drift. Times are seconds since
the epoch. Plain data: `to_dict` and `from_dict` survive a restart, and equal histories give equal ledgers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import astuple, dataclass
from typing import Any

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


class Window:
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

    def entries(self) -> list[tuple[float, int]]:
        """The entries, oldest first, for saving."""
        return list(self._entries)


class Ledger:
    """Books of all outputs. Only `Guardrails` writes here."""

    __slots__ = ("_accepted", "_day", "_holds", "_hour", "_keys", "_last_s", "_under_way")

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self._hour = {name: Window(HOUR_S) for name in outputs}
        self._day = {name: Window(DAY_S) for name in outputs}
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

    def to_dict(self) -> dict[str, Any]:
        """The ledger as JSON-able data."""
        return {
            "used": {name: window.entries() for name, window in self._day.items()},
            "under_way": dict(self._under_way),
            "holds": {name: list(astuple(hold)) for name, hold in self._holds.items()},
            "accepted": list(self._accepted),
            "keys": list(self._keys),
            "last": dict(self._last_s),
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], now_s: float) -> Ledger:
        """Books as saved by `to_dict`. A pulse whose result was never seen counts as delivered in full, now."""
        ledger = cls(tuple(data["used"]))
        for name, entries in data["used"].items():
            for at_s, milli in entries:
                ledger.settle(name, 0, milli, at_s)
        ledger._holds = {name: Hold(*row) for name, row in data["holds"].items()}
        ledger._accepted = deque(data["accepted"])
        ledger._keys = dict.fromkeys(data["keys"])
        ledger._last_s = dict(data["last"])
        for name, milli in data["under_way"].items():
            ledger.settle(name, milli, milli, now_s)
        return ledger
