"""What may be written: a bucket of bytes that fills evenly through the day. Pure: time is given.

Time is a count of seconds that only grows. The records' own times do not: they come from two clocks, out of a board's
store hours late, and a wall clock may be set.
"""

from __future__ import annotations

DAY_S = 86_400.0
BURST = 1 / 8
"""Share of a day's budget that may come at once: what a board's store hands over after a night alone."""
RESERVE: dict[str, float] = {
    "sensors_raw": 0.5,
    "devices": 0.1,
    "sensor_health": 0.1,
    "predictions": 0.1,
    "sampling_plans": 0.1,
    "weather_log": 0.1,
}
"""Streams that may be thinned, and how full the bucket must be (of the burst) for each: readings go first.

What is not named here is never thinned: actions with their refusals, plans, events, anomalies, states, targets.
"""
AT_LEAST_EVERY_S = 600.0
"""However little there is: one record of a thinned stream in this time."""


class Budget:
    """Says of each record whether it fits. In any 24 h no more than `bytes_per_day` of thinnable records do.

    Records that must be kept are always paid for, if need be with a debt, which is bounded so that a day later
    everything is as it was.
    """

    def __init__(self, bytes_per_day: float) -> None:
        self._burst = bytes_per_day * BURST
        self._rate = bytes_per_day * (1.0 - BURST) / DAY_S
        self._left = self._burst
        self._now_s: float | None = None
        self._kept_at_s: dict[str, float] = {}

    def admits(self, stream: str, now_s: float, size: int) -> bool:
        """Whether a record of `size` bytes shall be written; if so it is paid for."""
        self._fill(now_s)
        share = RESERVE.get(stream)
        if share is not None and self._left - size < share * self._burst and not self._is_long_ago(stream, now_s):
            return False
        if share is not None:
            self._kept_at_s[stream] = now_s
        self._left = max(self._left - size, -self._rate * DAY_S)
        return True

    def _fill(self, now_s: float) -> None:
        if self._now_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._now_s) * self._rate)
        self._now_s = now_s

    def _is_long_ago(self, stream: str, now_s: float) -> bool:
        return now_s - self._kept_at_s.get(stream, float("-inf")) >= AT_LEAST_EVERY_S
