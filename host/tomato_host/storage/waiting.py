"""Records that the disk has refused: kept in memory, in their order, until it takes them again."""

from __future__ import annotations

from collections import deque

from shared_schemas.records import Record

MOST_BYTES = 16_000_000
"""About a day of readings every 10 s with all that belongs to them."""
OVERHEAD_BYTES = 2_000
"""What a record of the contract holds in memory beyond its text, roughly."""


class WaitingRecords:
    """A queue bounded in bytes. What comes when it is full is lost, and counted."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._records: deque[tuple[Record, int]] = deque()
        self._bytes = 0
        self.lost = 0

    def __len__(self) -> int:
        return len(self._records)

    def add(self, record: Record) -> None:
        """Put one at the end, if there is room."""
        size = len(record.to_json()) + OVERHEAD_BYTES
        if self._bytes + size > self._most_bytes:
            self.lost += 1
            return
        self._records.append((record, size))
        self._bytes += size

    @property
    def first(self) -> Record:
        """The one that waits longest."""
        return self._records[0][0]

    def done(self) -> None:
        """The first one is stored."""
        self._bytes -= self._records.popleft()[1]
