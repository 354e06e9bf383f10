"""How many MQTT commands are passed on, so that a flood never stands before a person's command. Pure: time is given.

A broker does not say which client published a message, so the limits are per topic and over all topics. Each is a
bucket of tokens that refills at a constant rate: a few presses in a row pass at once, ten a second do not. `STOPPING`
commands (pause, safe) have buckets of their own and are not counted against the common one: they stay possible in the
middle of a flood of others. Besides, at most `MOST_PENDING` requests wait for the host's answer at any moment, because
the host reads a bounded number of requests a turn, oldest first, and the command line's must not queue behind ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_PENDING = 4
"""Requests without an answer at one moment; the host reads up to 20 a turn."""
STOPPING = frozenset({"pause", "safe"})


@dataclass(slots=True)
class TokenBucket:
    """`burst` at once, then one each `period_s` seconds."""

    burst: float
    period_s: float
    tokens: float = -1.0
    at_s: float = 0.0

    def allow(self, now_s: float) -> bool:
        """Whether one more passes at `now_s` (a monotonic time, s); it is then counted."""
        if self.tokens < 0.0:
            self.tokens, self.at_s = self.burst, now_s
        self.tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) / self.period_s)
        self.at_s = now_s
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True

    def wait_s(self) -> float:
        """Seconds until the next one passes, as of the last question."""
        return max(0.0, (1.0 - self.tokens) * self.period_s)


class CommandLimits:
    """One bucket a topic and one for all together."""

    def __init__(self, names: Mapping[str, tuple[float, float]] | None = None) -> None:
        """`names`: burst and period in s by command, for other limits than the defaults."""
        self._each = {name: TokenBucket(*limit) for name, limit in (names or {}).items()}
        self._all = TokenBucket(20.0, 3.0)

    def refusal(self, name: str, now_s: float) -> str | None:
        """Why a command of this name is not passed on now; None when it is, and then it is counted."""
        if name not in self._each:
            self._each[name] = TokenBucket(10.0, 6.0)
        for bucket in (self._each[name],) if name in STOPPING else (self._each[name], self._all):
            if not bucket.allow(now_s):
                return (
                    f"too many: at most {bucket.burst:g} at once and one each {bucket.period_s:g} s; "
                    f"again in {bucket.wait_s():.0f} s"
                )
        return None
