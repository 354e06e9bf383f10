"""targets_v1: what the day is steered towards: base targets and what the expected weather made of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from shared_schemas.records.base import Listed, Part, Record, Timestamp

Scenario = Literal["dry_inflow", "heatwave", "wind_spike", "cold_spell"]


class TargetRange(Part):
    """A band to stay in."""

    low: FiniteFloat
    high: FiniteFloat

    @model_validator(mode="after")
    def _ordered(self) -> TargetRange:
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class TargetSet(Part):
    """Bands and budgets for one stretch of time."""

    vpd_day_kpa: TargetRange
    vpd_night_kpa: TargetRange
    air_temp_day_c: TargetRange
    air_temp_night_c: TargetRange
    soil_moisture_pct: TargetRange
    co2_day_ppm: TargetRange
    photoperiod_h: Annotated[FiniteFloat, Field(ge=0.0, le=18.0)]
    lights_on_hour: Annotated[FiniteFloat, Field(ge=0.0, lt=24.0)]
    water_ml_budget: Annotated[FiniteFloat, Field(ge=0.0)]
    co2_seconds_budget: Annotated[FiniteFloat, Field(ge=0.0)]


class TargetsV1(Record):
    """Base targets and what the expected weather made of them.

    Example:
        {"schema_version": "targets_v1", "ts": "2026-07-15T00:10:00+02:00",
         "valid_from": "2026-07-15T00:10:00+02:00", "valid_to": "2026-07-16T12:10:00+02:00",
         "growth_stage": "flowering", "scenarios": ["heatwave"],
         "base": {"vpd_day_kpa": {"low": 0.8, "high": 1.4}, "vpd_night_kpa": {"low": 0.4, "high": 0.9},
          "air_temp_day_c": {"low": 21.0, "high": 27.0}, "air_temp_night_c": {"low": 16.0, "high": 20.0},
          "soil_moisture_pct": {"low": 28.0, "high": 42.0}, "co2_day_ppm": {"low": 400.0, "high": 900.0},
          "photoperiod_h": 16.0, "lights_on_hour": 6.0, "water_ml_budget": 2200.0, "co2_seconds_budget": 600.0},
         "adapted": {"vpd_day_kpa": {"low": 0.8, "high": 1.4}, "vpd_night_kpa": {"low": 0.4, "high": 0.9},
          "air_temp_day_c": {"low": 21.0, "high": 27.0}, "air_temp_night_c": {"low": 16.0, "high": 20.0},
          "soil_moisture_pct": {"low": 30.0, "high": 42.0}, "co2_day_ppm": {"low": 400.0, "high": 900.0},
          "photoperiod_h": 16.0, "lights_on_hour": 4.0, "water_ml_budget": 2400.0, "co2_seconds_budget": 600.0}}
    """

    schema_version: Literal["targets_v1"]
    valid_from: Timestamp
    valid_to: Timestamp
    growth_stage: Literal["seedling", "vegetative", "flowering", "fruiting"]
    scenarios: Annotated[tuple[Scenario, ...], Listed] = ()
    base: TargetSet
    adapted: TargetSet
