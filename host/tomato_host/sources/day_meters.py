"""What today has taken by the board's counters, also over a restart of this process: water and CO2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """The newest totals of a dataset; they are those of the local day of `ts`."""

    ts: datetime
    """Of the newest observation, local with its offset."""
    water_ml: float = 0.0
    """Water since local midnight."""
    flow_ml: float | None = None
    """The flow meter's running total at `ts`, of the board's boot `boot_id`; None: not known."""
    boot_id: int | None = None
    co2_s: float = 0.0
    """CO2 since local midnight."""
    dli_mol_m2: float | None = None
    """Light integral since local midnight; None without a light sensor."""


class WaterMeter:
    """Water since local midnight, in ml: what the flow meter counted, whatever started the pump."""

    def __init__(self) -> None:
        self.used_ml = 0.0
        self._flow_ml: float | None = None
        self._day: date | None = None
        self._jumped = False
        """The date was set forward, with no midnight lived since."""
        self._seeded = False
        self._boot_id: int | None = None

    def resume(self, day: RecordedDay) -> None:
        """Go on where an earlier process has stopped: its total, and what has flowed since, are known."""
        self._seeded = True
        self.used_ml, self._day = day.water_ml, day.ts.date()
        self._flow_ml, self._boot_id = day.flow_ml, day.boot_id

    def seed(self, ml: float) -> None:
        """What the board counted before this process started: its last 24 h, an upper bound for today."""
        if not self._seeded:
            self._seeded = True
            self.used_ml = max(self.used_ml, ml)

    def update(self, flow_ml: float | None, local: datetime) -> None:
        """A reading of the meter's running total."""
        self._start_day(local.date())
        if flow_ml is None:
            return
        if self._flow_ml is not None and flow_ml > self._flow_ml:
            self.used_ml += flow_ml - self._flow_ml
        self._flow_ml = flow_ml

    def set_day(self, today: date) -> None:
        """The clock was set: no midnight was lived, so today's water stays, under today's new date.

        Set back, it is today again only where it was set forward before; else the rule of `_start_day` holds.
        """
        if self._day is not None and today > self._day:
            self._day, self._jumped = today, True
        elif self._jumped:
            self._day, self._jumped = today, False

    def _start_day(self, today: date) -> None:
        """A new day begins at zero. A clock set back over midnight does not: yesterday's water is not given twice."""
        if self._day is not None and today > self._day:
            self.used_ml, self._jumped = 0.0, False
        if self._day is None or today > self._day or self._day - today > timedelta(days=1):
            self._day = today

    def on_boot(self, boot_id: int) -> None:
        """Which boot the meter's total belongs to: with another one than before it begins at zero again."""
        if self._boot_id is not None and boot_id != self._boot_id:
            self._flow_ml = 0.0
        self._boot_id = boot_id


class GasMeter:
    """CO2 of today, in s: the board's count of the last 24 h, and what only an earlier process has recorded.

    A board whose counter was lost, or another board, reports less than was given since midnight by the records.
    """

    def __init__(self) -> None:
        self._counted_s = self._recorded_s = self._missing_s = 0.0
        self._day: date | None = None

    def resume(self, day: RecordedDay) -> None:
        """What was given on the day of an earlier process's records."""
        self._recorded_s, self._day = day.co2_s, day.ts.date()

    def update(self, counted_s: float) -> None:
        """The board's count; the first one shows how much of today's it does not know."""
        if self._recorded_s:
            self._missing_s = max(0.0, self._recorded_s - counted_s)
            self._recorded_s = 0.0
        self._counted_s = counted_s

    def used_s(self, today: Callable[[], date]) -> float:
        """Seconds of today; `today` is asked for only where something is missing."""
        if self._missing_s and today() != self._day:
            self._missing_s = 0.0
        return self._counted_s + self._missing_s
