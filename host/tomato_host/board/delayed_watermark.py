"""A count that only holds after a while: what was handed to the disk a moment ago may not be on it yet."""

from __future__ import annotations

from collections import deque


class DelayedWatermark:
    """Remembers when a growing number was reached, and gives the newest that is `after_ms` old."""

    def __init__(self, after_ms: int = 0) -> None:
        self._after_ms = after_ms
        self._waiting: deque[tuple[int, int]] = deque()
        self.ripe = -1

    def note(self, value: int, now_ms: int) -> None:
        """`value` is reached now."""
        if not self._waiting or self._waiting[-1][1] != value:
            self._waiting.append((now_ms, value))
        while self._waiting and now_ms - self._waiting[0][0] >= self._after_ms:
            self.ripe = self._waiting.popleft()[1]

    def clear(self) -> None:
        """Count from the beginning again."""
        self._waiting.clear()
        self.ripe = -1
