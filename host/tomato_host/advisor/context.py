"""What the deciding loop hands to the advisor at a wake cycle: records to read, and no access to anything else."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, FiniteFloat

from shared_schemas.records import ActionV1, AnomalyV1, Part, PlanV1, StateV1
from shared_schemas.records.base import Identifier, Listed, Percent, Timestamp

Task = Literal["vision", "summary", "explanation", "hypothesis", "chronicle"]


class DayTotals(Part):
    """One local day in numbers; the ground of the daily chronicle. Null: nothing trusted was measured."""

    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    air_temp_min_c: FiniteFloat | None = None
    air_temp_max_c: FiniteFloat | None = None
    vpd_mean_kpa: FiniteFloat | None = None
    soil_moisture_mean_pct: Percent | None = None
    water_ml: Annotated[FiniteFloat, Field(ge=0.0)] = 0.0
    co2_seconds: Annotated[FiniteFloat, Field(ge=0.0)] = 0.0
    actions_done: Annotated[int, Field(ge=0)] = 0
    actions_refused: Annotated[int, Field(ge=0)] = 0
    anomalies: Annotated[int, Field(ge=0)] = 0
    board_resets: Annotated[int, Field(ge=0)] = 0


class WakeContext(Part):
    """One wake cycle as the advisor sees it."""

    wake_id: Identifier
    ts: Timestamp
    tasks: Annotated[tuple[Task, ...], Listed, Field(max_length=5)] = ("vision", "summary", "explanation")
    state: StateV1 | None = None
    anomalies: Annotated[tuple[AnomalyV1, ...], Listed, Field(max_length=32)] = ()
    actions: Annotated[tuple[ActionV1, ...], Listed, Field(max_length=32)] = ()
    plan: PlanV1 | None = None
    day: DayTotals | None = None

    def to_json(self) -> str:
        """One JSON line for the pipe."""
        return self.model_dump_json()

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Read it back. Raises pydantic.ValidationError."""
        return cls.model_validate_json(line)
