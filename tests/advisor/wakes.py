"""Wake contexts for tests: one ordinary cycle with a state, an action, an anomaly, a plan and a day."""

from __future__ import annotations

from datetime import datetime

from tomato_host.advisor.context import DayTotals, Task, WakeContext

from shared_schemas.records import ActionV1, AnomalyType, AnomalyV1, PlanV1, Severity, StateV1
from tests.control.states import devices

TS = "2026-02-14T10:00:00+01:00"


def state(air_temp_c: float = 24.3, moisture_pct: float = 36.0) -> StateV1:
    """A plausible state; the two arguments move it."""
    return StateV1.model_validate(
        {
            "schema_version": "state_v1",
            "ts": TS,
            "env": {"air_temp_c": air_temp_c, "rh_pct": 61.7, "co2_ppm": 439.0, "vpd_kpa": 1.16},
            "plant": {"leaf_temp_c": 23.7, "leaf_air_delta_c": -0.6},
            "soil": {
                "temp_c": 19.7,
                "probes": [
                    {"id": "P1", "moisture_pct": 15.6, "confidence": 0.55},
                    {"id": "P2", "moisture_pct": 49.2, "confidence": 0.85},
                ],
                "avg_moisture_pct": moisture_pct,
                "zone_pattern": "two_zone",
            },
            "devices": devices(),
            "budgets": {
                "water_ml_used_today": 1600.0,
                "water_ml_budget_today": 2200.0,
                "co2_seconds_used_today": 120.0,
                "co2_seconds_budget_today": 600.0,
            },
            "confidence": 0.82,
        }
    )


def context(
    wake_id: str = "w-1", tasks: tuple[Task, ...] = ("vision", "summary", "explanation"), at: StateV1 | None = None
) -> WakeContext:
    """One cycle with everything in it."""
    ts = datetime.fromisoformat(TS)
    action = ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": TS,
            "type": "WATER",
            "params": {"ml": 200.0, "pulses": 1},
            "why": {"rules_fired": ["soil.P1 < 18%"]},
            "outcome": {"status": "DONE", "delivered_ml": 199.0},
        }
    )
    anomaly = AnomalyV1(
        schema_version="anomaly_v1", ts=ts, severity=Severity.MEDIUM, type=AnomalyType.SOIL_DRY, subject="P1"
    )
    plan = PlanV1(
        schema_version="plan_v1",
        ts=ts,
        id="p-1",
        controller="rules",
        state_ts=ts,
        horizon_h=2.0,
        steps=(),
        not_done=("CO2: exhaust is on",),
        explanation="P1 is dry at 15.6 %, so 200 ml now.",
    )
    day = DayTotals(date="2026-02-14", air_temp_min_c=18.2, air_temp_max_c=26.4, water_ml=1600.0, actions_done=14)
    return WakeContext(
        wake_id=wake_id,
        ts=ts,
        tasks=tasks,
        state=at or state(),
        actions=(action,),
        anomalies=(anomaly,),
        plan=plan,
        day=day,
    )
