"""Stay below what a provider allows: at most so many requests in each of several sliding windows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

GEOSPHERE_LIMITS = ((5, 1.0), (240, 3_600.0))
"""GeoSphere Austria: 5 requests a second and 240 an hour."""


class RateLimiter:
    """Counts requests of the past; `delay_s` says how long the next one has to wait."""

    def __init__(self, limits: tuple[tuple[int, float], ...], monotonic: Callable[[], float]) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._past: deque[float] = deque(maxlen=max(count for count, _ in limits))

    def delay_s(self) -> float:
        """Seconds until one more request keeps every limit."""
        now = self._monotonic()
        wait = 0.0
        for count, window_s in self._limits:
            if len(self._past) >= count:
                wait = max(wait, self._past[-count] + window_s - now)
        return max(wait, 0.0)

    def used(self) -> None:
        """A request goes out now."""
        self._past.append(self._monotonic())
