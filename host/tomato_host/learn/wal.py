"""A write-ahead log of transactions: BEGIN, DATA ..., COMMIT or ABORT, each with magic, version and CRC, synced.

A transaction counts when its COMMIT is whole. Whatever a kill or a power cut leaves behind the last whole record is cut
off when the log is opened for writing; a reader ignores it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from tomato_host.atomic_file import replace_file, sync_directory

MAGIC = b"TLWL"
VERSION = 1
MOST_BYTES = 16 * 1024 * 1024
"""Largest payload of one record."""

_HEADER = struct.Struct("<4sBBxxIII")
"""magic, version, mark, transaction, length, CRC-32 of mark, transaction, length and payload."""


class WalMark(IntEnum):
    """What a record is."""

    BEGIN = 1
    DATA = 2
    COMMIT = 3
    ABORT = 4


def _crc(mark: int, transaction: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<BII", mark, transaction, len(payload))))


def record_bytes(mark: WalMark, transaction: int, payload: bytes = b"") -> bytes:
    """One record. Raises ValueError above MOST_BYTES."""
    if len(payload) > MOST_BYTES:
        raise ValueError(f"a record of {len(payload)} bytes, {MOST_BYTES} are allowed")
    return _HEADER.pack(MAGIC, VERSION, mark, transaction, len(payload), _crc(mark, transaction, payload)) + payload


def _records(raw: bytes) -> Iterator[tuple[WalMark, int, bytes, int]]:
    """Every whole record from the beginning: mark, transaction, payload, end; stops at the first that is none."""
    at = 0
    while at + _HEADER.size <= len(raw):
        magic, version, mark, transaction, length, crc = _HEADER.unpack_from(raw, at)
        end = at + _HEADER.size + length
        payload = raw[at + _HEADER.size : end]
        whole = magic == MAGIC and version == VERSION and end <= len(raw) and mark in WalMark._value2member_map_
        if not whole or crc != _crc(mark, transaction, payload):
            return
        yield WalMark(mark), transaction, payload, end
        at = end


def committed(path: Path) -> list[list[bytes]]:
    """The payloads of every committed transaction, oldest first; empty where there is no log. Raises OSError."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return []
    found: list[list[bytes]] = []
    current: list[bytes] = []
    number = -1
    for mark, transaction, payload, _ in _records(raw):
        if mark is WalMark.BEGIN:
            current, number = [], transaction
        elif transaction == number and mark is WalMark.DATA:
            current.append(payload)
        elif transaction == number and mark is WalMark.COMMIT:
            found.append(current)
            number = -1
        else:
            number = -1
    return found


class WriteAheadLog:
    """The log, open for appending by one process. Raises OSError from everything that writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = path.read_bytes() if path.exists() else b""
        ends = [(transaction, end) for _, transaction, _, end in _records(raw)]
        self._next = (max(t for t, _ in ends) + 1) if ends else 0
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        end = ends[-1][1] if ends else 0
        if end < len(raw):
            os.ftruncate(self._fd, end)
        os.fsync(self._fd)
        sync_directory(path.parent)

    def transaction(self, payloads: Sequence[bytes]) -> None:
        """Append one whole transaction; it is on the disk when this returns. A failed one is cut off again."""
        number, start = self._next, os.fstat(self._fd).st_size
        self._next += 1
        records = [record_bytes(WalMark.BEGIN, number)]
        records += [record_bytes(WalMark.DATA, number, payload) for payload in payloads]
        try:
            self._write(b"".join(records))
            os.fsync(self._fd)
            self._write(record_bytes(WalMark.COMMIT, number))
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, start)
            raise

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _write(self, content: bytes) -> None:
        view = memoryview(content)
        while view:
            view = view[os.write(self._fd, view) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def compact(path: Path, keep: Sequence[Sequence[bytes]]) -> None:
    """Replace a log by these transactions alone, whole or not at all. Raises OSError."""
    out = []
    for number, payloads in enumerate(keep):
        out += [record_bytes(WalMark.BEGIN, number), *(record_bytes(WalMark.DATA, number, one) for one in payloads)]
        out.append(record_bytes(WalMark.COMMIT, number))
    replace_file(path, b"".join(out), parents=True)
