"""States for the controller's tests, a healthy one by default."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from shared_schemas.devices import OUTPUTS
from shared_schemas.records import StateV1

NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
"""12:00 in Vienna, in the light hours of every stage."""
MIDNIGHT = datetime(2026, 6, 1, 22, 30, tzinfo=UTC)


def devices(**changed: str) -> dict[str, Any]:
    """The outputs by day, light and circulation on and the rest off, with those that a test changes."""
    quiet = {output.name: "OFF" for output in OUTPUTS}
    return {**quiet, "light": "ON", "circulation_fan": "ON", **changed, "mcu_connected": True, "last_reset_ts": None}


def state(
    ts: datetime = NOON,
    *,
    air: float | None = 24.0,
    rh: float | None = 66.0,
    vpd: float | None = 1.0,
    co2: float | None = 700.0,
    soil_temp: float | None = 20.0,
    probes: tuple[tuple[float | None, float], ...] = ((32.0, 0.9), (34.0, 0.9)),
    water_used: float = 0.0,
    co2_used: float = 0.0,
    confidence: float = 0.9,
    trust: dict[str, float] | None = None,
    light: str = "ON",
    exhaust: str = "OFF",
) -> StateV1:
    """A state_v1 with what a test cares about."""
    values = [m for m, c in probes if m is not None and c > 0.3]
    data: dict[str, Any] = {
        "schema_version": "state_v1",
        "ts": ts,
        "env": {"air_temp_c": air, "rh_pct": rh, "co2_ppm": co2, "vpd_kpa": vpd},
        "plant": {"leaf_temp_c": None, "leaf_air_delta_c": None},
        "soil": {
            "temp_c": soil_temp,
            "avg_moisture_pct": sum(values) / len(values) if values else None,
            "probes": [{"id": f"P{i + 1}", "moisture_pct": m, "confidence": c} for i, (m, c) in enumerate(probes)],
            "zone_pattern": "unknown",
        },
        "devices": devices(light=light, exhaust_fan=exhaust),
        "budgets": {
            "water_ml_used_today": water_used,
            "water_ml_budget_today": 2200.0,
            "co2_seconds_used_today": co2_used,
            "co2_seconds_budget_today": 600.0,
        },
        "confidence": confidence,
        "quantity_confidence": trust or {},
    }
    return StateV1.model_validate(data)
