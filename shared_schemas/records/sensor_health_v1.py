"""sensor_health_v1: the diagnosis of every sensor at one moment."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from shared_schemas.records.base import Fraction, Identifier, Listed, Part, Record, ShortText, Timestamp


class FaultType(StrEnum):
    """How a sensor can fail."""

    STUCK_AT = "STUCK_AT"
    JUMP = "JUMP"
    DRIFT = "DRIFT"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    DISCONNECT = "DISCONNECT"
    INCONSISTENT = "INCONSISTENT"
    LIGHT_INTERFERENCE = "LIGHT_INTERFERENCE"
    REVERSED = "REVERSED"
    UNRESPONSIVE = "UNRESPONSIVE"


class SensorDiagnosis(Part):
    """One sensor: trusted, doubted or failed, and why."""

    id: Identifier
    status: Literal["OK", "SUSPECT", "FAILED", "NOT_FITTED"]
    confidence: Fraction
    faults: Annotated[tuple[Annotated[FaultType, Field(strict=False)], ...], Listed] = ()
    last_good_ts: Timestamp | None = None
    detail: ShortText = ""


class SensorHealthV1(Record):
    """All sensors.

    Example:
        {"schema_version": "sensor_health_v1", "ts": "2026-02-14T10:00:00+01:00", "sensors": [
         {"id": "air_temp_c", "status": "OK", "confidence": 0.95, "faults": []},
         {"id": "soil.P1", "status": "FAILED", "confidence": 0.0, "faults": ["DISCONNECT"],
          "last_good_ts": "2026-02-14T09:41:20+01:00", "detail": "no value since 09:41: unplugged"}]}
    """

    schema_version: Literal["sensor_health_v1"]
    sensors: Annotated[tuple[SensorDiagnosis, ...], Listed]
