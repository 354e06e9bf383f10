"""state_v1: the estimated state of tent and plant, with how far each number is to be trusted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import (
    AirTempC,
    Co2Ppm,
    Fraction,
    Identifier,
    Kpa,
    Listed,
    Lux,
    Mode,
    Part,
    Percent,
    Record,
    ShortText,
    Timestamp,
)
from shared_schemas.records.device_fields import OutputStates

ZonePattern = Literal["uniform", "two_zone", "gradient", "dry", "wet", "unknown"]


class Env(Part):
    """The air. `vpd_kpa` is the vapour pressure deficit of the air; null where no trusted reading exists."""

    air_temp_c: AirTempC | None
    rh_pct: Percent | None
    co2_ppm: Co2Ppm | None
    vpd_kpa: Kpa | None
    dew_point_c: Annotated[FiniteFloat, Field(ge=-80.0, le=85.0)] | None = None
    absolute_humidity_g_m3: Annotated[FiniteFloat, Field(ge=0.0, le=400.0)] | None = None
    light_lux: Lux | None = None
    dli_mol_m2: Annotated[FiniteFloat, Field(ge=0.0, le=200.0)] | None = None
    """Daily light integral since local midnight."""


class AirMeans(Part):
    """The air as the mean of the last `over_s` seconds, of what was known; it is what controllers decide by.

    A fan or humidifier that works in strokes of half an hour makes a moment no measure of its hour: states that are
    recorded as often as the strokes come back would show the same part of a stroke day after day.
    """

    over_s: Annotated[FiniteFloat, Field(ge=0.0, le=86_400.0)]
    air_temp_c: AirTempC | None = None
    rh_pct: Percent | None = None
    co2_ppm: Co2Ppm | None = None
    vpd_kpa: Kpa | None = None


class VisionSummary(Part):
    """What the last trusted picture said, in one glance."""

    source: Identifier
    summary: ShortText
    stress_score: Fraction | None
    fruit_count_est: Annotated[int, Field(ge=0, le=10_000)] | None
    confidence: Fraction


class Plant(Part):
    """The plant. `leaf_air_delta_c` is leaf minus air: negative while the leaf cools itself by transpiring."""

    leaf_temp_c: AirTempC | None
    leaf_air_delta_c: Annotated[FiniteFloat, Field(ge=-60.0, le=60.0)] | None
    leaf_vpd_kpa: Kpa | None = None
    vision: VisionSummary | None = None


class Probe(Part):
    """One soil probe after filtering."""

    id: Identifier
    moisture_pct: Percent | None
    confidence: Fraction


class Soil(Part):
    """The root zone; the average is over trusted probes, weighted by confidence."""

    temp_c: AirTempC | None
    probes: Annotated[tuple[Probe, ...], Listed, Field(max_length=16)]
    avg_moisture_pct: Percent | None
    zone_pattern: ZonePattern


class Devices(OutputStates):
    """The outputs and the board at that moment."""

    mcu_connected: bool
    last_reset_ts: Timestamp | None


class Budgets(Part):
    """Used and allowed since local midnight."""

    water_ml_used_today: Annotated[FiniteFloat, Field(ge=0.0)]
    water_ml_budget_today: Annotated[FiniteFloat, Field(ge=0.0)]
    co2_seconds_used_today: Annotated[FiniteFloat, Field(ge=0.0)]
    co2_seconds_budget_today: Annotated[FiniteFloat, Field(ge=0.0)]


class StateV1(Record):
    """Estimated state. `confidence` is overall (docs/confidence_scoring.md), `quantity_confidence` per quantity.

    Example:
        {"schema_version": "state_v1", "ts": "2026-02-14T10:00:00+01:00",
         "env": {"air_temp_c": 24.3, "rh_pct": 61.7, "co2_ppm": 439.0, "vpd_kpa": 1.16},
         "plant": {"leaf_temp_c": 23.7, "leaf_air_delta_c": -0.6, "vision": {"source": "camera_main",
         "summary": "dense canopy, no wilting", "stress_score": 0.1, "fruit_count_est": 3, "confidence": 0.65}},
         "soil": {"temp_c": 19.7, "probes": [{"id": "P1", "moisture_pct": 15.6, "confidence": 0.55},
         {"id": "P2", "moisture_pct": 49.2, "confidence": 0.85}], "avg_moisture_pct": 36.0,
         "zone_pattern": "two_zone"},
         "devices": {"light": "ON", "circulation_fan": "ON", "exhaust_fan": "OFF", "humidifier": "OFF",
         "heater_mat": "OFF", "water_pump": "OFF", "co2_solenoid": "OFF", "mcu_connected": true,
         "last_reset_ts": "2026-02-14T06:02:10+01:00"},
         "budgets": {"water_ml_used_today": 1600.0, "water_ml_budget_today": 2200.0,
         "co2_seconds_used_today": 120.0, "co2_seconds_budget_today": 600.0},
         "confidence": 0.82, "quantity_confidence": {"air_temp_c": 0.95, "rh_pct": 0.95, "soil.P1": 0.55}}
    """

    schema_version: Literal["state_v1"]
    env: Env
    plant: Plant
    soil: Soil
    devices: Devices
    budgets: Budgets
    confidence: Fraction
    quantity_confidence: dict[str, Fraction] = Field(default_factory=dict)
    mode: Mode | None = None
    reason: ShortText | None = None
    """Why this record was written outside the base cadence; null on the cadence."""
    means: AirMeans | None = None
    """In recorded states, from version 0.2 on."""
