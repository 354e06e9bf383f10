"""What may be written: a bucket of bytes that fills evenly through the day. Pure: time comes with the records."""

from __future__ import annotations

from datetime import datetime, timedelta

DAY_S = 86_400.0
BURST = 1 / 8
"""Share of a day's budget that may come at once: what a board's store hands over after a night alone."""
RESERVE: dict[str, float] = {
    "sensors_raw": 0.5,
    "devices": 0.1, "sensor_health": 0.1, "predictions": 0.1, "sampling_plans": 0.1, "weather_log": 0.1,
}
"""Streams that may be thinned, and how full the bucket must be (of the burst) for each: readings go first.

What is not named here is never thinned: actions with their refusals, plans, events, anomalies, states, targets.
"""
AT_LEAST_EVERY = timedelta(minutes=10)
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
        self._now: datetime | None = None
        self._kept_at: dict[str, datetime] = {}

    def admits(self, stream: str, ts: datetime, size: int) -> bool:
        """Whether a record of `size` bytes shall be written; if so it is paid for."""
        self._fill(ts)
        share = RESERVE.get(stream)
        if share is not None and self._left - size < share * self._burst and not self._is_long_ago(stream, ts):
            return False
        if share is not None:
            self._kept_at[stream] = ts
        self._left = max(self._left - size, -self._rate * DAY_S)
        return True

    def _fill(self, ts: datetime) -> None:
        """A clock set back fills nothing; one set forward no more than a burst."""
        if self._now is not None and ts > self._now:
            self._left = min(self._burst, self._left + (ts - self._now).total_seconds() * self._rate)
        self._now = ts

    def _is_long_ago(self, stream: str, ts: datetime) -> bool:
        kept_at = self._kept_at.get(stream)
        return kept_at is None or ts - kept_at >= AT_LEAST_EVERY or ts < kept_at
