"""How fast a dataset grows, and how long its disk and its budget last: from the files alone."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tomato_host.storage.reader import stream_files
from tomato_host.storage.recovery import last_payload
from tomato_host.storage.retention import stored_bytes

CLOCKWORK = "states"
"""A stream that is written steadily and never thinned: its first and last record say how long it has been."""
SHORTEST_DAYS = 0.25
"""Of less than six hours nobody can tell."""


class Outlook(NamedTuple):
    """All records together, and what a day adds; None while it is too early to say."""

    stored_bytes: int
    bytes_per_day: float | None


def outlook(root: Path) -> Outlook | None:
    """What the dataset at `root` takes; None where there is none."""
    folder = root / "private"
    if not folder.is_dir():
        return None
    stored = stored_bytes(folder)
    files = stream_files(folder).get(CLOCKWORK, [])
    first, last = (_moment(_first_line(files[0])), _moment(last_payload(files[-1]))) if files else (None, None)
    if first is None or last is None:
        return Outlook(stored, None)
    days = (last - first).total_seconds() / 86_400.0
    return Outlook(stored, stored / days if days >= SHORTEST_DAYS else None)


def _first_line(path: Path) -> bytes | None:
    with path.open("rb") as file:
        try:
            return json.dumps(json.loads(file.readline())["record"]).encode()
        except (ValueError, KeyError):
            return None


def _moment(record: bytes | None) -> datetime | None:
    return None if record is None else datetime.fromisoformat(json.loads(record)["ts"])
