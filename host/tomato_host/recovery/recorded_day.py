"""Totals of a local day as an earlier process recorded them: the next one goes on with them instead of from zero.

Only what a process counts by itself is here. Energy and relay strokes are summed up from the records at each look
(`service/day_totals.py`), and the guardrails' ledger is built anew of the finished actions (`crash_recovery.py`).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from shared_schemas.devices import GAS
from shared_schemas.records.action_v1 import OUTPUT_OF
from tomato_host.recovery.stored_samples import newest, tail
from tomato_host.sources.day_meters import RecordedDay


def read_recorded_day(root: Path) -> RecordedDay | None:
    """The last day of the dataset at `root`; None without observations. Damaged lines are skipped."""
    observation, devices = newest(root, "observation_v1"), newest(root, "device_status_v1")
    if observation is None or devices is None:
        return None
    ts = datetime.fromisoformat(observation["ts"])
    today = observation["ts"][:10]
    state = newest(root, "state_v1") or {"ts": ""}
    board = observation.get("board") or {}
    return RecordedDay(
        ts=ts,
        # A status is recorded when it changes: the one in force at midnight was set to zero by the day's first.
        water_ml=float(devices["water_ml_used_today"]) if devices["ts"][:10] == today else 0.0,
        flow_ml=observation.get("flow_ml"),
        boot_id=board.get("boot_id"),
        co2_s=_gas_of(root, today),
        dli_mol_m2=state["env"]["dli_mol_m2"] if state["ts"][:10] == today else None,
    )


def _gas_of(root: Path, today: str) -> float:
    """Seconds of CO2 that the actions of `today` (an ISO date) have delivered."""
    seconds: dict[str, float] = {}
    for action in tail(root, "action_v1"):
        outcome = action.get("outcome")
        if outcome and OUTPUT_OF.get(action["type"]) == GAS.name and action["ts"][:10] == today:
            seconds[str(action.get("id"))] = outcome.get("delivered_s") or 0.0
    return sum(seconds.values())
