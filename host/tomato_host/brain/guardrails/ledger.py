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

*The clock may be wrong* (no battery, a wrong date set by hand) and is set right later. Then elapsed time decides: with
`clock_was_set` everything in the ledger moves with the clock, so a dose of ten minutes ago stays one of ten minutes
ago. Where nobody reported the step, what lies in the future does not count: not as used, not as accepted, not as a
pause, not as a hold. It was written under a clock that was ahead, and would otherwise starve the plant for as long.

Amounts are integers in thousandths (ms of on-time, or microlitres): sums of floats drift, and 600 s must stay 600 s.
Windows are rolling, not calendar days: at midnight nothing is suddenly allowed twice. Times are seconds since the
epoch; every operation is O(1) amortised, a verdict must stay below 50 us.

Rejected: counting reservations as used (a long action would block the day for others), one budget table shared with the
board (the board counts for itself and is right when they differ; the host is only ever tighter), and a database (the
ledger is rebuilt in milliseconds from what is recorded anyway).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tomato_host.brain.guardrails.rolling_window import AHEAD_S, DAY_S, EarlierUse, RollingWindow

HOUR_S = 3_600.0
MAX_KEYS = 8_192
"""Idempotency keys kept at most; an older proposal is refused by its age anyhow."""


@dataclass(slots=True)
class Hold:
    """An accepted action that holds its output until `end_s` and may still draw `left_milli` from it."""

    key: str
    rank: int
    left_milli: int
    end_s: float
    since_s: float = float("-inf")
    """When it was accepted; a hold from the future holds nothing."""


class Ledger:
    """The ledger of all outputs. Only `Guardrails` writes to it."""

    __slots__ = ("_accepted", "_begun", "_day", "_earlier", "_holds", "_hour", "_keys", "_under_way")

    def __init__(self, outputs: tuple[str, ...]) -> None:
        self._hour = {name: RollingWindow(HOUR_S) for name in outputs}
        self._day = {name: RollingWindow(DAY_S) for name in outputs}
        self._begun = {name: RollingWindow(DAY_S) for name in outputs}
        self._earlier = {name: EarlierUse() for name in outputs}
        self._under_way = dict.fromkeys(outputs, 0)
        self._holds: dict[str, Hold] = {}
        self._accepted: dict[str, RollingWindow] = {}
        self._keys: dict[str, None] = {}

    def hour_used(self, output: str, now_s: float) -> int:
        """Thousandths delivered in the last hour or under way on the board."""
        earlier = self._earlier[output].used(now_s, HOUR_S)
        return self._hour[output].used(now_s) + earlier + self._under_way[output]

    def day_used(self, output: str, now_s: float, until_s: float = 0.0) -> int:
        """Thousandths delivered in the last 24 h or under way on the board.

        `until_s`: of these, what will still be of the last 24 h that many seconds from now.
        """
        earlier = self._earlier[output].used(now_s, DAY_S - until_s)
        return self._day[output].used(now_s, until_s) + earlier + self._under_way[output]

    def hour_frees_s(self, output: str, milli: int) -> float | None:
        """When so many thousandths of the hour's use are older than an hour, epoch seconds."""
        return self._hour[output].frees_at_s(milli)

    def day_frees_s(self, output: str, milli: int) -> float | None:
        """When so many thousandths of the day's use are older than a day, epoch seconds."""
        return self._day[output].frees_at_s(milli)

    def hold(self, output: str, now_s: float) -> Hold | None:
        """Who holds this output now."""
        held = self._holds.get(output)
        return held if held is not None and held.since_s - AHEAD_S <= now_s < held.end_s else None

    def newest_hold(self, output: str) -> Hold | None:
        """The last hold that was not ended, also when its time is over."""
        return self._holds.get(output)

    def last_s(self, output: str, now_s: float) -> float | None:
        """When this output was last reserved or used, epoch seconds; None when not within the last 24 h."""
        moments = (self._begun[output].newest_s(now_s), self._earlier[output].newest_s(now_s, DAY_S))
        return max((moment for moment in moments if moment is not None), default=None)

    def accepted_within_hour(self, asker: str, now_s: float) -> int:
        """Actions of one asker that were accepted in the last hour."""
        return self._accepted[asker].used(now_s) if asker in self._accepted else 0

    def accepted_again_s(self, asker: str, too_many: int) -> float | None:
        """When so many of the accepted actions are older than an hour, epoch seconds."""
        return self._accepted[asker].frees_at_s(too_many) if asker in self._accepted else None

    def knows(self, key: str) -> bool:
        """Whether an action with this idempotency key was accepted before."""
        return key in self._keys

    def remember(self, key: str) -> None:
        """Keep the idempotency key of an accepted action; the oldest leaves when the table is full."""
        if key in self._keys:
            return
        if len(self._keys) >= MAX_KEYS:
            del self._keys[next(iter(self._keys))]
        self._keys[key] = None

    def reserve(self, output: str, hold: Hold, asker: str, now_s: float) -> None:
        """Give the output to an accepted action; what an earlier one had left to draw is free again.

        Switching off (nothing to draw) is no action that counts: nobody is locked out by it.
        """
        self._holds[output] = hold
        if hold.left_milli > 0:
            self._accepted.setdefault(asker, RollingWindow(HOUR_S)).add(now_s, 1)
            self._begun[output].add(now_s, 1)

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
            self._begun[output].add(at_s, 1)

    def refund(self, output: str, key: str, drawn_milli: int) -> None:
        """A pulse that never began: it is not under way, and its hold, if it still stands, may draw it again."""
        self._under_way[output] = max(0, self._under_way[output] - drawn_milli)
        held = self._holds.get(output)
        if held is not None and held.key == key:
            held.left_milli += drawn_milli

    def end_hold(self, output: str) -> None:
        """End the hold; what was not drawn is free again. What is under way stays counted until settled."""
        self._holds.pop(output, None)

    def resume(self, output: str, used: Iterable[tuple[float, int]], now_s: float) -> None:
        """What earlier processes have used, as (epoch seconds, thousandths) by their records."""
        self._earlier[output].begin(used, now_s)

    def clock_was_set(self, moved_s: float) -> None:
        """The wall clock was set by `moved_s`: what happened a minute ago still happened a minute ago."""
        for table in (self._hour, self._day, self._begun, self._accepted):
            for window in table.values():
                window.shift(moved_s)
        for earlier in self._earlier.values():
            earlier.shift(moved_s)
        for held in self._holds.values():
            held.since_s += moved_s
            held.end_s += moved_s
