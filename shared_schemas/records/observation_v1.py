"""observation_v1: one set of raw readings from one source at one moment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from shared_schemas.devices import SENSORS
from shared_schemas.records.base import AirTempC, Co2Ppm, Identifier, Listed, Lux, Part, Percent, Record, Timestamp

MissingReason = Literal[
    "not_fitted",
    "not_measured",
    "timeout",
    "crc",
    "nack",
    "out_of_range",
    "stale",
    "warming_up",
    "unplugged",
    "invalid",
]
"""Why there is no value. `not_measured`: this source never has the quantity (recorded data of others)."""


class SoilReading(Part):
    """One soil probe: water content in percent by volume, and the raw count it came from."""

    id: Identifier
    moisture_pct: Percent | None
    raw: Annotated[int, Field(ge=0, le=65_535)] | None = None
    missing: MissingReason | None = None

    @model_validator(mode="after")
    def _value_or_reason(self) -> SoilReading:
        if (self.moisture_pct is None) == (self.missing is None):
            raise ValueError(f"probe {self.id}: give either moisture_pct or a reason in missing, not both or neither")
        return self


class BoardStamp(Part):
    """Where the board itself filed this sample; `(boot_id, seq)` is unique for ever."""

    boot_id: Annotated[int, Field(ge=0, le=0xFFFFFFFF)]
    seq: Annotated[int, Field(ge=0)]
    t_ms: Annotated[int, Field(ge=0)]
    backlog: bool = False


class ObservationV1(Record):
    """Raw readings before any filtering. Every quantity must be named: a value, or null with a reason in `missing`.

    Example:
        {"schema_version": "observation_v1", "ts": "2026-02-14T10:00:00+01:00", "origin": "board",
         "air_temp_c": 24.3, "rh_pct": 61.7, "co2_ppm": 439.0, "leaf_temp_c": 23.7, "light_lux": 18200.0,
         "soil_temp_c": 19.7, "soil": [{"id": "P1", "moisture_pct": 15.6, "raw": 41210},
         {"id": "P2", "moisture_pct": null, "missing": "unplugged"}], "flow_ml": 1600.0, "reservoir_ok": true,
         "leak": false, "door_open": null, "missing": {"door_open": "not_fitted"},
         "board": {"boot_id": 17, "seq": 4711, "t_ms": 123456}}
    """

    schema_version: Literal["observation_v1"]
    origin: Literal["board", "synthetic", "replay"]
    air_temp_c: AirTempC | None
    rh_pct: Percent | None
    co2_ppm: Co2Ppm | None
    leaf_temp_c: AirTempC | None
    light_lux: Lux | None
    soil_temp_c: AirTempC | None
    soil: Annotated[tuple[SoilReading, ...], Listed, Field(max_length=16)]
    flow_ml: Annotated[FiniteFloat, Field(ge=0.0)] | None
    reservoir_ok: bool | None
    leak: bool | None
    door_open: bool | None
    missing: dict[str, MissingReason] = Field(default_factory=dict)
    board: BoardStamp | None = None
    received_ts: Timestamp | None = None
    """When the host took it in; later than `ts` for samples out of the backlog."""

    @model_validator(mode="after")
    def _every_null_has_a_reason(self) -> ObservationV1:
        for name in QUANTITIES:
            value, explained = getattr(self, name), name in self.missing
            # A quantity that came later has a default, and records of before it give no reason for its null.
            if value is None and not explained and not type(self).model_fields[name].is_required():
                continue
            if (value is None) != explained:
                raise ValueError(f"{name}: give either a value or a reason in missing, not both or neither")
        unknown = set(self.missing) - set(QUANTITIES)
        if unknown:
            raise ValueError(f"missing names unknown quantities: {sorted(unknown)}")
        if len({probe.id for probe in self.soil}) != len(self.soil):
            raise ValueError("soil: two probes have the same id")
        return self


QUANTITIES = tuple(row.name for row in SENSORS if row.name in ObservationV1.model_fields)
"""The scalar quantities of an observation, in the registry's order; soil probes come on top."""
