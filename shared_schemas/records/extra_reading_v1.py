"""extra_reading_v1: one value of a sensor that is not the board's, as it came over MQTT or from Home Assistant."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Identifier, Record

ExtraQuantity = Literal[
    "air_temp_c", "rh_pct", "co2_ppm", "leaf_temp_c", "light_lux", "soil_temp_c", "soil_moisture_pct"
]
"""What a foreign sensor may measure, in the unit of its name."""


class ExtraReadingV1(Record):
    """A plausible value of a foreign sensor. It counts until it is `stale_after_s` old, and no more than `confidence`.

    Example:
        {"schema_version": "extra_reading_v1", "ts": "2026-02-14T10:00:00+01:00", "id": "bed",
         "quantity": "soil_moisture_pct", "value": 31.5, "confidence": 0.5, "stale_after_s": 900.0}
    """

    schema_version: Literal["extra_reading_v1"]
    id: Identifier
    """Name of the sensor in the settings; of a soil probe that of its probe."""
    quantity: ExtraQuantity
    value: FiniteFloat
    confidence: Annotated[FiniteFloat, Field(gt=0.0, le=0.6)]
    """The most that this value is ever believed; a sensor of the board reaches 1."""
    stale_after_s: Annotated[FiniteFloat, Field(ge=1.0, le=86_400.0)]
