"""The write-ahead log: cut at every byte it loses at most the last transaction, and is writable again."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tomato_host.learn.wal import WalMark, WriteAheadLog, committed, compact, record_bytes

TRANSACTIONS = [[b"one"], [b"two", b"", b"\x00" * 50], [b"three"]]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "wal.bin"
    for payloads in TRANSACTIONS:
        with WriteAheadLog(path) as open_log:
            open_log.transaction(payloads)
    return path


def test_what_is_committed_is_read_in_order(log: Path) -> None:
    assert committed(log) == TRANSACTIONS
    assert committed(log.with_name("none")) == []


def test_cut_at_every_byte_it_loses_at_most_the_cut_transaction_and_goes_on(log: Path) -> None:
    whole = log.read_bytes()
    ends = [len(whole)]
    for end in range(len(whole)):
        log.write_bytes(whole[:end])
        found = committed(log)
        assert found == TRANSACTIONS[: len(found)]
        ends.append(len(found))
        with WriteAheadLog(log) as reopened:
            reopened.transaction([b"after"])
        assert committed(log) == [*found, [b"after"]]
    assert ends.count(2) > ends.count(3) == 0


def test_every_flipped_bit_ends_the_log_there_and_forges_nothing(log: Path) -> None:
    whole = log.read_bytes()
    for bit in range(len(whole) * 8):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        log.write_bytes(bytes(damaged))
        found = committed(log)
        # Padding bytes carry nothing; a flip there changes nothing.
        assert found == TRANSACTIONS[: len(found)]


def test_an_aborted_and_an_interleaved_transaction_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "wal.bin"
    path.write_bytes(
        record_bytes(WalMark.BEGIN, 1)
        + record_bytes(WalMark.DATA, 1, b"a")
        + record_bytes(WalMark.ABORT, 1)
        + record_bytes(WalMark.COMMIT, 1)
        + record_bytes(WalMark.BEGIN, 2)
        + record_bytes(WalMark.DATA, 3, b"b")
        + record_bytes(WalMark.COMMIT, 2)
    )
    assert committed(path) == []


def test_a_full_disk_takes_the_half_written_transaction_back(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, write = log.read_bytes(), os.write

    def half(fd: int, content: bytes) -> int:
        if len(content) > 5:
            return write(fd, content[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    with WriteAheadLog(log) as open_log:
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(OSError, match="No space"):
            open_log.transaction([b"four"])
        monkeypatch.undo()
        assert log.read_bytes() == whole
        open_log.transaction([b"five"])
    assert committed(log) == [*TRANSACTIONS, [b"five"]]


def test_a_compacted_log_holds_what_was_kept(log: Path) -> None:
    compact(log, TRANSACTIONS[1:])
    assert committed(log) == TRANSACTIONS[1:]


def test_too_large_a_record_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed"):
        record_bytes(WalMark.DATA, 0, bytes(16 * 1024 * 1024 + 1))
