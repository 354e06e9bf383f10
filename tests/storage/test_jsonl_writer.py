"""The writer: whole lines or nothing, and the promises of each flush and fsync mode."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset, appender
from tomato_host.storage.chain import parse_line
from tomato_host.storage.verify import verify

from shared_schemas.records import EventV1, parse_record
from tests.storage.samples import action, event, lines_of, observations, state


def test_atomic_append_writes_valid_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[bytes] = []
    real_write = os.write

    def counting(fd: int, data: bytes) -> int:
        calls.append(bytes(data))
        return real_write(fd, data)

    with Dataset.open(tmp_path) as dataset:
        monkeypatch.setattr(appender.os, "write", counting)
        receipts = [dataset.append(event(number)) for number in range(50)]
        monkeypatch.setattr(appender.os, "write", real_write)
    # One write a record, each a whole line.
    assert len(calls) == 50
    assert all(call.endswith(b"}\n") and call.count(b"\n") == 1 for call in calls)
    assert [r.n for r in receipts if r] == list(range(1, 51))
    lines = lines_of(tmp_path, "events")
    assert [json.loads(line)["record"]["text"] for line in lines] == [f"event {n}" for n in range(50)]
    assert [parse_record(parse_line(line).payload) for line in lines] == [event(n) for n in range(50)]


def test_flush_and_fsync_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real_fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (synced.append(fd), real_fsync(fd))[1])

    def syncs_of_appends(name: str, count: int, **options: object) -> int:
        dataset = Dataset.open(tmp_path / name, **options)  # type: ignore[arg-type]  # options by name
        dataset.append(event(0))
        before = len(synced)
        for number in range(1, count + 1):
            dataset.append(event(number))
        done = len(synced) - before
        dataset.close()
        assert verify(tmp_path / name).ok
        return done

    assert syncs_of_appends("always", 20, fsync="always") == 20
    assert syncs_of_appends("never", 20, fsync="never") == 0
    assert syncs_of_appends("interval", 20, fsync="interval", fsync_interval_s=3_600.0) == 0
    # In the background, and no faster than the disk: appends that come meanwhile share one sync.
    assert 0 <= syncs_of_appends("often", 20, fsync="interval", fsync_interval_s=1e-9) <= 20


def test_interval_syncs_reach_the_disk_without_being_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, release = threading.Event(), threading.Event()
    real_fsync, main_thread = os.fsync, threading.current_thread()

    def stuck(fd: int) -> None:
        if threading.current_thread() is not main_thread:
            begun.set()
            release.wait(20.0)
        real_fsync(fd)

    monkeypatch.setattr(os, "fsync", stuck)
    with Dataset.open(tmp_path, fsync="interval", fsync_interval_s=0.001) as dataset:
        begin = time.monotonic()
        dataset.append(event(0))
        time.sleep(0.002)
        for number in range(1, 200):
            dataset.append(event(number))
        assert begun.wait(5.0)
        for number in range(200, 400):
            dataset.append(event(number))
        # The disk hangs all this while; nobody waited for it.
        assert time.monotonic() - begin < 15.0
        release.set()
        assert dataset.sync_failures == 0
    assert verify(tmp_path).ok


def test_a_failing_background_sync_is_counted_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(fd: int) -> None:
        raise OSError(5, "input/output error")

    with capture_logs() as logs, Dataset.open(tmp_path, fsync="interval", fsync_interval_s=0.05) as dataset:
        dataset.append(event(0))
        time.sleep(0.06)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            dataset.append(event(1))
            deadline = time.monotonic() + 5.0
            while not dataset.sync_failures and time.monotonic() < deadline:
                time.sleep(0.005)
        assert dataset.sync_failures >= 1
    assert logs[0]["event"] == "sync failed" and verify(tmp_path).ok


def test_gathered_lines_reach_the_file_in_one_write(tmp_path: Path) -> None:
    dataset = Dataset.open(tmp_path, flush_every=10)
    for number in range(25):
        dataset.append(event(number))
    assert len(lines_of(tmp_path, "events")) == 20
    dataset.flush()
    assert len(lines_of(tmp_path, "events")) == 25
    dataset.append(event(25))
    dataset.close()
    assert len(lines_of(tmp_path, "events")) == 26 and verify(tmp_path).ok


def test_fsync_always_and_gathering_contradict_each_other(tmp_path: Path) -> None:
    with pytest.raises(TomatoError) as caught:
        Dataset.open(tmp_path, fsync="always", flush_every=2)
    assert caught.value.code == "E-STORAGE-SETTINGS"


def test_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = [*observations(30), state(), action(1), event(2)]

    def write(name: str, **options: object) -> dict[str, bytes]:
        root = tmp_path / name
        with Dataset.open(root, **options) as dataset:  # type: ignore[arg-type]  # options by name
            for record in records:
                dataset.append(record)
        return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}

    first = write("a", fsync="never")
    assert first == write("b", fsync="always")
    assert first == write("c", fsync="never", flush_every=7)
    assert len(first["private/sensors_raw_2026-02.jsonl"].splitlines()) == 30


def test_a_dataset_goes_on_where_it_was_closed(tmp_path: Path) -> None:
    for begin in (0, 10, 20):
        with Dataset.open(tmp_path) as dataset:
            assert dataset.records == begin
            assert dataset.repairs == []
            for number in range(begin, begin + 10):
                dataset.append(event(number))
    result = verify(tmp_path)
    assert result.ok and result.records == 30 and result.streams["events"].seq == 30


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with Dataset.open(tmp_path):
        with pytest.raises(TomatoError) as caught:
            Dataset.open(tmp_path)
        assert caught.value.code == "E-STORAGE-BUSY"
    Dataset.open(tmp_path).close()


def test_an_unwritable_directory_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TomatoError) as caught:
        Dataset.open(tmp_path / "file" / "data")
    assert caught.value.code == "E-STORAGE-UNWRITABLE" and "--data-dir" in caught.value.next_step


def test_schemas_and_metadata_come_with_the_data(tmp_path: Path) -> None:
    Dataset.open(tmp_path, about={"seed": 7}).close()
    metadata = json.loads((tmp_path / "metadata.json").read_text())
    assert metadata["format"] == "tomato dataset 1" and metadata["seed"] == 7
    schema = json.loads((tmp_path / "schema" / "event_v1.schema.json").read_text())
    assert set(EventV1.model_fields) == set(schema["properties"])
