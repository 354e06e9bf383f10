"""An independent account of what the outputs really did: limits written by hand, real time, no code of the core."""

from __future__ import annotations

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
        self.intervals: list[list[tuple[int, int]]] = [[] for _ in range(7)]
        self.on_since: list[int | None] = [None] * 7
        self.may_run_until = [0] * 7
        self.water: list[tuple[int, float]] = []

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
            self.water.append((stop, (stop - start) * UL_PER_MS / 1_000))

    def _on(self, output: int, start: int, stop: int, forced: bool) -> None:
        rows = self.intervals[output]
        if rows and rows[-1][1] == start and self.on_since[output] is not None:
            rows[-1] = (rows[-1][0], stop)
        else:
            if rows and not forced:
                assert start - rows[-1][1] >= MIN_OFF[output], (output, rows[-1], start)
            rows.append((start, stop))
        self.on_since[output] = rows[-1][0]
        if not RENEWABLE[output]:
            assert rows[-1][1] - rows[-1][0] <= MAX_ON[output], (output, rows[-1])

    def check(self, now: int) -> None:
        """No rolling hour, no rolling day over its budget."""
        for output in range(7):
            rows = self.intervals[output]
            while rows and rows[0][1] < now - DAY_MS:
                rows.pop(0)
            for window, budget in ((HOUR_MS, HOUR_ON[output]), (DAY_MS, DAY_ON[output])):
                if budget is not None:
                    used = sum(stop - max(start, now - window) for start, stop in rows if stop > now - window)
                    assert used <= budget, (output, window, used, budget)
        self.water = [row for row in self.water if row[0] > now - DAY_MS]
        assert sum(ml for _, ml in self.water) <= PUMP_DAY_ML + 1
        assert sum(ml for t, ml in self.water if t > now - HOUR_MS) <= PUMP_HOUR_ML + 1
