"""The journal as it stands: of each entry its last version, without those that were withdrawn; yields and counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]

STREAM = "journal"
BEGINS = ("sown", "planted")
"""Tasks from which the days are counted; the later one counts where there are both."""


class JournalEntries:
    """Entries by id, as JSON. A later record of an id replaces the earlier one, or takes it out."""

    def __init__(self) -> None:
        self._by_id: dict[str, Json] = {}

    def add(self, record: Json) -> None:
        """One `journal_v1`, in the order of the dataset."""
        if record.get("withdrawn"):
            self._by_id.pop(record["id"], None)
        else:
            self._by_id[record["id"]] = record

    def get(self, entry_id: str) -> Json | None:
        """The entry of that id; None when there is none, or none any more."""
        return self._by_id.get(entry_id)

    def rows(self, since: float = 0.0, until: float = float("inf")) -> list[Json]:
        """Entries between two moments (Unix time, s), oldest first."""
        found = sorted(((_epoch(one["ts"]), one) for one in self._by_id.values()), key=lambda pair: pair[0])
        return [one for t, one in found if since <= t <= until]


def read_entries(data_dir: Path) -> JournalEntries:
    """The journal of a data directory, of a running host as well. Lines that are no records are passed over."""
    entries = JournalEntries()
    for record in _records(data_dir):
        entries.add(record)
    return entries


def _records(data_dir: Path) -> Iterator[Json]:
    for path in sorted((data_dir / "private").glob(f"{STREAM}_[0-9]*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                try:
                    yield json.loads(line)["record"]
                except (ValueError, KeyError):
                    continue


class JournalTotals(NamedTuple):
    """What the entries add up to."""

    harvest_g: float
    fruit_count: int
    harvests: int
    feed_ml: float
    tasks: dict[str, int]
    begun: date | None
    """The day from which days are counted; None: neither sown nor planted was noted."""
    day: int | None
    """How many days ago that is, the first being 1."""


def totals(rows: list[Json], today: date) -> JournalTotals:
    """Yields and counts of `rows`; `today` is the local date at the plants."""
    tasks: dict[str, int] = {}
    for one in rows:
        if one.get("task"):
            tasks[one["task"]] = tasks.get(one["task"], 0) + 1
    starts = [datetime.fromisoformat(one["ts"]).date() for one in rows if one.get("task") in BEGINS]
    begun = max(starts, default=None)
    harvests = [one for one in rows if one["kind"] == "harvest"]
    return JournalTotals(
        round(sum(one["harvest_g"] for one in harvests), 1),
        sum(one.get("fruit_count") or 0 for one in harvests),
        len(harvests),
        round(sum(one.get("feed_ml") or 0.0 for one in rows), 1),
        tasks,
        begun,
        None if begun is None or begun > today else (today - begun).days + 1,
    )


def new_id(now: datetime) -> str:
    """The id of an entry written down at `now` (aware)."""
    return f"j-{now.astimezone(UTC):%Y%m%dT%H%M%S%f}"


def _epoch(ts: str) -> float:
    return datetime.fromisoformat(ts).timestamp()
