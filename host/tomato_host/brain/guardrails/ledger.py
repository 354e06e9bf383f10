"""The budget ledger: what has been reserved for accepted actions, what is under way on the board, what was delivered.

Every ml and every second of on-time is in exactly one of three places, per output:

    reserved --allocate--> under way --settle--> delivered (counts in the rolling hour and the rolling 24 h)
       ^                       |
       +--------refund---------+      a pulse that never began; release: what is still reserved is free again

- *Reserve* (phase one, on acceptance): one `Hold` an output gives an action the right to draw its amount until it ends.
  A reservation counts against no budget; it only keeps others of lower rank away. Budgets are therefore not blocked by
  actions that are long, late or never carried out.
- *Allocate* (phase two, before every single pulse): the exact rolling sums decide how much the pulse may take. It then
  counts at once, before the board has answered.
- *Settle*: the board's RESULT replaces what was allocated by what was delivered, at the time of the result.

Why two phases: a duty of two hours is accepted now and delivered in many pulses; another action may use the budget in
between. Checking only on acceptance would let sums overrun, checking only at each pulse would accept what can never be
delivered. Invariant, tested by a state machine of hostile proposals: delivered + under way is never above the hour's or
the day's budget, at any time, for any order of calls.

Errors fall to the dry side: a pulse whose result is never seen is settled as delivered in full by the executor. After a
restart the ledger is rebuilt from records (`Guardrails.replay`, `ledger_events`), never from a file of its own, so that
there is one source of truth; a replay that repeats the recorded movements ends with an equal ledger.

Amounts are integers in thousandths (ms of on-time, or microlitres): sums of floats drift, and 600 s must stay 600 s.
Windows are rolling, not calendar days: at midnight nothing is suddenly allowed twice. Times are seconds since the
epoch; every operation is O(1) amortised, a verdict must stay below 50 us.

Rejected: counting reservations as used (a long action would block the day for others), one budget table shared with the
board (the board counts for itself and is right when they differ; the host is only ever tighter), and a database (the
ledger is rebuilt in milliseconds from what is recorded anyway).
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

    def frees_at_s(self, milli: int) -> float | None:
        """When so many thousandths have left the window; None when it does not hold as many."""
        freed = 0
        for at_s, entry in self._entries:
            freed += entry
            if freed >= milli:
                return at_s + self._span_s
        return None


class Ledger:
    """The ledger of all outputs. Only `Guardrails` writes to it."""

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

    def hour_frees_s(self, output: str, milli: int) -> float | None:
        """When so many thousandths of the hour's use are older than an hour, epoch seconds."""
        return self._hour[output].frees_at_s(milli)

    def day_frees_s(self, output: str, milli: int) -> float | None:
        """When so many thousandths of the day's use are older than a day, epoch seconds."""
        return self._day[output].frees_at_s(milli)

    def hold(self, output: str, now_s: float) -> Hold | None:
        """Who holds this output now."""
        held = self._holds.get(output)
        return held if held is not None and held.end_s > now_s else None

    def last_s(self, output: str) -> float | None:
        """When this output was last reserved or used, epoch seconds; None when never."""
        return self._last_s.get(output)

    def accepted_within_hour(self, now_s: float) -> int:
        """Actions accepted in the last hour."""
        times, oldest = self._accepted, now_s - HOUR_S
        while times and times[0] <= oldest:
            times.popleft()
        return len(times)

    def accepted_again_s(self, limit: int) -> float:
        """When fewer than `limit` of the accepted actions lie within an hour, epoch seconds."""
        return self._accepted[len(self._accepted) - limit] + HOUR_S

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
