"""Isolation of host and slot: violations within five minutes, and the quarantine that three of them bring.

A violation is a gradient that reaches a host's parameter from a slot's loss. The host's own gradients are no violation:
the check runs the slot's loss alone and asks that the host has none at all (`learn/graft.py`).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from shared_schemas.learn.budgets import VIOLATION_WINDOW_S, VIOLATIONS_TO_QUARANTINE


@dataclass
class ViolationWindow:
    """Violations of one slot. `now_s` is monotonic, in seconds."""

    times: deque[float] = field(default_factory=deque)
    quarantined: bool = False

    def add(self, now_s: float) -> bool:
        """Count a violation; True when this one brings the quarantine."""
        self.times.append(now_s)
        before = self.quarantined
        self.quarantined = before or self.count(now_s) >= VIOLATIONS_TO_QUARANTINE
        return self.quarantined and not before

    def count(self, now_s: float) -> int:
        """Violations in the last five minutes."""
        while self.times and self.times[0] <= now_s - VIOLATION_WINDOW_S:
            self.times.popleft()
        return len(self.times)

    def clear(self) -> None:
        """End the quarantine: the slot was reset."""
        self.times.clear()
        self.quarantined = False
