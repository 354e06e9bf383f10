"""What waits to be told: bounded, alarms first. Whoever cannot keep up loses telemetry, and it is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from tomato_host.service.bus.priorities import Rank

ROOM_BYTES: Mapping[Rank, int] = {Rank.ALARM: 2_000_000, Rank.DEED: 1_000_000, Rank.TELEMETRY: 500_000}
"""Some 3,000 alarms: weeks of them without a broker. All of it stands in the dataset anyway."""


class Outbox:
    """Lines by rank. When a rank's room is full its oldest lines go; never those of a higher rank."""

    def __init__(self, room_bytes: Mapping[Rank, int] = ROOM_BYTES) -> None:
        self._room = room_bytes
        self._lines: dict[Rank, deque[bytes]] = {rank: deque() for rank in Rank}
        self._bytes = dict.fromkeys(Rank, 0)
        self.dropped = dict.fromkeys(Rank, 0)
        """Lines let go since the start, by rank."""

    def offer(self, rank: Rank, line: bytes) -> None:
        """Take one line in, behind those of its rank."""
        self._lines[rank].append(line)
        self._bytes[rank] += len(line)
        self._make_room(rank)

    def take(self, most_bytes: int, most_lines: int = 1_000) -> list[tuple[Rank, bytes]]:
        """The next lines out, highest rank first, oldest first within it; at least one if there is any."""
        out: list[tuple[Rank, bytes]] = []
        size = 0
        for rank, lines in self._lines.items():
            while lines and len(out) < most_lines and (not out or size + len(lines[0]) <= most_bytes):
                line = lines.popleft()
                self._bytes[rank] -= len(line)
                size += len(line)
                out.append((rank, line))
        return out

    def put_back(self, batch: Iterable[tuple[Rank, bytes]]) -> None:
        """What was taken and could not be told goes before everything else of its rank."""
        for rank, line in reversed(list(batch)):
            self._lines[rank].appendleft(line)
            self._bytes[rank] += len(line)
        for rank in Rank:
            self._make_room(rank)

    def forget(self, unwanted: Callable[[bytes], bool]) -> None:
        """Leave out lines that reach the reader another way; they are not counted as dropped."""
        for rank in Rank:
            self._lines[rank] = deque(line for line in self._lines[rank] if not unwanted(line))
            self._bytes[rank] = sum(map(len, self._lines[rank]))

    @property
    def waiting_bytes(self) -> int:
        """How much waits."""
        return sum(self._bytes.values())

    def __len__(self) -> int:
        """How many lines wait."""
        return sum(map(len, self._lines.values()))

    def counts(self) -> dict[str, int]:
        """What was dropped, by the rank's word."""
        return {rank.word: count for rank, count in self.dropped.items()}

    def _make_room(self, rank: Rank) -> None:
        lines = self._lines[rank]
        while self._bytes[rank] > self._room[rank] and len(lines) > 1:
            self._bytes[rank] -= len(lines.popleft())
            self.dropped[rank] += 1
