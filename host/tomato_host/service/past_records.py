"""What the dashboard knows at its start: recent alarms, events and actions, the last plan, forecast and targets.

Read from the dataset, so that a restart does not empty the page. They are the past: no anomaly is open because an
earlier process opened it, and a plan or forecast older than `FORECAST_LASTS_H` is not shown as the present one.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tomato_host.service.history import lines_of
from tomato_host.service.live_state import KEPT, LiveState
from tomato_host.storage.public_fields import LEDGER_EVENTS

Json = dict[str, Any]

TAIL_BYTES = 1_000_000
RECENT_STREAMS = ("events", "actions", "anomalies")
NEWEST_STREAMS = ("plans", "predictions", "targets")
FORECAST_LASTS_H = 3.0


def load_past(live: LiveState, data_dir: Path, now: datetime) -> None:
    """Fill `live` from the dataset. Nothing is sent to listeners; records of the future are passed over."""
    for stream in RECENT_STREAMS:
        for record in lines_of(data_dir, stream, TAIL_BYTES):
            kind = record.get("schema_version", "")
            is_ledger = str(record.get("name", "")).startswith(LEDGER_EVENTS)
            if kind in KEPT and not is_ledger and not record.get("shadow") and _age(record, now) >= timedelta(0):
                live.recent[kind].append(record)
    for stream in NEWEST_STREAMS:
        stored = list(lines_of(data_dir, stream, TAIL_BYTES))
        lasts = timedelta(hours=24.0 if stream == "targets" else FORECAST_LASTS_H)
        if stored and timedelta(0) <= _age(stored[-1], now) <= lasts:
            live.newest.setdefault(stored[-1]["schema_version"], stored[-1])


def _age(record: Json, now: datetime) -> timedelta:
    return now - datetime.fromisoformat(record["ts"])
