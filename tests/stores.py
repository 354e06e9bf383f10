"""Stores for a recorder in tests of something else: one keeps records in memory, one keeps nothing."""

from __future__ import annotations

from shared_schemas.records import EventV1, Record


class MemoryOnly:
    """Keeps what it is offered, in order."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def offer(self, record: Record) -> bool:
        self.records.append(record)
        return True

    def events(self) -> list[str]:
        """The names of the events."""
        return [record.name for record in self.records if isinstance(record, EventV1)]


class NoStore:
    """Keeps nothing."""

    def offer(self, record: Record) -> bool:
        return True
