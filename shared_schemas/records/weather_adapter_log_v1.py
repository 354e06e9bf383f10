"""weather_adapter_log_v1: what the expected weather changed in the targets, and what was clipped."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import FiniteFloat

from shared_schemas.records.base import Identifier, Listed, Part, Record, ShortText, Timestamp
from shared_schemas.records.targets_v1 import Scenario


class Clip(Part):
    """One change that the adapter wanted and a limit cut."""

    field: Identifier
    wanted: FiniteFloat
    applied: FiniteFloat
    limit: ShortText


class AdapterChange(Part):
    """One target moved from here to there, by which scenario, because of which signal."""

    field: Identifier
    before: FiniteFloat
    after: FiniteFloat
    scenario: Scenario
    because: ShortText


class WeatherAdapterLogV1(Record):
    """What the weather adapter changed and what was clipped.

    Example:
        {"schema_version": "weather_adapter_log_v1", "ts": "2026-07-15T00:10:00+02:00",
         "forecast_ts": "2026-07-15T00:05:00+02:00", "scenarios": ["heatwave"], "changes": [
         {"field": "water_ml_budget", "before": 2200.0, "after": 2400.0, "scenario": "heatwave",
          "because": "outside maximum 35.2 degC at 16:00"}], "clips": [{"field": "water_ml_budget",
          "wanted": 2600.0, "applied": 2400.0, "limit": "board day budget 2500 ml with reserve"}]}
    """

    schema_version: Literal["weather_adapter_log_v1"]
    forecast_ts: Timestamp | None
    scenarios: Annotated[tuple[Scenario, ...], Listed] = ()
    changes: Annotated[tuple[AdapterChange, ...], Listed] = ()
    clips: Annotated[tuple[Clip, ...], Listed] = ()
    text: ShortText = ""
