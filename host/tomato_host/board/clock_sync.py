"""Board time to host time: four timestamps, the exchanges with the shortest round trip, a fitted offset and drift.

Source: RFC 5905 (NTP v4), section 8: offset = ((t2 - t1) + (t3 - t4)) / 2, delay = (t4 - t1) - (t3 - t2); the
minimum-delay filter follows its section 10. The host derives UTC; the board's own record stays (boot_id, t_ms).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 32
"""Exchanges remembered."""
GOOD_EXTRA_MS = 2.0
"""An exchange whose delay is within this of the shortest one is used."""
DRIFT_SPAN_MS = 600_000.0
"""Offsets must span ten minutes before a drift is fitted: below, ms resolution drowns it."""
DRIFT_MAX = 500e-6
"""A crystal is good for 100 ppm, a ceramic resonator for 5,000 ppm, of which the rp2 and esp32 boards have none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One TIME exchange; host times in ms of one monotonic clock, board times in ms since boot."""

    t1_ms: float
    t2_ms: float
    t3_ms: float
    t4_ms: float

    @property
    def delay_ms(self) -> float:
        """Round trip without the time the board took."""
        return (self.t4_ms - self.t1_ms) - (self.t3_ms - self.t2_ms)

    @property
    def offset_ms(self) -> float:
        """Board time minus host time."""
        return ((self.t2_ms - self.t1_ms) + (self.t3_ms - self.t4_ms)) / 2.0


class ClockSync:
    """Turns board ms into host ms and back for one boot of the board. `reset` when boot_id changes."""

    def __init__(self) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=WINDOW)
        self._offset_ms = 0.0
        self._drift = 0.0
        self._at_ms = 0.0
        self.known = False

    def reset(self) -> None:
        """Forget all exchanges: the board has a new time base."""
        self.__init__()  # type: ignore[misc]  # a fresh object of the same class is exactly what is meant

    def seed(self, host_ms: float, board_ms: float) -> None:
        """A first rough offset, from HELLO, until an exchange is in."""
        if not self._exchanges:
            self._offset_ms, self._at_ms, self.known = board_ms - host_ms, host_ms, True

    def add(self, exchange: Exchange) -> bool:
        """Add one exchange; False when it is impossible (times that run backwards)."""
        if exchange.delay_ms < 0 or exchange.t4_ms < exchange.t1_ms or exchange.t3_ms < exchange.t2_ms:
            return False
        self._exchanges.append(exchange)
        self._fit()
        return True

    @property
    def drift_ppm(self) -> float:
        """How much faster the board's clock runs than the host's, in parts per million."""
        return self._drift * 1e6

    @property
    def error_ms(self) -> float:
        """Half the shortest round trip: the offset cannot be wrong by more at the moment it was taken."""
        return min((e.delay_ms for e in self._exchanges), default=float("inf")) / 2.0

    def _fit(self) -> None:
        shortest = min(e.delay_ms for e in self._exchanges)
        good = [e for e in self._exchanges if e.delay_ms <= shortest + GOOD_EXTRA_MS]
        times = [(e.t1_ms + e.t4_ms) / 2.0 for e in good]
        mean_t = sum(times) / len(good)
        mean_o = sum(e.offset_ms for e in good) / len(good)
        self._drift = 0.0
        if max(times) - min(times) >= DRIFT_SPAN_MS:
            spread = sum((t - mean_t) ** 2 for t in times)
            slope = sum((t - mean_t) * (e.offset_ms - mean_o) for t, e in zip(times, good, strict=True)) / spread
            self._drift = max(-DRIFT_MAX, min(DRIFT_MAX, slope))
        self._at_ms, self._offset_ms, self.known = mean_t, mean_o, True

    def board_from_host_ms(self, host_ms: float) -> float:
        """Board time at a host time."""
        return host_ms + self._offset_ms + self._drift * (host_ms - self._at_ms)

    def host_from_board_ms(self, board_ms: float) -> float:
        """Host time at a board time; the inverse of the above."""
        return self._at_ms + (board_ms - self._offset_ms - self._at_ms) / (1.0 + self._drift)
