"""Adds up one local day from the records that pass, for the chronicle."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared_schemas.devices import GAS
from shared_schemas.records import ActionV1, AnomalyV1, EventV1, Record, StateV1
from tomato_host.advisor.context import DayTotals


@dataclass(slots=True)
class RunningMean:
    """A running mean; None while nothing was added."""

    total: float = 0.0
    count: int = 0

    def add(self, value: float | None) -> None:
        """Add a value; an unknown one counts for nothing."""
        if value is not None:
            self.total += value
            self.count += 1

    @property
    def value(self) -> float | None:
        """The mean so far."""
        return round(self.total / self.count, 3) if self.count else None


@dataclass(slots=True)
class DailyTotals:
    """Running totals. Delivered amounts are what the board reported, not what was requested."""

    temps_c: list[float] = field(default_factory=list)
    vpd_kpa: RunningMean = field(default_factory=RunningMean)
    soil_pct: RunningMean = field(default_factory=RunningMean)
    water_ml: float = 0.0
    co2_seconds: float = 0.0
    done: int = 0
    refused: int = 0
    anomalies: int = 0
    starts: int = 0
    """Starts of the board, whatever their cause: the firmware sends one `boot` event each time."""

    def add(self, record: Record) -> None:
        """Add one record."""
        if isinstance(record, StateV1):
            self._add_state(record)
        elif isinstance(record, ActionV1):
            self._add_action(record)
        elif isinstance(record, AnomalyV1):
            self.anomalies += record.phase == "OPENED"
        elif isinstance(record, EventV1):
            self.starts += record.kind == "board" and record.name == "boot"

    def totals(self, date: str) -> DayTotals:
        """The totals of `date` (YYYY-MM-DD)."""
        return DayTotals(
            date=date,
            air_temp_min_c=min(self.temps_c, default=None),
            air_temp_max_c=max(self.temps_c, default=None),
            vpd_mean_kpa=self.vpd_kpa.value,
            soil_moisture_mean_pct=self.soil_pct.value,
            water_ml=round(self.water_ml, 1),
            co2_seconds=round(self.co2_seconds, 1),
            actions_done=self.done,
            actions_refused=self.refused,
            anomalies=self.anomalies,
            board_resets=self.starts,
        )

    def _add_state(self, state: StateV1) -> None:
        temp = state.env.air_temp_c
        if temp is not None:
            self.temps_c = [min([temp, *self.temps_c]), max([temp, *self.temps_c])]
        self.vpd_kpa.add(state.env.vpd_kpa)
        self.soil_pct.add(state.soil.avg_moisture_pct)

    def _add_action(self, action: ActionV1) -> None:
        """A judged action comes first without an outcome, and again with one."""
        if action.outcome is None:
            self.refused += action.safety.refused_by is not None
            return
        self.done += action.outcome.status == "DONE"
        self.water_ml += action.outcome.delivered_ml or 0.0
        if action.type.value == GAS.action:
            self.co2_seconds += action.outcome.delivered_s or 0.0
