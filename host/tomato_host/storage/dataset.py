"""The dataset of a run or a season: validated records in, whole chained lines on the disk."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple, Self

from shared_schemas.records import EventV1, Record, parse_record
from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.logs import Log
from tomato_host.storage.appender import WriterLock
from tomato_host.storage.buffering import BackgroundWorker, WaitingRecords
from tomato_host.storage.chain import Head, read_heads
from tomato_host.storage.layout import HEADS, RESERVE, create_run, make_layout, storage_event, stream_of
from tomato_host.storage.reader import stream_files
from tomato_host.storage.recovery import TailRepair
from tomato_host.storage.settings import Fsync, OnMalformed, Rotate, StorageSettings
from tomato_host.storage.stream import StreamWriter

MOST_AT_ONCE = 200
"""Waiting records written before a new one: some 20 ms, so that a returning disk does not hold up the lease."""
FIRST_HEADS_S = 5.0
HEADS_INTERVAL_S = 300.0
"""How old heads.json may grow while the dataset is open: what was cut off a tail since then cannot be proven.

It is written when the dataset opens, after the first seconds, then at this pace: once a minute would double what an SD
card takes in a day.
"""

_log = Log("storage")


class Receipt(NamedTuple):
    """Proof of an append: where the record stands."""

    stream: str
    n: int
    seq: int


class Dataset:
    """Append-only records of one directory; see docs/dataset.md for the guarantees.

    The same records in the same order give the same bytes, whatever machine, moment or speed.
    Not for several threads; one process at a time (TomatoError E-STORAGE-BUSY).
    """

    def __init__(self, root: Path, settings: StorageSettings, about: Mapping[str, Any]) -> None:
        if settings.fsync == "always" and settings.flush_every > 1:
            raise TomatoError(
                "E-STORAGE-SETTINGS",
                "fsync = always cannot be kept with flush_every above 1.",
                "Set flush_every = 1, or fsync = interval.",
            )
        self.root = root
        self.settings = settings
        self.repairs: list[TailRepair] = []
        self.losses: list[str] = []
        self.unreported: list[EventV1] = []
        """Alarms that it has recorded itself, for whoever reports them on."""
        self._background = BackgroundWorker()
        self.refused_records = 0
        self.sync_failures = 0
        self._waiting = WaitingRecords()
        self._newest_ts: datetime | None = None
        """Of the last record that was stored, or of the first that was refused."""
        self._private = root / "private"
        self._n = 0
        self._streams: dict[str, StreamWriter] = {}
        self._dirty: set[str] = set()
        self._next_sync_s = time.monotonic() + settings.fsync_interval_s
        self._next_telemetry_s = time.monotonic() + settings.fsync_telemetry_s
        self._next_heads_s = time.monotonic() + FIRST_HEADS_S
        make_layout(root, about)
        self._lock: WriterLock | None = WriterLock(self._private)
        self._resume()

    @classmethod
    def open(
        cls,
        root: Path | str,
        fsync: Fsync = "interval",
        rotate: Rotate = "month",
        *,
        flush_every: int = 1,
        fsync_interval_s: float = 5.0,
        max_bytes: int = 64 * 1024 * 1024,
        on_malformed: OnMalformed = "raise",
        about: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> Self:
        """Open or make the dataset in `root`, repairing torn tails.

        `about` goes into metadata.json of a new dataset. With `now` repairs and losses are also recorded as event_v1.
        Raises TomatoError E-STORAGE-UNWRITABLE, E-STORAGE-BUSY.
        """
        settings = StorageSettings(
            fsync=fsync,
            rotate=rotate,
            flush_every=flush_every,
            fsync_interval_s=fsync_interval_s,
            max_bytes=max_bytes,
            on_malformed=on_malformed,
        )
        return cls.from_settings(root, settings, about=about, now=now)

    @classmethod
    def from_settings(
        cls,
        root: Path | str,
        settings: StorageSettings,
        *,
        about: Mapping[str, Any] | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> Self:
        """As `open`, with the knobs in one value."""
        dataset = cls(Path(root), settings, about or {})
        if now is not None:
            for repair in dataset.repairs:
                dataset.append(storage_event(now(), "WARNING", "tail_repaired", repair.text))
            for loss in dataset.losses:
                dataset._record_alarm(storage_event(now(), "ALARM", "records_lost", loss))
        return dataset

    @classmethod
    def create_run(cls, base: Path | str, day: date, **options: Any) -> Self:
        """A new dataset in a fresh `base/run_YYYYMMDD` (options as for `open`)."""
        return cls.open(create_run(Path(base), day), **options)

    def append(self, record: Record | Mapping[str, Any], text: str | None = None) -> Receipt | None:
        """Store one record; `text` is its JSON, if the caller has made it already.

        When this returns a receipt the record is acknowledged as the fsync policy promises.

        None only with on_malformed = "skip", for something that is not a valid record (logged and counted).
        Raises TomatoError E-STORAGE-MALFORMED, E-STORAGE-FULL, E-STORAGE-WRITE; then the dataset stands as before.
        """
        checked = self._checked(record)
        if checked is None:
            return None
        stream = stream_of(checked.schema_version)  # type: ignore[attr-defined]  # every record names its version
        writer = self._streams.get(stream) or self._open_stream(stream, [])
        seq = writer.append(self._n + 1, (text or checked.to_json()).encode(), checked.ts)
        if self.settings.fsync == "always":
            try:
                writer.sync()
            except TomatoError:
                writer.undo_last()
                raise
        else:
            self._dirty.add(stream)
        self._n += 1
        self._newest_ts = checked.ts
        self._sync_when_due()
        return Receipt(stream, self._n, seq)

    def offer(self, record: Record, text: str | None = None) -> bool:
        """Store one record if the disk allows, else keep it waiting; the plant's loop goes on either way.

        True when this record and all before it are stored. What waits is written first, in order, as soon as the disk
        takes it. Should so much wait that some had to be let go, an event_v1 says how many are missing.
        """
        try:
            self._newest_ts = self._newest_ts or record.ts
            if not self._write_waiting(MOST_AT_ONCE):
                self._waiting.add(record)
                return False
            return self.append(record, text) is not None
        except TomatoError as error:
            if error.code not in ("E-STORAGE-FULL", "E-STORAGE-WRITE"):
                raise
            if not self._waiting:
                _log.error("records wait for the disk", code=error.code, why=error.message, next_step=error.next_step)
            self._waiting.add(record)
            return False

    def _record_alarm(self, event: EventV1) -> None:
        self.append(event)
        self.unreported.append(event)

    @property
    def waiting(self) -> int:
        """Records that were offered and are not stored yet."""
        return len(self._waiting)

    def _write_waiting(self, most: int) -> bool:
        """Write some of what waits; True when nothing waits any more. Raises TomatoError as `append` does."""
        while self._waiting and most > 0:
            self.append(self._waiting.first)
            self._waiting.pop_first()
            most -= 1
        if not self._waiting and self._waiting.lost and self._newest_ts is not None:
            lost, ts = self._waiting.lost, self._newest_ts
            text = f"{lost} records could not be kept while the disk refused them."
            self._record_alarm(storage_event(ts, "ALARM", "records_not_stored", text, count=lost))
            self._waiting.lost = 0
        return not self._waiting

    def flush(self) -> None:
        """Hand everything gathered to the system (survives the end of this process)."""
        for writer in self._streams.values():
            writer.flush()

    def sync(self) -> None:
        """Put everything on the disk now (survives a power cut). Raises TomatoError E-STORAGE-FULL, E-STORAGE-WRITE."""
        for writer in self._streams.values():
            writer.sync()
        self._dirty.clear()

    def close(self) -> None:
        """Flush, sync (unless fsync = never), write the heads, let the lock go. Closing twice is fine.

        Raises TomatoError E-STORAGE-FULL, E-STORAGE-WRITE, also when records still wait: they are lost then.
        """
        if self._lock is None:
            return
        self._background.close()
        try:
            self._write_waiting(len(self._waiting))
            if self.settings.fsync == "never":
                self.flush()
            else:
                self.sync()
            self._write_heads(closed=True)
        except TomatoError as error:
            if self._waiting:
                text = f"{len(self._waiting)} records never found room and are lost. {error.message}"
                raise TomatoError(error.code, text, error.next_step) from None
            raise
        finally:
            for writer in self._streams.values():
                writer.close()
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def records(self) -> int:
        """How many records the dataset holds, or rather: the count of the last one."""
        return self._n

    def heads(self) -> dict[str, Head]:
        """Per stream its last record's counts and hash: write them down elsewhere to make the whole tamper-evident."""
        return {stream: writer.head for stream, writer in sorted(self._streams.items()) if writer.head.seq}

    # -- inside ------------------------------------------------------------------------------------------------

    def _checked(self, record: Record | Mapping[str, Any]) -> Record | None:
        if isinstance(record, Record):
            return record
        try:
            return parse_record(json.dumps(dict(record), allow_nan=False))
        except (TypeError, ValueError) as error:
            self.refused_records += 1
            reason = str(error).replace("\n", " ")[:300]
            _log.error("not a valid record", reason=reason, policy=self.settings.on_malformed)
            if self.settings.on_malformed == "skip":
                return None
            raise TomatoError(
                "E-STORAGE-MALFORMED",
                f"That is no record of the contract: {reason}",
                "Compare it with docs/data_dictionary.md; nothing was written.",
            ) from error

    def _resume(self) -> None:
        try:
            for stream, files in stream_files(self._private).items():
                self._open_stream(stream, files)
        except BaseException:
            if self._lock is not None:
                self._lock.release()
            raise
        self._n = max((writer.head.n for writer in self._streams.values()), default=0)
        self._find_losses()
        self._write_heads(closed=False)
        for repair in self.repairs:
            _log.warning("torn tail repaired", detail=repair.text)
        for loss in self.losses:
            _log.error("records lost", detail=loss)

    def _open_stream(self, stream: str, files: list[Path]) -> StreamWriter:
        writer = StreamWriter(self._private, stream, files, self.settings)
        self.repairs.extend(writer.repairs)
        self._streams[stream] = writer
        return writer

    def _sync_when_due(self) -> None:
        """Hand the periodic syncs to the background; when the last ones are not through yet, the next append asks."""
        now_s = time.monotonic()
        due = self._due_for_sync(now_s)
        heads_due = now_s >= self._next_heads_s
        if not (due or heads_due):
            return
        try:
            self.flush()
            handles = [self._streams[stream].handle() for stream in sorted(due)]
        except (TomatoError, OSError) as error:
            # The record itself is in the file; telling the caller otherwise would have it stored twice.
            self._sync_failed(error)
            return
        heads = self._heads_text(closed=False) if heads_due else None
        taken = self._background.submit(lambda: self._sync_handles([h for h in handles if h is not None], heads))
        if not taken:
            _close_all(handles)
            return
        if due:
            self._next_sync_s = now_s + self.settings.fsync_interval_s
            self._dirty -= due
        if now_s >= self._next_telemetry_s:
            self._next_telemetry_s = now_s + self.settings.fsync_telemetry_s
        if heads_due:
            self._next_heads_s = now_s + HEADS_INTERVAL_S

    def _due_for_sync(self, now_s: float) -> set[str]:
        """Streams to be put on the disk now: what may be thinned may also wait longer."""
        if self.settings.fsync != "interval" or now_s < self._next_sync_s:
            return set()
        return set(self._dirty) if now_s >= self._next_telemetry_s else self._dirty - RESERVE.keys()

    def _sync_handles(self, handles: list[int], heads: bytes | None) -> None:
        """In the background: data first, then the heads that vouch for it."""
        try:
            for handle in handles:
                os.fsync(handle)
            if heads is not None:
                replace_file(self._private / HEADS, heads)
        except OSError as error:
            self._sync_failed(error)
        finally:
            _close_all(handles)

    def _sync_failed(self, error: Exception) -> None:
        self.sync_failures += 1
        _log.error("sync failed", why=str(error))

    def _write_heads(self, closed: bool) -> None:
        """The heads vouch for what is there; records without them are none the worse."""
        try:
            replace_file(self._private / HEADS, self._heads_text(closed), durable=self.settings.fsync != "never")
        except OSError as error:
            self._sync_failed(error)

    def _heads_text(self, closed: bool) -> bytes:
        heads = {s: {"n": h.n, "seq": h.seq, "hash": h.hash} for s, h in self.heads().items()}
        return json.dumps({"n": self._n, "closed": closed, "streams": heads}, indent=1).encode() + b"\n"

    def _find_losses(self) -> None:
        """Records that heads.json saw and that are gone: only a power cut without fsync, or an edit, does that."""
        for stream, head in read_heads(self._private).items():
            found = self._streams[stream].head.seq if stream in self._streams else 0
            if found < head.seq:
                gone = head.seq - found
                self.losses.append(f"{stream}: the last {gone} records are gone (record {head.seq} was there).")


def _close_all(handles: Sequence[int | None]) -> None:
    for handle in handles:
        if handle is not None:
            os.close(handle)
