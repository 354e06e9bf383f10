"""Who goes first on the bus, and who is let go first. A table, read by the feed and by the bus process alike."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Rank(IntEnum):
    """Lower numbers go first; each has room of its own, so that none can push another out."""

    ALARM = 0
    DEED = 1
    TELEMETRY = 2

    @property
    def word(self) -> str:
        """As it stands in topics and labels."""
        return self.name.lower()


RANK_OF = {
    "anomaly_v1": Rank.ALARM,
    "action_v1": Rank.DEED,
    "plan_v1": Rank.DEED,
    "event_v1": Rank.DEED,
}
"""Kinds of records; everything not named here is telemetry. An event of level ALARM is an alarm."""


def rank_of(kind: str, level: str | None = None) -> Rank:
    """The rank of a record by its schema version and, for events, its level."""
    if kind == "event_v1" and level == "ALARM":
        return Rank.ALARM
    return RANK_OF.get(kind, Rank.TELEMETRY)


def rank_of_record(record: dict[str, Any]) -> Rank:
    """The same for a record as JSON."""
    return rank_of(str(record.get("schema_version", "")), record.get("level"))
