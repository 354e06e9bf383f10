"""Alarms and deeds of the last hours from the dataset: what a crash may have kept from the broker."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tomato_host.service.bus.priorities import Rank, rank_of_record
from tomato_host.service.history import lines_of

STREAMS = ("anomalies", "events", "plans", "actions")
TAIL_BYTES = 500_000
MOST = 500
"""Of each rank; what a broker missed beyond that is read from the dataset by whoever needs it."""
BOOKS = "books_"
"""Movements of the guardrails' books: kept for a replay, told to nobody."""


def earlier(data_dir: Path, now: datetime, hours: float) -> list[dict[str, Any]]:
    """Records not older than `hours`, as the feed would have told them; oldest first within a stream."""
    since = now - timedelta(hours=hours)
    out: list[dict[str, Any]] = []
    for rank in (Rank.ALARM, Rank.DEED):
        found = [
            record
            for stream in STREAMS
            for record in lines_of(data_dir, stream, TAIL_BYTES)
            if rank_of_record(record) is rank and _wanted(record, since)
        ]
        out += found[-MOST:]
    return out


def _wanted(record: dict[str, Any], since: datetime) -> bool:
    is_books = str(record.get("name", "")).startswith(BOOKS)
    return not is_books and not record.get("shadow") and datetime.fromisoformat(record["ts"]) >= since
