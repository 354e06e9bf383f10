"""What is no record, what does not fit on the disk, and what a dataset does about both."""

from __future__ import annotations

import errno
import os
import signal
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset, appender
from tomato_host.storage.buffering import WaitingRecords
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from tests.storage.samples import event, lines_of, observations


def test_rejects_non_serializable_record(tmp_path: Path) -> None:
    bad = event(1).model_dump() | {"data": {"count": object()}}
    with capture_logs() as logs, Dataset.open(tmp_path) as dataset:
        dataset.append(event(0))
        with pytest.raises(TomatoError) as caught:
            dataset.append(bad)
        assert caught.value.code == "E-STORAGE-MALFORMED"
        dataset.append(event(2))
        assert dataset.refused_records == 1
    assert [log["event"] for log in logs] == ["not a valid record"] and logs[0]["log_level"] == "error"
    assert [record.ts for record in read_records(tmp_path)] == [event(0).ts, event(2).ts]
    assert verify(tmp_path).ok


def test_malformed_observation_handling(tmp_path: Path) -> None:
    good = observations(2)
    raw = good[0].model_dump(mode="json")
    bad = [
        {key: value for key, value in raw.items() if key != "co2_ppm"},
        raw | {"air_temp_c": "24.3"},
        raw | {"air_temp_c": float("nan")},
        raw | {"rh_pct": 140.0},
        raw | {"ts": "2026-02-14T10:00:00"},
        raw | {"schema_version": "observation_v9"},
        raw | {"leak": None},
    ]
    with capture_logs() as logs, Dataset.open(tmp_path / "raise") as dataset:
        for record in bad:
            with pytest.raises(TomatoError) as caught:
                dataset.append(record)
            assert caught.value.code == "E-STORAGE-MALFORMED"
        assert dataset.append(raw) is not None
    with capture_logs() as more_logs, Dataset.open(tmp_path / "skip", on_malformed="skip") as dataset:
        for raw_record in bad:
            dataset.append(raw_record)
        for record_seen in good:
            dataset.append(record_seen)
        assert dataset.refused_records == len(bad)
    assert list(read_records(tmp_path / "skip")) == good
    assert list(read_records(tmp_path / "raise")) == good[:1]
    assert len(logs) == len(more_logs) == len(bad)


class FullDisk:
    """Stands in for os.write on a disk with so many bytes left: short writes, then ENOSPC, as a kernel does."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.real = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if self.left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        part = bytes(data)[: self.left]
        self.left -= len(part)
        return self.real(fd, part)


def test_a_full_disk_loses_nothing_acknowledged_and_writing_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(left=1_000)
    with Dataset.open(tmp_path, fsync="always") as dataset:
        monkeypatch.setattr(appender.os, "write", disk)
        stored, refused = [], []
        for number in range(20):
            if number == 15:
                disk.left = 1 << 30
            try:
                dataset.append(event(number))
                stored.append(event(number))
            except TomatoError as error:
                assert error.code == "E-STORAGE-FULL" and "Free some space" in error.next_step
                refused.append(number)
                assert b"".join(p.read_bytes() for p in (tmp_path / "private").glob("*.jsonl")).endswith(b"}\n")
        monkeypatch.undo()
    assert 3 <= len(stored) - 5 <= 8 and refused == list(range(refused[0], 15))
    assert list(read_records(tmp_path)) == stored
    assert verify(tmp_path).ok


def test_what_the_disk_refuses_waits_and_is_kept_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(left=1_000)
    with Dataset.open(tmp_path) as dataset:
        monkeypatch.setattr(appender.os, "write", disk)
        results = [dataset.offer(event(number)) for number in range(15)]
        refused = results.count(False)
        assert refused > 5 and dataset.waiting == refused and results == [True] * (15 - refused) + [False] * refused
        disk.left = 1 << 30
        assert dataset.offer(event(15)) is True and dataset.waiting == 0
        monkeypatch.undo()
    assert list(read_records(tmp_path)) == [event(number) for number in range(16)]
    assert verify(tmp_path).ok


def test_what_finds_no_room_even_in_memory_is_counted_and_owned_up_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FullDisk(left=1_000)
    with Dataset.open(tmp_path) as dataset:
        dataset._waiting = WaitingRecords(most_bytes=7_000)
        monkeypatch.setattr(appender.os, "write", disk)
        stored = [dataset.offer(event(number)) for number in range(15)].count(True)
        kept = dataset.waiting
        assert 2 <= kept <= 3
        disk.left = 1 << 30
        assert dataset.offer(event(15)) is True
        monkeypatch.undo()
    *before, confession, last = read_records(tmp_path)
    assert before == [event(number) for number in range(stored + kept)] and last == event(15)
    told = confession.model_dump()
    assert (told["name"], told["level"]) == ("records_not_stored", "ALARM")
    assert told["data"] == {"count": 15 - stored - kept} and verify(tmp_path).ok


def test_a_long_queue_is_written_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(left=0)
    with Dataset.open(tmp_path) as dataset:
        monkeypatch.setattr(appender.os, "write", disk)
        for number in range(450):
            dataset.offer(event(number % 50))
        disk.left = 1 << 30
        waits = []
        while True:
            done = dataset.offer(event(7))
            waits.append(dataset.waiting)
            if done:
                break
        monkeypatch.undo()
    assert waits == [251, 52, 0] and len(list(read_records(tmp_path))) == 453


def test_what_still_waits_at_the_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset.open(tmp_path)
    dataset.append(event(0))
    monkeypatch.setattr(appender.os, "write", FullDisk(left=0))
    dataset.offer(event(1))
    with pytest.raises(TomatoError, match="1 records never found room and are lost") as caught:
        dataset.close()
    assert caught.value.code == "E-STORAGE-FULL"
    monkeypatch.undo()
    with Dataset.open(tmp_path) as again:
        again.append(event(2))
    assert list(read_records(tmp_path)) == [event(0), event(2)] and verify(tmp_path).ok


def test_a_tail_that_could_not_be_cut_at_once_is_cut_before_the_next_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, length: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with Dataset.open(tmp_path) as dataset:
        dataset.append(event(0))
        with monkeypatch.context() as patch:
            patch.setattr(appender.os, "write", FullDisk(left=40))
            patch.setattr(appender.os, "ftruncate", refuse)
            with pytest.raises(TomatoError):
                dataset.append(event(1))
        assert not (tmp_path / "private" / dataset._streams["events"].file_name).read_bytes().endswith(b"\n")
        dataset.append(event(2))
    assert list(read_records(tmp_path)) == [event(0), event(2)] and verify(tmp_path).ok


def test_a_failed_sync_takes_the_record_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with Dataset.open(tmp_path, fsync="always") as dataset:
        dataset.append(event(0))
        with monkeypatch.context() as patch:
            patch.setattr(appender.os, "fsync", refuse)
            with pytest.raises(TomatoError) as caught:
                dataset.append(event(1))
            assert caught.value.code == "E-STORAGE-WRITE"
        assert len(lines_of(tmp_path, "events")) == 1
        dataset.append(event(2))
    assert list(read_records(tmp_path)) == [event(0), event(2)] and verify(tmp_path).ok


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_kernels_own_size_limit_is_met_like_a_full_disk(tmp_path: Path) -> None:
    """A real short write: the kernel refuses bytes beyond RLIMIT_FSIZE, in a child process of its own."""
    import resource

    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            dataset = Dataset.open(tmp_path, fsync="always")
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))
            refused = 0
            for number in range(40):
                if number == 30:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
                try:
                    dataset.append(event(number))
                except TomatoError as error:
                    refused += error.code == "E-STORAGE-FULL"
            dataset.close()
            status = 0 if 10 <= refused <= 20 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    result = verify(tmp_path)
    assert result.ok and 20 <= result.records <= 30
