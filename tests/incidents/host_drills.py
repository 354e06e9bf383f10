"""Drills of what the host reports of itself: disk, link, ports, network. Each runs the part that reports it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch

from tomato_host.board.events import Mismatch
from tomato_host.loop.disk_watch import DiskWatch
from tomato_host.loop.link_events import LinkEventHandler
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.loop.weather_watch import WeatherWatch
from tomato_host.service.feeds import _port_taken_event
from tomato_host.service.notify.extension import FAILED_AFTER, Notifier
from tomato_host.service.notify.publisher import NotificationPublisher
from tomato_host.service.settings import PORT_TAKEN, ServiceSettings
from tomato_host.storage import appender
from tomato_host.storage.budgeted_store import BudgetedStore
from tomato_host.storage.buffering import WaitingRecords
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.settings import StorageSettings
from tomato_host.weather.service import WeatherResult

from shared_schemas.records import Record
from tests.incidents.provoked import NOON, Reported, event_record
from tests.storage.samples import observations

Told = tuple[str, str]


def _collect(disk: BudgetedStore | None = None) -> tuple[Recorder, Reported]:
    """A recorder and what its listeners get."""
    reported = Reported()
    recorder = Recorder(disk or _NoStore(), Status(NOON, NOON))
    recorder.listeners.append(lambda record: reported.append(((record.ts - NOON).total_seconds(), record)))
    if disk is not None:
        disk.record_event = recorder.record
    return recorder, reported


class _NoStore:
    def offer(self, record: Record) -> bool:
        return True


def _store(root: Path, **more: Any) -> tuple[BudgetedStore, Dataset, list[float]]:
    clock = [0.0]
    dataset = Dataset.from_settings(root, StorageSettings(fsync="never", **more), now=lambda: NOON)
    return BudgetedStore(dataset, lambda: clock[0]), dataset, clock


class _FullDisk:
    """`os.write` of a disk without room, until it has some."""

    def __init__(self) -> None:
        self.full, self._write = True, os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(fd, data)


def _news(n: int) -> Record:
    return event_record("filler", "INFO", "process", "x" * 500, float(n))


def full_disk(where: Path) -> Reported:
    disk, dataset, _ = _store(where)
    recorder, reported = _collect(disk)
    recorder.record(_news(0))
    room = _FullDisk()
    with patch.object(appender.os, "write", room):
        for n in range(1, 4):
            recorder.record(_news(n))
        room.full = False
        recorder.record(_news(4))
    dataset.close()
    return reported


def disk_full_for_long(where: Path) -> Reported:
    disk, dataset, _ = _store(where)
    recorder, reported = _collect(disk)
    watch = DiskWatch(disk, Status(NOON, NOON), where, report=recorder.report_stored)
    dataset._waiting = WaitingRecords(most_bytes=2_000)
    room = _FullDisk()
    with patch.object(appender.os, "write", room):
        for n in range(1, 9):
            recorder.record(_news(n))
        room.full = False
        for n in range(9, 12):
            recorder.record(_news(n))
    watch.tick(NOON)
    dataset.close()
    return reported


def power_cut(where: Path) -> Reported:
    _, dataset, _ = _store(where)
    for n in range(10):
        dataset.append(_news(n))
    dataset.close()
    (path,) = (where / "private").glob("events_*.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:7]))
    disk, dataset, _ = _store(where)
    recorder, reported = _collect(disk)
    DiskWatch(disk, Status(NOON, NOON), where, report=recorder.report_stored).tick(NOON)
    dataset.close()
    return reported


def flood_of_readings(where: Path) -> Reported:
    disk, dataset, clock = _store(where, mb_per_day=0.5)
    recorder, reported = _collect(disk)
    (reading,) = observations(1)
    for second in range(900):
        clock[0] = float(second)
        recorder.record(reading.model_copy(update={"ts": NOON + timedelta(seconds=second)}))
    dataset.close()
    return reported


def many_photos(where: Path) -> Reported:
    disk, dataset, _ = _store(where, photos_mb_total=1.0)
    for day in range(1, 6):
        folder = where / "private" / "images" / f"2026-05-0{day}"
        folder.mkdir(parents=True)
        for n in range(3):
            (folder / f"camera_main_12000{n}.jpg").write_bytes(b"x" * 100_000)
    recorder, reported = _collect(disk)
    recorder.record(_news(0))
    dataset.close()
    return reported


def many_days(where: Path) -> Reported:
    disk, dataset, clock = _store(where, mb_per_day=1_000.0, mb_total=10.0, rotate="day")
    recorder, reported = _collect(disk)
    (reading,) = observations(1)
    for day in range(6):
        for n in range(700):
            dataset.append(event_record("filler", "INFO", "process", "m" * 3_500))
            clock[0] = day * 86_400.0 + n * 60.0
            recorder.record(reading.model_copy(update={"ts": NOON + timedelta(seconds=clock[0])}))
    dataset.close()
    return reported


def second_dashboard(where: Path) -> Reported:
    recorder, reported = _collect()
    _port_taken_event(ServiceSettings(), Status(NOON, NOON), recorder)(PORT_TAKEN, NOON)
    return reported


def no_network(where: Path) -> Reported:
    recorder, reported = _collect()
    watch = WeatherWatch(cast(Any, None), cast(Any, None), recorder, lambda: NOON)
    watch._on_answer(WeatherResult(None, "No forecast: the service does not answer."), NOON)
    return reported


def no_way_to_the_phone(where: Path) -> Reported:
    recorder, reported = _collect()
    publisher = NotificationPublisher("ntfy no. 1", lambda _: False)
    publisher.failures = FAILED_AFTER
    Notifier((), None, recorder)._record_health(publisher, NOON)
    return reported


def older_firmware(where: Path) -> Reported:
    recorder, reported = _collect()
    status: Any = SimpleNamespace(link="", link_detail="")
    no: Any = None  # what a mismatch does not reach
    handler = LinkEventHandler(no, no, no, no, no, no, recorder, status, no, lambda: NOON, 10.0, lambda *_: None)
    handler._ever_connected = True
    handler.handle(Mismatch("The board's schema is 0badc0de, the host's another: run `make flash`."), 0)
    return reported


HOST: Mapping[str, tuple[tuple[Callable[[Path], Reported], tuple[Told, ...], str], ...]] = {
    "`schema_mismatch`": ((older_firmware, (("ALARM", "The board's schema is "),), ""),),
    "`records_waiting`": (
        (
            full_disk,
            (("ALARM", "The disk accepts no records. "), ("INFO", "Recovered: The disk accepts no records. ")),
            "",
        ),
    ),
    "`records_lost`, `records_not_stored`": (
        (power_cut, (("ALARM", "events: the last 3 records are gone "),), ""),
        (
            disk_full_for_long,
            (
                ("ALARM", "The disk accepts no records. "),
                ("INFO", "Recovered: The disk accepts no records. "),
                ("ALARM", "9 records could not be kept "),
            ),
            "",
        ),
    ),
    "`raw_thinned`": ((flood_of_readings, (("WARNING", "More readings than 0.5 MB a day hold"),), ""),),
    "`photos_let_go`": ((many_photos, (("WARNING", "All photos together passed 1 MB"),), ""),),
    "`raw_let_go`": ((many_days, (("WARNING", "All records together passed 10 MB"),) * 2, ""),),
    "`dashboard_port_taken`": ((second_dashboard, (("WARNING", "No dashboard: 127.0.0.1:8421 is taken"),), ""),),
    "`weather_lost`": ((no_network, (("WARNING", "No forecast: "),), ""),),
    "`notify_failed`": (
        (no_way_to_the_phone, (), "a phone that cannot be reached; dashboard, metrics and records show it"),
    ),
}
"""By the row's first cell: what provokes it, what the phone gets, why it gets nothing."""
