"""An independent account of what the outputs really did: limits written by hand, real time, no code of the core."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
LIGHT, CIRCULATION, EXHAUST, HUMIDIFIER, HEATER, PUMP, CO2 = range(7)

# From devices.py and the issue, by hand: longest pulse, least pause, budgets of on-time (None: no bound), all in ms.
MAX_ON = (900_000, 900_000, 900_000, 300_000, 600_000, 30_000, 30_000)
MIN_OFF = (5_000, 0, 10_000, 60_000, 60_000, 60_000, 60_000)
HOUR_ON = (None, None, None, 1_800_000, 2_700_000, None, 120_000)
DAY_ON = (64_800_000, None, None, 21_600_000, 43_200_000, None, 600_000)
PUMP_HOUR_ML, PUMP_DAY_ML = 600, 2_500
UL_PER_MS = 20
RENEWABLE = (True, True, True, False, False, False, False)


class Ledger:
    """Intervals of on-time per output, in real ms since the first power-on, resets and outages included."""

    def __init__(self) -> None:
        self.intervals: list[deque[tuple[int, int]]] = [deque() for _ in range(7)]
        self.total_on = [0] * 7
        """Length of all that is in `intervals`, ms."""
        self.on_since: list[int | None] = [None] * 7
        self.may_run_until = [0] * 7
        self.water: deque[tuple[int, int]] = deque()
        """(moment, ul) of the last day; `water_ul` is their sum."""
        self.water_ul = 0

    def allowed(self, output: int, now: int, amount_ms: int) -> None:
        """The board accepted a pulse: this is how long the output may be on at most."""
        assert 0 < amount_ms <= MAX_ON[output]
        self.may_run_until[output] = now + amount_ms

    def span_one(self, output: int, on: bool, forced: bool, start: int, stop: int) -> None:
        """The pin of one output stood `on` from `start` until `stop`, where the hardware timer or the tick cut it."""
        if not on:
            self.on_since[output] = None
        if not on or stop == start:
            return
        if not forced:
            assert stop <= self.may_run_until[output], (output, start, stop, self.may_run_until[output])
        self._on(output, start, stop, forced)
        if output == PUMP:
            self.water.append((stop, (stop - start) * UL_PER_MS))
            self.water_ul += (stop - start) * UL_PER_MS

    def _on(self, output: int, start: int, stop: int, forced: bool) -> None:
        rows = self.intervals[output]
        if rows and rows[-1][1] == start and self.on_since[output] is not None:
            rows[-1] = (rows[-1][0], stop)
        else:
            if rows and not forced:
                assert start - rows[-1][1] >= MIN_OFF[output], (output, rows[-1], start)
            rows.append((start, stop))
        self.total_on[output] += stop - start
        self.on_since[output] = rows[-1][0]
        if not RENEWABLE[output]:
            assert rows[-1][1] - rows[-1][0] <= MAX_ON[output], (output, rows[-1])

    def check(self, now: int) -> None:
        """No rolling hour, no rolling day over its budget."""
        for output in range(7):
            rows = self.intervals[output]
            while rows and rows[0][1] <= now - DAY_MS:
                start, stop = rows.popleft()
                self.total_on[output] -= stop - start
            hour, day = HOUR_ON[output], DAY_ON[output]
            if day is not None:
                used = self.total_on[output] - max(0, now - DAY_MS - rows[0][0]) if rows else 0
                assert used <= day, (output, used, day)
            if hour is not None:
                used = sum(stop - max(start, now - HOUR_MS) for start, stop in newest(rows, now - HOUR_MS))
                assert used <= hour, (output, used, hour)
        while self.water and self.water[0][0] <= now - DAY_MS:
            self.water_ul -= self.water.popleft()[1]
        assert self.water_ul <= (PUMP_DAY_ML + 1) * 1_000
        recent_ul = 0
        for moment, ul in reversed(self.water):
            if moment <= now - HOUR_MS:
                break
            recent_ul += ul
        assert recent_ul <= (PUMP_HOUR_ML + 1) * 1_000


def newest(rows: deque[tuple[int, int]], since: int) -> Iterator[tuple[int, int]]:
    """The intervals that end after `since`, newest first."""
    for row in reversed(rows):
        if row[1] <= since:
            return
        yield row
