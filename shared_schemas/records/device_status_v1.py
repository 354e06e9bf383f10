"""device_status_v1: what the outputs do and how the board is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Identifier, Listed, Part, Record, ShortText, Timestamp
from shared_schemas.records.device_fields import OnOff as OnOff
from shared_schemas.records.device_fields import OutputStates

BoardState = Literal["BOOT", "SAFE", "READY", "LEASED", "SURVIVAL", "FAULT", "UNKNOWN"]


class Outputs(OutputStates):
    """ON or OFF for each output of `shared_schemas.devices.OUTPUTS`."""


class LatchedFault(Part):
    """A fault that the board holds until it is cleared by its id."""

    id: Annotated[int, Field(ge=0)]
    name: Identifier
    cause: ShortText = ""
    t_ms: Annotated[int, Field(ge=0)] = 0


class DeviceStatusV1(Record):
    """Outputs, budgets used and health of the board.

    Example:
        {"schema_version": "device_status_v1", "ts": "2026-02-14T10:00:00+01:00",
         "outputs": {"light": "ON", "circulation_fan": "ON", "exhaust_fan": "OFF", "humidifier": "OFF",
         "heater_mat": "OFF", "water_pump": "OFF", "co2_solenoid": "OFF"}, "mcu_connected": true,
         "board_state": "LEASED", "last_reset_ts": "2026-02-14T06:02:10+01:00", "boot_id": 17,
         "water_ml_used_today": 1600.0, "co2_seconds_used_today": 120.0, "faults": [], "free_heap_bytes": 151000,
         "firmware_version": "0.1.0"}
    """

    schema_version: Literal["device_status_v1"]
    outputs: Outputs
    mcu_connected: bool
    board_state: BoardState = "UNKNOWN"
    last_reset_ts: Timestamp | None = None
    reset_cause: ShortText | None = None
    boot_id: Annotated[int, Field(ge=0, le=0xFFFFFFFF)] | None = None
    water_ml_used_today: Annotated[FiniteFloat, Field(ge=0.0)] = 0.0
    co2_seconds_used_today: Annotated[FiniteFloat, Field(ge=0.0)] = 0.0
    faults: Annotated[tuple[LatchedFault, ...], Listed] = ()
    weakened: tuple[Identifier, ...] = ()
    """What the board's configuration takes away from its protection, by name; empty: nothing."""
    free_heap_bytes: Annotated[int, Field(ge=0)] | None = None
    safety_tick_worst_ms: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    firmware_version: ShortText | None = None
