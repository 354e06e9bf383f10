"""One stream of a dataset: its chain, the file it currently fills, and when the next one begins."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.storage.appender import LineAppender
from tomato_host.storage.chain import genesis, next_line
from tomato_host.storage.layout import file_name, period, split_name
from tomato_host.storage.recovery import TailRepair, repair_tail
from tomato_host.storage.settings import StorageSettings


class StreamWriter:
    """Appends payloads of one stream. Memory and open files stay the same however long it runs."""

    def __init__(self, folder: Path, stream: str, files: list[Path], settings: StorageSettings) -> None:
        self.stream = stream
        self.repairs: list[TailRepair] = []
        self.head = genesis(stream)
        self._folder = folder
        self._settings = settings
        self._file: LineAppender | None = None
        self._part = ""
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._before_last = (self.head, 0)
        self._resume(files)

    def append(self, n: int, payload: bytes, moment: datetime) -> int:
        """Add one record; returns its `seq`. Raises TomatoError; then the stream stands as before."""
        line, head = next_line(self.head, n, payload)
        part = self._part_for(moment, len(line))
        if part != self._part or self._file is None:
            self.flush()
            self._start(part)
        assert self._file is not None
        self._before_last = (self.head, self._file.size)
        self._pending.append(line)
        self._pending_bytes += len(line)
        if len(self._pending) >= self._settings.flush_every:
            self._flush_or_drop_last()
        self.head = head
        return head.seq

    def undo_last(self) -> None:
        """Undo the last append: its sync failed, so it was never acknowledged. Not for gathered lines."""
        assert self._file is not None
        self.head, size = self._before_last
        self._file.truncate_to(size)

    def flush(self) -> None:
        """Hand gathered lines to the system in one write."""
        if self._pending:
            assert self._file is not None
            self._file.append(b"".join(self._pending))
            self._pending.clear()
            self._pending_bytes = 0

    def sync(self) -> None:
        """Put everything on the disk."""
        self.flush()
        if self._file is not None:
            self._file.sync()

    def handle(self) -> int | None:
        """Flush, and give a handle on the file being filled that the caller syncs and closes."""
        self.flush()
        return None if self._file is None else self._file.handle()

    def close(self) -> None:
        """Flush and close the file."""
        try:
            self.flush()
        finally:
            if self._file is not None:
                self._file.close()
                self._file = None

    @property
    def file_name(self) -> str:
        """Name of the file being filled."""
        return "" if self._file is None else self._file.path.name

    def _flush_or_drop_last(self) -> None:
        try:
            self.flush()
        except TomatoError:
            self._pending_bytes -= len(self._pending.pop())
            raise

    def _resume(self, files: list[Path]) -> None:
        """Continue behind the last whole record, after repairing a torn tail."""
        for path in reversed(files):
            head, repair = repair_tail(path)
            if repair is not None:
                self.repairs.append(repair)
            if head is not None:
                name = split_name(path.name)
                self.head, self._part = head, "" if name is None else name[1]
                self._file = LineAppender(path)
                return

    def _part_for(self, moment: datetime, line_bytes: int) -> str:
        if self._settings.rotate == "size":
            return self._not_taken(self._size_part(line_bytes))
        part = period(moment, self._settings.rotate)
        if len(part) == len(self._part):
            # A record older than its file's period (a clock set back) stays in order: files only go forward.
            return max(part, self._part)
        return self._not_taken(part)

    def _size_part(self, line_bytes: int) -> str:
        number = int(self._part) if self._part.isdigit() else 0
        filled = 0 if self._file is None else self._file.size + self._pending_bytes
        if number == 0 or (filled > 0 and filled + line_bytes > self._settings.max_bytes):
            number += 1
        return f"{number:06d}"

    def _not_taken(self, part: str) -> str:
        """After a change of the rotation policy an older file may have the name; the current one goes on then."""
        if part == self._part or not self._part:
            return part
        path = self._folder / file_name(self.stream, part)
        return self._part if path.exists() and path.stat().st_size > 0 else part

    def _start(self, part: str) -> None:
        if self._file is not None:
            if self._settings.fsync != "never":
                self._file.sync()
            self._file.close()
            self._file = None
        self._file = LineAppender(self._folder / file_name(self.stream, part))
        self._part = part
