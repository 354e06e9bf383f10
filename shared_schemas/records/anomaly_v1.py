"""anomaly_v1: something outside the expected range, with what it may do and what must be done."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Identifier, Listed, Record, ShortText


class Severity(StrEnum):
    """How bad: LOW is noted, MEDIUM watched, HIGH answered now, CRITICAL enters safe mode."""

    LOW = "LOW"
    MEDIUM = "MEDIUM"
    HIGH = "HIGH"
    CRITICAL = "CRITICAL"


class AnomalyType(StrEnum):
    """What kind of event."""

    AIR_TEMP_HIGH = "AIR_TEMP_HIGH"
    AIR_TEMP_LOW = "AIR_TEMP_LOW"
    RH_HIGH = "RH_HIGH"
    RH_LOW = "RH_LOW"
    VPD_HIGH = "VPD_HIGH"
    VPD_LOW = "VPD_LOW"
    CO2_HIGH = "CO2_HIGH"
    CO2_LOW = "CO2_LOW"
    LEAF_HOT = "LEAF_HOT"
    SOIL_DRY = "SOIL_DRY"
    SOIL_WET = "SOIL_WET"
    SOIL_TEMP_HIGH = "SOIL_TEMP_HIGH"
    SOIL_TEMP_LOW = "SOIL_TEMP_LOW"
    CONDENSATION = "CONDENSATION"
    RAPID_CHANGE = "RAPID_CHANGE"
    WIND_SPIKE = "WIND_SPIKE"
    SENSOR_FAULT = "SENSOR_FAULT"
    SENSOR_DISCONNECT = "SENSOR_DISCONNECT"
    LIGHT_MISMATCH = "LIGHT_MISMATCH"
    LEAK = "LEAK"
    RESERVOIR_LOW = "RESERVOIR_LOW"
    WATER_NOT_ARRIVING = "WATER_NOT_ARRIVING"
    DOOR_OPEN = "DOOR_OPEN"
    MCU_DISCONNECTED = "MCU_DISCONNECTED"
    MCU_RESET = "MCU_RESET"
    BOARD_FAULT = "BOARD_FAULT"
    ACTUATOR_NO_EFFECT = "ACTUATOR_NO_EFFECT"
    WATER_BLOCKED = "WATER_BLOCKED"


class AnomalyV1(Record):
    """One anomaly. A lasting one is written when it opens and again when it clears.

    Example:
        {"schema_version": "anomaly_v1", "ts": "2026-02-14T13:17:00+01:00", "severity": "HIGH",
         "type": "WIND_SPIKE", "signals": {"wind_gust_mps": 18.0, "window_open_sensor": true},
         "expected_effects": ["rapid_VPD_increase", "leaf_temp_delta_change"],
         "required_response": ["increase_sampling", "check_fan_modes", "notify"]}
    """

    schema_version: Literal["anomaly_v1"]
    severity: Annotated[Severity, Field(strict=False)]
    type: Annotated[AnomalyType, Field(strict=False)]
    signals: dict[str, FiniteFloat | bool | str] = Field(default_factory=dict)
    expected_effects: Annotated[tuple[str, ...], Listed] = ()
    required_response: Annotated[tuple[str, ...], Listed] = ()
    subject: Identifier | None = None
    """The sensor, probe or output it is about."""
    phase: Literal["OPENED", "CLEARED"] = "OPENED"
    id: Identifier | None = None
    detail: ShortText | None = None
