"""Between the deciding loop and a slow or full disk: records waiting in memory, syncs in a thread of their own."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

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

    def pop_first(self) -> None:
        """The first one is stored."""
        self._bytes -= self._records.popleft()[1]


class BackgroundWorker:
    """Does one piece of work at a time in a thread of its own, which begins with the first piece."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._work: Callable[[], None] | None = None
        self._wanted = threading.Condition()
        self._closing = False

    def submit(self, work: Callable[[], None]) -> bool:
        """Hand over work that handles its own errors; False when the last piece is not done yet."""
        with self._wanted:
            if self._work is not None or self._closing:
                return False
            self._work = work
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dataset-sync", daemon=True)
                self._thread.start()
            self._wanted.notify()
        return True

    def close(self) -> None:
        """Wait for the work in hand and end the thread; closing twice is fine."""
        with self._wanted:
            self._closing = True
            self._wanted.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._wanted:
                while self._work is None:
                    if self._closing:
                        return
                    self._wanted.wait()
                work = self._work
            work()
            with self._wanted:
                self._work = None
