"""sampling_plan_v1: how often to look, and when to look more closely."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Listed, Part, Record, ShortText, Timestamp


class SamplingOverride(Part):
    """A window with its own cadence."""

    start: Timestamp
    end: Timestamp
    period_s: Annotated[FiniteFloat, Field(ge=1.0, le=7_200.0)]
    reason: ShortText


class SamplingPlanV1(Record):
    """How often to look: base cadence of state records plus windows of closer attention.

    Example:
        {"schema_version": "sampling_plan_v1", "ts": "2026-02-14T10:00:00+01:00", "base_period_s": 1800.0,
         "telemetry_period_s": 10.0, "overrides": [{"start": "2026-02-14T13:17:00+01:00",
         "end": "2026-02-14T14:17:00+01:00", "period_s": 300.0, "reason": "WIND_SPIKE"}]}
    """

    schema_version: Literal["sampling_plan_v1"]
    base_period_s: Annotated[FiniteFloat, Field(ge=1.0, le=7_200.0)]
    telemetry_period_s: Annotated[FiniteFloat, Field(ge=1.0, le=3_600.0)] = 10.0
    overrides: Annotated[tuple[SamplingOverride, ...], Listed] = ()
