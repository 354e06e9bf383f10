"""When a dataset syncs and renews its heads, what it says of failures and losses, and what is whole at every moment."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset, appender
from tomato_host.storage import dataset as datasets
from tomato_host.storage.buffering import OVERHEAD_BYTES, BackgroundWorker, WaitingRecords
from tomato_host.storage.dataset import Receipt
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from tests.storage.samples import START, action, event, lines_of, observations, state


class Immediate:
    """In the place of the background thread: does the work at once, or refuses it while `busy`."""

    def __init__(self) -> None:
        self.busy = False

    def submit(self, work: Callable[[], None]) -> bool:
        if not self.busy:
            work()
        return not self.busy

    def close(self) -> None:
        """Nothing runs."""


class Disk:
    """Time, syncs and replaced files of one test; a sync or replacement fails while its flag says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        self.synced: list[str] = []
        self.replaced: list[bytes] = []
        self.failing = False
        real_fsync, real_replace = os.fsync, datasets.replace_file

        def fsync(fd: int) -> None:
            if self.failing:
                raise OSError(errno.EIO, "input/output error")
            name = Path(os.readlink(f"/proc/self/fd/{fd}")).name
            if name.endswith(".jsonl"):
                self.synced.append(name.split("_2026")[0])
            real_fsync(fd)

        def replace(path: Path, content: bytes, **_: object) -> None:
            self.replaced.append(content)
            real_replace(path, content)

        monkeypatch.setattr("tomato_host.storage.dataset.time.monotonic", lambda: self.now_s)
        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(datasets, "replace_file", replace)

    def dataset(self, root: Path, **options: Any) -> tuple[Dataset, Immediate]:
        made = Dataset.open(root, **options)
        background = Immediate()
        made._background = background  # type: ignore[assignment]  # its own thread is tested by itself
        self.synced.clear()
        self.replaced.clear()
        return made, background

    def take_synced(self) -> list[str]:
        found, self.synced = self.synced, []
        return found


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def open_handles() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_decisions_are_synced_every_five_seconds_and_readings_once_a_minute(tmp_path: Path, disk: Disk) -> None:
    dataset, _ = disk.dataset(tmp_path)
    readings = observations(10)
    dataset.append(event(0))
    dataset.append(readings[0])
    disk.now_s += 4.9
    dataset.append(event(1))
    assert disk.take_synced() == []
    disk.now_s += 0.1
    before = open_handles()
    dataset.append(action(2))
    assert disk.take_synced() == ["actions", "events"] and open_handles() == before + 1, "only the new file stays open"
    disk.now_s += 5.0
    dataset.append(readings[1])
    assert disk.take_synced() == [], "nothing but readings is unsynced"
    dataset.append(event(3))
    assert disk.take_synced() == ["events"], "still due"
    disk.now_s = 1_000.0 + 60.0
    dataset.append(readings[2])
    assert disk.take_synced() == ["sensors_raw"]
    disk.now_s += 59.9
    dataset.append(readings[3])
    assert disk.take_synced() == []
    disk.now_s += 0.1
    dataset.append(readings[4])
    assert disk.take_synced() == ["sensors_raw"]
    dataset.close()


def test_what_is_synced_is_not_synced_again(tmp_path: Path, disk: Disk) -> None:
    dataset, _ = disk.dataset(tmp_path)
    dataset.append(event(0))
    disk.now_s += 5.0
    dataset.append(event(1))
    assert disk.take_synced() == ["events"]
    disk.now_s += 5.0
    dataset.append(action(2))
    assert disk.take_synced() == ["actions"]
    dataset.append(event(3))
    dataset.sync()
    assert sorted(disk.take_synced()) == ["actions", "events"], "by itself it asks for all"
    dataset.sync()
    assert disk.take_synced() == []
    disk.now_s += 5.0
    dataset.append(action(4))
    assert disk.take_synced() == ["actions"], "sync has done the rest"
    dataset.close()


@pytest.mark.parametrize(("fsync", "synced"), [("always", ["events"]), ("never", [])])
def test_other_policies_sync_at_once_or_not_at_all(tmp_path: Path, disk: Disk, fsync: Any, synced: list[str]) -> None:
    dataset, _ = disk.dataset(tmp_path, fsync=fsync)
    disk.now_s += 120.0
    dataset.append(event(0))
    assert disk.take_synced() == synced
    dataset.close()
    assert disk.synced == []


@pytest.mark.parametrize("fsync", ["never", "interval"])
def test_the_last_heads_vouch_only_for_what_is_in_the_files(
    tmp_path: Path, disk: Disk, fsync: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gathered lines are handed over first: a kill in between must not look like a tail that was cut off."""
    dataset, _ = disk.dataset(tmp_path, fsync=fsync, flush_every=100)
    dataset.append(event(0))
    real, stored = dataset._write_heads, list[int]()

    def write_heads(**options: Any) -> None:
        stored.append(next((tmp_path / "private").glob("events_*.jsonl")).read_bytes().count(b"\n"))
        real(**options)

    monkeypatch.setattr(dataset, "_write_heads", write_heads)
    dataset.close()
    assert stored == [1]


def test_the_heads_are_renewed_every_five_minutes_after_the_data(tmp_path: Path, disk: Disk) -> None:
    dataset, _ = disk.dataset(tmp_path)
    dataset.append(event(0))
    disk.now_s += 299.0
    dataset.append(event(1))
    assert len(disk.replaced) == 1, "the first heads are written after some seconds"
    disk.replaced.clear()
    disk.now_s += 300.0
    dataset.append(event(2))
    (heads,) = disk.replaced
    assert json.loads(heads)["streams"]["events"]["seq"] == 3 and json.loads(heads)["n"] == 3
    disk.now_s += 299.0
    dataset.append(event(3))
    assert len(disk.replaced) == 1
    disk.now_s += 1.0
    dataset.append(event(4))
    assert len(disk.replaced) == 2
    dataset.close()
    assert len(disk.replaced) == 3 and json.loads(disk.replaced[-1])["n"] == 5


def test_heads_are_renewed_without_any_sync_policy(tmp_path: Path, disk: Disk) -> None:
    dataset, _ = disk.dataset(tmp_path, fsync="never")
    disk.now_s += 300.0
    dataset.append(event(0))
    assert len(disk.replaced) == 1 and disk.take_synced() == []
    dataset.close()


def test_while_the_last_sync_hangs_the_next_is_asked_again_and_no_handle_is_left(tmp_path: Path, disk: Disk) -> None:
    dataset, background = disk.dataset(tmp_path)
    dataset.append(event(0))
    background.busy = True
    disk.now_s += 300.0
    before = open_handles()
    for number in range(1, 5):
        dataset.append(event(number))
    assert open_handles() == before and disk.synced == [] and disk.replaced == []
    background.busy = False
    dataset.append(event(5))
    assert disk.take_synced() == ["events"] and len(disk.replaced) == 1
    dataset.close()


def test_a_failing_sync_is_counted_each_time_and_closes_its_handles(tmp_path: Path, disk: Disk) -> None:
    dataset, _ = disk.dataset(tmp_path)
    dataset.append(event(0))
    disk.failing = True
    before = open_handles()
    for failures in (1, 2):
        disk.now_s += 5.0
        assert dataset.append(event(failures)) is not None, "the record itself is stored"
        assert dataset.sync_failures == failures and open_handles() == before
    disk.failing = False
    dataset.close()
    assert verify(tmp_path).records == 3


def test_a_failing_flush_before_a_sync_is_counted_and_the_record_is_stored(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset, _ = disk.dataset(tmp_path, flush_every=10)
    dataset.append(event(0))
    disk.now_s += 5.0
    with monkeypatch.context() as patch:
        patch.setattr(appender.os, "write", _refuse)
        assert dataset.append(event(1)) == Receipt("events", 2, 2)
    assert dataset.sync_failures == 1
    dataset.close()
    assert verify(tmp_path).records == 2


def _refuse(*_: object, **__: object) -> int:
    raise OSError(errno.EIO, "input/output error")


def test_heads_that_cannot_be_written_are_counted_and_harm_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = Dataset.open(tmp_path)
    dataset.append(event(0))
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "replace_file", _refuse)
        dataset.close()
    assert dataset.sync_failures == 1 and verify(tmp_path).ok
    Dataset.open(tmp_path).close()


def test_closing_flushes_what_is_gathered_under_every_policy(tmp_path: Path) -> None:
    for fsync in ("interval", "never"):
        root = tmp_path / fsync
        dataset = Dataset.open(root, fsync=fsync, flush_every=100)  # type: ignore[arg-type]  # one of the policies
        for number in range(3):
            dataset.append(event(number))
        assert lines_of(root, "events") == []
        dataset.close()
        dataset.close()
        assert len(lines_of(root, "events")) == 3 and verify(root).records == 3
        assert json.loads((root / "private" / "heads.json").read_text())["n"] == 3


def test_a_receipt_counts_over_the_dataset_and_over_the_stream(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        assert dataset.records == 0 and dataset.heads() == {} and dataset.waiting == 0
        receipts = [dataset.append(record) for record in (event(0), action(1), event(2), state())]
        assert receipts == [
            Receipt("events", 1, 1),
            Receipt("actions", 2, 1),
            Receipt("events", 3, 2),
            Receipt("states", 4, 1),
        ]
        assert list(dataset.heads()) == ["actions", "events", "states"] and dataset.records == 4
        assert (dataset.heads()["events"].n, dataset.heads()["events"].seq) == (3, 2)
    with Dataset.open(tmp_path) as again:
        assert again.append(event(5)) == Receipt("events", 5, 3)
        assert again.refused_records == again.sync_failures == 0 and again.losses == []


def test_the_text_given_is_the_text_stored(tmp_path: Path) -> None:
    text = event(0).to_json().replace('"tick"', '"tack"')
    with Dataset.open(tmp_path) as dataset:
        dataset.append(event(0), text)
        dataset.append(event(1))
        assert dataset.offer(event(2), text)
    assert [b'"tack"' in line for line in lines_of(tmp_path, "events")] == [True, False, True]


def test_without_a_clock_repairs_and_losses_are_not_recorded(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        for number in range(3):
            dataset.append(event(number))
    path = next((tmp_path / "private").glob("events_*.jsonl"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]) + b"torn")
    with capture_logs() as logs, Dataset.open(tmp_path) as dataset:
        assert len(dataset.repairs) == 1 and len(dataset.losses) == 1 and dataset.records == 1
    assert [log["event"] for log in logs] == ["torn tail repaired", "records lost"]
    assert len(lines_of(tmp_path, "events")) == 1


def test_a_stream_that_is_gone_whole_is_a_loss_too(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(event(0))
        dataset.append(action(1))
    next((tmp_path / "private").glob("actions_*.jsonl")).unlink()
    with Dataset.open(tmp_path, now=lambda: START) as dataset:
        assert dataset.losses == ["actions: the last 1 records are gone (record 1 was there)."]


def test_options_of_open_reach_the_settings(tmp_path: Path) -> None:
    with Dataset.open(
        tmp_path, "never", "day", flush_every=3, fsync_interval_s=7.0, max_bytes=2_048, on_malformed="skip"
    ) as dataset:
        got = dataset.settings
        assert (got.fsync, got.rotate, got.flush_every, got.fsync_interval_s, got.max_bytes, got.on_malformed) == (
            *("never", "day", 3, 7.0, 2_048, "skip"),
        )
    with Dataset.create_run(tmp_path / "runs", START.date(), fsync="never") as run:
        assert run.root == tmp_path / "runs" / "run_20260214" and run.settings.fsync == "never"


def test_a_malformed_record_is_named_in_one_line(tmp_path: Path) -> None:
    with Dataset.open(tmp_path) as dataset:
        with pytest.raises(TomatoError, match="no record of the contract") as caught:
            dataset.append({"schema_version": "event_v1"})
        assert "\n" not in caught.value.message and len(caught.value.message) < 400
        assert dataset.refused_records == 1


def test_an_opening_that_fails_lets_the_lock_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Dataset.open(tmp_path).close()
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "stream_files", _refuse)
        with pytest.raises(OSError, match="input/output"):
            Dataset.open(tmp_path)
    Dataset.open(tmp_path).close()


def test_other_errors_than_the_disks_are_not_swallowed_by_offer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Dataset.open(tmp_path) as dataset:

        def malformed(*_: object) -> None:
            raise TomatoError("E-STORAGE-MALFORMED", "no record", "fix it")

        monkeypatch.setattr(dataset, "append", malformed)
        with pytest.raises(TomatoError):
            dataset.offer(event(0))
        assert dataset.waiting == 0
        monkeypatch.undo()


def test_waiting_for_the_disk_is_logged_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = Dataset.open(tmp_path)
    with capture_logs() as logs, monkeypatch.context() as patch:
        patch.setattr(appender.os, "write", _refuse)
        assert [dataset.offer(event(n)) for n in range(3)] == [False] * 3
    assert [log["event"] for log in logs] == ["records wait for the disk"] and logs[0]["code"] == "E-STORAGE-WRITE"
    dataset.close()
    assert list(read_records(tmp_path)) == [event(n) for n in range(3)], "closing stores what waits"


def test_lost_records_are_said_once_with_the_time_of_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Dataset.open(tmp_path) as dataset:
        dataset.append(event(0))
        dataset._waiting = WaitingRecords(most_bytes=1)
        with monkeypatch.context() as patch:
            patch.setattr(appender.os, "write", _refuse)
            dataset.offer(event(1))
        assert dataset.offer(event(2)) and dataset.offer(event(3))
    first, said, *rest = read_records(tmp_path)
    assert first == event(0) and rest == [event(2), event(3)]
    # Nothing waits, so the next offer is stored first only after the loss has been said.
    assert said.model_dump()["data"] == {"count": 1} and said.ts == event(0).ts


def test_the_queue_is_bounded_in_bytes_and_in_order() -> None:
    size = len(event(0).to_json()) + OVERHEAD_BYTES
    queue = WaitingRecords(most_bytes=2 * size)
    for number in range(3):
        queue.add(event(number))
    assert (len(queue), queue.lost, queue.first) == (2, 1, event(0))
    queue.pop_first()
    assert queue.first == event(1)
    queue.add(event(4))
    queue.add(event(5))
    assert (len(queue), queue.lost) == (2, 2)
    queue.pop_first()
    assert queue.first == event(4)
    tight = WaitingRecords(most_bytes=2 * size - 1)
    tight.add(event(0))
    tight.add(event(1))
    assert (len(tight), tight.lost) == (1, 1)


def test_the_background_does_one_piece_at_a_time_and_closes_after_it() -> None:
    worker, release, done = BackgroundWorker(), threading.Event(), []

    def work(name: str) -> Callable[[], None]:
        def piece() -> None:
            release.wait(10.0)
            done.append((name, threading.current_thread().name))

        return piece

    assert worker.submit(work("a")) and not worker.submit(work("b"))
    release.set()
    for _ in range(1_000):
        if worker.submit(work("c")):
            break
        threading.Event().wait(0.005)
    worker.close()
    assert done == [("a", "dataset-sync"), ("c", "dataset-sync")]
    assert not worker.submit(work("d")) and len(done) == 2
    worker.close()
    assert not [t for t in threading.enumerate() if t.name == "dataset-sync"]
    BackgroundWorker().close()
