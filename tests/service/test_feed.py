"""The deciding loop's side: everything told, nothing waited for, a dead dashboard started again."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.message import Priority
from tomato_host.service.bus.outbox import LIMIT_BYTES
from tomato_host.service.feed import ProcessFeed

from shared_schemas.records import EventV1
from tests.stores import NoStore

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
READS_TO_FILE = (
    "import os, sys, time\n"
    "fd = int(os.environ['TOMATO_FEED_FD'])\n"
    "with open(sys.argv[1], 'ab', 0) as out:\n"
    "    while data := os.read(fd, 65536):\n"
    "        out.write(data)\n"
)
NEVER_READS = "import time; time.sleep(60)"


def event(n: int) -> EventV1:
    return EventV1(schema_version="event_v1", ts=NOW, level="INFO", kind="process", name=f"n{n}", text="x" * 200)


def make(tmp_path: Path, code: str, clock: list[float]) -> tuple[ProcessFeed, Recorder, Path]:
    status = Status(started_at=NOW, now=NOW)
    recorder = Recorder(NoStore(), status)
    out = tmp_path / "heard"
    command = [sys.executable, "-c", code, str(out)]
    feed = ProcessFeed(status, recorder, command, "dashboard", monotonic=lambda: clock[0])
    return feed, recorder, out


def heard(out: Path) -> list[dict]:  # type: ignore[type-arg]
    if not out.exists():
        return []
    return [json.loads(line) for line in out.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]


def until(feed: ProcessFeed, clock: list[float], wanted) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + 15
    while not wanted():
        assert time.monotonic() < end, "it never happened"
        clock[0] += 0.5
        feed.tick(NOW)
        time.sleep(0.02)


def test_records_and_status_arrive_in_order(tmp_path: Path) -> None:
    clock = [0.0]
    feed, recorder, out = make(tmp_path, READS_TO_FILE, clock)
    feed.start()
    try:
        for n in range(20):
            recorder.record(event(n))
        until(feed, clock, lambda: any("status" in line for line in heard(out)))
    finally:
        feed.stop()
    names = [line["record"]["name"] for line in heard(out) if "record" in line]
    assert names == [f"n{n}" for n in range(20)]


def test_a_change_of_mode_is_sent_at_once_and_the_rest_once_a_second(tmp_path: Path) -> None:
    """With one period for all a display was up to a second behind another."""
    clock = [0.0]
    feed, _, out = make(tmp_path, READS_TO_FILE, clock)
    feed.start()

    def modes() -> list[str]:
        return [line["status"]["mode"] for line in heard(out) if "status" in line]

    try:
        for mode in ("NORMAL", "PAUSED"):
            feed._status.mode = mode
            end = time.monotonic() + 30
            while mode not in modes() and time.monotonic() < end:
                feed.tick(NOW)  # while the clock stands still
                time.sleep(0.02)
    finally:
        feed.stop()
    assert modes() == ["NORMAL", "PAUSED"]


def test_a_flood_of_records_does_not_hide_the_status(tmp_path: Path) -> None:
    """A reader slower than the records come: what waits never ends, and the status came only after its end."""
    clock = [0.0]
    feed, recorder, out = make(tmp_path, READS_TO_FILE.replace("out.write", "time.sleep(0.05); out.write"), clock)
    feed.start()
    try:
        end = time.monotonic() + 15
        while sum("status" in line for line in heard(out)) < 3:
            assert time.monotonic() < end, "no status in the flood"
            for n in range(2_000):
                recorder.record(event(n))
            clock[0] += 0.5
            feed.tick(NOW)
            assert feed.outbox.waiting_bytes > 0, "the flood is more than what the reader takes"
    finally:
        feed.stop()


def test_a_dashboard_that_does_not_read_costs_nothing(tmp_path: Path) -> None:
    clock = [0.0]
    feed, recorder, _ = make(tmp_path, NEVER_READS, clock)
    feed.start()
    try:
        longest = 0.0
        for n in range(8_000):
            recorder.record(event(n))
            if n % 100 == 0:
                began = time.perf_counter()
                feed.tick(NOW)
                longest = max(longest, time.perf_counter() - began)
        assert feed.outbox.waiting_bytes <= LIMIT_BYTES[Priority.ACTION], "memory is bounded"
        assert feed.outbox.dropped[Priority.ACTION] > 1_000, "and what was let go is counted"
        assert longest < 0.5, "no tick waits for a reader"
    finally:
        feed.stop()


def test_a_dashboard_that_dies_is_started_again_and_told_everything(tmp_path: Path) -> None:
    clock = [0.0]
    feed, recorder, out = make(tmp_path, READS_TO_FILE, clock)
    feed.start()
    try:
        recorder.record(event(1))
        until(feed, clock, lambda: len(heard(out)) >= 1)
        assert feed._process is not None
        os.kill(feed._process.pid, 9)
        out.unlink()
        until(feed, clock, lambda: feed.restarts == 1)
        until(feed, clock, lambda: any("record" in line for line in heard(out)))
    finally:
        feed.stop()
    assert any(line.get("record", {}).get("name") == "n1" for line in heard(out))


@pytest.mark.parametrize("died", [True, False])
def test_stop_ends_the_process(tmp_path: Path, died: bool) -> None:
    feed, _, _ = make(tmp_path, NEVER_READS, [0.0])
    feed.start()
    assert feed._process is not None
    pid = feed._process.pid
    if died:
        os.kill(pid, 9)
    feed.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
