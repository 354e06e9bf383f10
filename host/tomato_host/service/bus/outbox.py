"""What waits to be sent: a bounded queue for each priority. A slow reader loses telemetry first, and it is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from tomato_host.service.bus.message import Priority

LIMIT_BYTES: Mapping[Priority, int] = {
    Priority.ALARM: 2_000_000,
    Priority.ACTION: 1_000_000,
    Priority.TELEMETRY: 500_000,
}
"""Some 3,000 alarms: weeks of them without a broker. All of it stands in the dataset anyway."""


class Outbox:
    """Lines by priority. A full queue drops its own oldest lines, never those of another priority."""

    def __init__(self, limit_bytes: Mapping[Priority, int] = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._lines: dict[Priority, deque[bytes]] = {priority: deque() for priority in Priority}
        self._bytes = dict.fromkeys(Priority, 0)
        self.dropped = dict.fromkeys(Priority, 0)
        """Lines dropped since the start, by priority."""

    def push(self, priority: Priority, line: bytes) -> None:
        """Queue one line behind those of its priority."""
        self._lines[priority].append(line)
        self._bytes[priority] += len(line)
        self._trim(priority)

    def pop_batch(self, most_bytes: int, most_lines: int = 1_000) -> list[tuple[Priority, bytes]]:
        """The next lines, highest priority first, oldest first within it; at least one if there is any."""
        out: list[tuple[Priority, bytes]] = []
        size = 0
        for priority, lines in self._lines.items():
            while lines and len(out) < most_lines and (not out or size + len(lines[0]) <= most_bytes):
                line = lines.popleft()
                self._bytes[priority] -= len(line)
                size += len(line)
                out.append((priority, line))
        return out

    def requeue(self, batch: Iterable[tuple[Priority, bytes]]) -> None:
        """Put a batch that could not be sent before everything else of its priority."""
        for priority, line in reversed(list(batch)):
            self._lines[priority].appendleft(line)
            self._bytes[priority] += len(line)
        for priority in Priority:
            self._trim(priority)

    def discard(self, unwanted: Callable[[bytes], bool]) -> None:
        """Remove lines that reach the reader another way; they are not counted as dropped."""
        for priority in Priority:
            self._lines[priority] = deque(line for line in self._lines[priority] if not unwanted(line))
            self._bytes[priority] = sum(map(len, self._lines[priority]))

    @property
    def waiting_bytes(self) -> int:
        """Bytes queued."""
        return sum(self._bytes.values())

    def __len__(self) -> int:
        """Lines queued."""
        return sum(map(len, self._lines.values()))

    def dropped_counts(self) -> dict[str, int]:
        """What was dropped, by the label of its priority."""
        return {priority.label: count for priority, count in self.dropped.items()}

    def _trim(self, priority: Priority) -> None:
        lines = self._lines[priority]
        while self._bytes[priority] > self._limit[priority] and len(lines) > 1:
            self._bytes[priority] -= len(lines.popleft())
            self.dropped[priority] += 1
