"""Back-off and circuit breaker: how long to leave a failing model or adapter alone. Pure; the caller has the clock."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class CircuitBreaker:
    """Failures double the pause; enough in a row open the circuit for a long rest, then one trial is let through."""

    backoff_first_s: float
    backoff_most_s: float
    failures_to_open: int
    rest_s: float
    failures: int = 0
    not_before_s: float = field(default=float("-inf"))

    def allows(self, now_s: float) -> bool:
        """True when an attempt may start at `now_s` (monotonic seconds)."""
        return now_s >= self.not_before_s

    def record_failure(self, now_s: float) -> None:
        """Note a failure and set the next moment at which an attempt is allowed."""
        self.failures += 1
        self.not_before_s = now_s + self._pause_s()

    def record_success(self) -> None:
        """Close the circuit again."""
        self.failures = 0
        self.not_before_s = float("-inf")

    @property
    def open(self) -> bool:
        """True after so many failures in a row that the long rest applies."""
        return self.failures >= self.failures_to_open

    def _pause_s(self) -> float:
        if self.open:
            return self.rest_s
        return min(self.backoff_most_s, self.backoff_first_s * 2.0 ** (self.failures - 1))
