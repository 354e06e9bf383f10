"""The log of a world: numbered, chained entries that hold everything that matters inside the hash.

An entry is one line of the dataset's chain (`storage/chain.py`) whose payload is the canonical JSON of the whole
envelope: effect, id of the intent, and `source_metadata` with world, agent, fingerprint, answer and use. Whatever is
changed anywhere in it - an id, a time, the world's name - is found by `validate`. The first entry of a log records the
world's seed, so that a replay draws the same random numbers.

`ChainedLog` keeps the lines in memory; given a path it writes them to a file first and continues behind the last whole
line of an earlier process. A tent's log is its dataset, behind the same protocol (`worlds/tent.py`). Compaction leaves
a log that begins with a head instead of the genesis; the chain from there on is as it was, so verification stays green.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from shared_schemas.world.messages import Effect
from tomato_host.storage.appender import LineAppender
from tomato_host.storage.chain import ChainedLine, Head, follows, genesis, next_line, parse_line
from tomato_host.storage.recovery import repair_tail

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode
"""Made once: `json.dumps` with options makes an encoder at each call."""


def canonical_json(value: Any) -> bytes:
    """The one JSON text of a value: keys sorted, no spaces, UTF-8. Raises ValueError for NaN and infinity."""
    return _CANONICAL(value).encode()


@dataclass(frozen=True, slots=True)
class EventLogEntry:
    """One entry. `n` is the global sequence of the world; it never leaves the host except to a full view."""

    n: int
    effect: Effect
    req_id: str | None
    source_metadata: Mapping[str, Any] = field(default_factory=dict)
    """World and agent; of an answered intent also its fingerprint, its answer and what it used."""
    hash: str = ""


class EventLog(Protocol):
    """What a world needs of its log. Entries are numbered from 1 without gaps."""

    @property
    def last_n(self) -> int:
        """Number of the newest entry; 0 when there is none."""

    @property
    def first_n(self) -> int:
        """Number of the oldest entry that can be read."""

    def append(self, effect: Effect, req_id: str | None, source_metadata: Mapping[str, Any] | None = None) -> int:
        """Store one effect; returns its number. When this returned, the entry is written. Raises TomatoError."""

    def entries_since(self, n: int) -> Iterator[EventLogEntry]:
        """The entries after number `n`, in order."""

    def validate(self) -> list[str]:
        """What is wrong with the chain, in plain words; empty when nothing is."""


class ChainedLog:
    """An `EventLog` in memory, and with a `path` on a file. Safe for several threads.

    With a path, raises TomatoError E-STORAGE-WRITE, E-STORAGE-FULL; a torn last line is cut off at the start.
    """

    def __init__(self, world: str, path: Path | None = None, base: Head | None = None) -> None:
        """`base`: the head that a compacted log goes on from."""
        self._base = base or genesis(world)
        self._lines: list[bytes] = []
        self._lock = threading.Lock()
        self._file: LineAppender | None = None
        if path is not None:
            if path.exists():
                repair_tail(path)
                self._lines = path.read_bytes().splitlines(keepends=True)
            self._file = LineAppender(path)
        self.head = self._head_of(self._lines[-1]) if self._lines else self._base

    @property
    def last_n(self) -> int:
        """As `EventLog.last_n`."""
        return self.head.n

    @property
    def first_n(self) -> int:
        """Number of the oldest entry that is still there."""
        return self._base.n + 1

    def append(self, effect: Effect, req_id: str | None, source_metadata: Mapping[str, Any] | None = None) -> int:
        """As `EventLog.append`. Raises ValueError for a payload that is no JSON."""
        payload = canonical_json({"effect": effect, "req_id": req_id, "source_metadata": source_metadata or {}})
        with self._lock:
            line, head = next_line(self.head, self.head.n + 1, payload)
            if self._file is not None:
                self._file.append(line)
            self._lines.append(line)
            self.head = head
            return head.n

    def entries_since(self, n: int) -> Iterator[EventLogEntry]:
        """As `EventLog.entries_since`. Raises ValueError when that part was compacted away, or a line is damaged."""
        if n < self._base.n:
            raise ValueError(f"entries up to {self._base.n} were compacted; the log begins after them")
        for line in self._lines[n - self._base.n :]:
            yield parse_entry(parse_line(line))

    def validate(self) -> list[str]:
        """As `EventLog.validate`: hashes, order, gaps, and whole envelopes."""
        head, wrong = self._base, []
        for line in list(self._lines):
            try:
                link = parse_line(line)
                parse_entry(link)
            except (ValueError, KeyError, TypeError) as error:
                wrong.append(f"the entry after {head.n} cannot be read: {error}")
                break
            why = follows(link, head) or ("" if link.n == head.n + 1 else f"entry {link.n} follows {head.n}")
            if why:
                wrong.append(why)
            head = Head(link.n, link.seq, link.hash)
        return wrong

    def lines(self) -> list[bytes]:
        """The chained lines, for export and for tests that damage one."""
        return list(self._lines)

    def compact(self, up_to: int) -> Head:
        """Forget entries up to number `up_to` in memory; returns the head that the rest goes on from."""
        with self._lock:
            if not self._base.n <= up_to <= self.head.n:
                raise ValueError(f"there is no entry {up_to}")
            if up_to > self._base.n:
                self._base = self._head_of(self._lines[up_to - self._base.n - 1])
            del self._lines[: len(self._lines) - (self.head.n - up_to)]
            return self._base

    def sync(self) -> None:
        """Put everything on the disk now. Raises TomatoError E-STORAGE-WRITE."""
        if self._file is not None:
            self._file.sync()

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @staticmethod
    def _head_of(line: bytes) -> Head:
        link = parse_line(line)
        return Head(link.n, link.seq, link.hash)


def parse_entry(link: ChainedLine) -> EventLogEntry:
    """The entry of one chained line. Raises KeyError or ValueError when its payload is none."""
    envelope = json.loads(link.payload)
    return EventLogEntry(link.n, envelope["effect"], envelope["req_id"], envelope["source_metadata"], link.hash)
