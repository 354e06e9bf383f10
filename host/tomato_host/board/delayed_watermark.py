"""A watermark that lags by a fixed time: what was written a moment ago may not survive a power cut yet."""

from __future__ import annotations

from collections import deque


class DelayedWatermark:
    """Records when a growing number was reached; `value` is the newest one at least `after_ms` old (-1: none)."""

    def __init__(self, after_ms: int = 0) -> None:
        self._after_ms = after_ms
        self._waiting: deque[tuple[int, int]] = deque()
        self.value = -1

    def update(self, reached: int, now_ms: int) -> None:
        """`reached` is the newest number at `now_ms`."""
        if not self._waiting or self._waiting[-1][1] != reached:
            self._waiting.append((now_ms, reached))
        while self._waiting and now_ms - self._waiting[0][0] >= self._after_ms:
            self.value = self._waiting.popleft()[1]

    def clear(self) -> None:
        """Start again from nothing, for a new boot of the board."""
        self._waiting.clear()
        self.value = -1
