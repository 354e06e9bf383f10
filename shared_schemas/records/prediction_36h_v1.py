"""prediction_36h_v1: what the world model expects inside the tent for the next 36 hours, with intervals."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Fraction, Identifier, Listed, Part, Record, ShortText, Timestamp


class Band(Part):
    """Expected value and the 80 % interval around it."""

    mean: FiniteFloat
    p10: FiniteFloat
    p90: FiniteFloat


class PredictedHour(Part):
    """One hour ahead. `soil` is keyed by probe id plus `avg`."""

    ts: Timestamp
    soil_pct: dict[str, Band]
    air_temp_c: Band | None
    rh_pct: Band | None
    vpd_kpa: Band | None
    leaf_vpd_kpa: Band | None = None
    stress_risk: Fraction


class RiskWindow(Part):
    """A stretch of hours in which the plant is expected to suffer unless something is done."""

    start: Timestamp
    end: Timestamp
    kind: Literal["drying", "vpd_high", "vpd_low", "heat", "cold", "wet"]
    risk: Fraction
    text: ShortText


class Prediction36hV1(Record):
    """The indoor forecast.

    Example:
        {"schema_version": "prediction_36h_v1", "ts": "2026-02-14T10:00:00+01:00",
         "model_version": "wm-2026-02-14-1", "weather_used": true, "explanation":
         "VPD 1.6 kPa at 15:00 because outside air falls to 28 % RH", "hours": [
         {"ts": "2026-02-14T11:00:00+01:00", "soil_pct": {"P1": {"mean": 31.0, "p10": 30.2, "p90": 31.8},
          "avg": {"mean": 31.0, "p10": 30.2, "p90": 31.8}}, "air_temp_c": {"mean": 24.0, "p10": 23.1, "p90": 24.9},
          "rh_pct": {"mean": 58.0, "p10": 52.0, "p90": 64.0}, "vpd_kpa": {"mean": 1.2, "p10": 1.0, "p90": 1.4},
          "stress_risk": 0.12}], "risk_windows": []}
    """

    schema_version: Literal["prediction_36h_v1"]
    model_version: Identifier
    coefficients_hash: Identifier | None = None
    weather_used: bool
    weather_age_min: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    explanation: ShortText
    hours: Annotated[tuple[PredictedHour, ...], Listed, Field(min_length=1)]
    risk_windows: Annotated[tuple[RiskWindow, ...], Listed] = ()
    water_ml_recommended: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
