"""Valid records for the tests of this package, made by number."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tomato_host.sources.synthetic import SyntheticSource

from shared_schemas.records import ActionV1, EventV1, ObservationV1, StateV1

SITE_ZONE = ZoneInfo("Europe/Vienna")
START = datetime(2026, 2, 14, 8, 0, tzinfo=UTC)


def event(number: int, ts: datetime | None = None, text: str = "") -> EventV1:
    return EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": ts or START + timedelta(seconds=number),
            "level": "INFO",
            "kind": "process",
            "name": "tick",
            "text": text or f"event {number}",
            "data": {"count": number},
        }
    )


def action(number: int, ts: datetime | None = None, **fields: object) -> ActionV1:
    moment = ts or START + timedelta(seconds=number)
    return ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": moment,
            "type": "WATER",
            "params": {"ml": 120.0, "pulses": 1},
            "why": {"rules_fired": ["soil.P1 < 18%"], "objective_hint": "reduce_water_stress", "state_ts": START},
            "safety": {"validated": True, "guardrails": ["daily_water_budget"]},
            "id": f"a-{number}",
            **fields,
        }
    )


def observations(count: int, start: datetime = START, period_s: float = 60.0, seed: int = 1) -> list[ObservationV1]:
    source = SyntheticSource(seed, start, count * period_s / 3600.0, period_s, zone=SITE_ZONE)
    found = [source.next_observation() for _ in range(count)]
    return [observation for observation in found if observation is not None]


def state(ts: datetime = START, **fields: object) -> StateV1:
    outputs = dict.fromkeys(
        ("light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat", "water_pump", "co2_solenoid"), "OFF"
    )
    return StateV1.model_validate(
        {
            "schema_version": "state_v1",
            "ts": ts,
            "env": {"air_temp_c": 24.3, "rh_pct": 61.7, "co2_ppm": 439.0, "vpd_kpa": 1.16},
            "plant": {"leaf_temp_c": 23.7, "leaf_air_delta_c": -0.6},
            "soil": {
                "temp_c": 19.7,
                "probes": [{"id": "P1", "moisture_pct": 15.6, "confidence": 0.55}],
                "avg_moisture_pct": 15.6,
                "zone_pattern": "uniform",
            },
            "devices": {**outputs, "mcu_connected": True, "last_reset_ts": None},
            "budgets": {
                "water_ml_used_today": 0.0,
                "water_ml_budget_today": 2200.0,
                "co2_seconds_used_today": 0.0,
                "co2_seconds_budget_today": 600.0,
            },
            "confidence": 0.8,
            **fields,
        }
    )


def lines_of(root: Path, stream: str) -> list[bytes]:
    """All lines of a stream, file after file by name."""
    return [
        line for path in sorted((root / "private").glob(f"{stream}_*.jsonl")) for line in path.read_bytes().splitlines()
    ]
