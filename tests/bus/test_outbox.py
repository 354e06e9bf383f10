"""Who goes first, who is let go first, and that it is counted."""

from __future__ import annotations

import json
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.message import Priority, priority_of
from tomato_host.service.bus.outbox import Outbox
from tomato_host.service.bus.transport import FIRST_S, MOST_S, Backoff
from tomato_host.service.feed import ProcessFeed

from tests.bus.brokers import NOW, NoStore, action_event, alarm, reading, until

ROOM = {Priority.ALARM: 100, Priority.ACTION: 50, Priority.TELEMETRY: 30}
LINES = st.lists(st.tuples(st.sampled_from(Priority), st.binary(min_size=1, max_size=20)))


@pytest.mark.parametrize(
    ("kind", "level", "rank"),
    [
        ("event_v1", "ALARM", Priority.ALARM),
        ("event_v1", "WARNING", Priority.ACTION),
        ("anomaly_v1", None, Priority.ALARM),
        ("action_v1", None, Priority.ACTION),
        ("plan_v1", None, Priority.ACTION),
        ("observation_v1", None, Priority.TELEMETRY),
        ("something_v9", None, Priority.TELEMETRY),
    ],
)
def test_every_record_has_a_rank(kind: str, level: str | None, rank: Priority) -> None:
    assert priority_of(kind, level) is rank


def test_alarms_overtake_and_telemetry_goes_first() -> None:
    outbox = Outbox(ROOM)
    for n in range(10):
        outbox.push(Priority.TELEMETRY, b"reading %d " % n)
    outbox.push(Priority.ACTION, b"action")
    outbox.push(Priority.ALARM, b"alarm")
    assert [line for _, line in outbox.pop_batch(1_000)] == [
        b"alarm",
        b"action",
        b"reading 7 ",
        b"reading 8 ",
        b"reading 9 ",
    ]
    assert outbox.dropped_counts() == {"alarm": 0, "action": 0, "telemetry": 7}


@given(LINES)
def test_no_rank_takes_room_from_another_and_every_loss_is_counted(lines: list[tuple[Priority, bytes]]) -> None:
    outbox = Outbox(ROOM)
    for rank, line in lines:
        outbox.push(rank, line)
    taken = outbox.pop_batch(10**9, 10**9)
    assert [rank for rank, _ in taken] == sorted(rank for rank, _ in taken)
    for rank in Priority:
        offered = [line for r, line in lines if r is rank]
        kept = [line for r, line in taken if r is rank]
        assert kept == offered[len(offered) - len(kept) :], "the newest stay, in order"
        assert outbox.dropped[rank] == len(offered) - len(kept)
        if sum(map(len, offered)) <= ROOM[rank]:
            assert kept == offered, "what fits is never dropped, whatever the others do"
    assert outbox.waiting_bytes == 0


@given(LINES, st.integers(min_value=0, max_value=60))
def test_what_was_put_back_comes_again_first(lines: list[tuple[Priority, bytes]], most: int) -> None:
    outbox = Outbox(dict.fromkeys(Priority, 10**6))
    for rank, line in lines:
        outbox.push(rank, line)
    before = len(outbox)
    taken = outbox.pop_batch(most)
    outbox.requeue(taken)
    assert (len(outbox), outbox.pop_batch(most)) == (before, taken)


def test_waits_grow_to_a_bound_and_differ_between_nodes() -> None:
    one, other = Backoff(random.Random(1)), Backoff(random.Random(2))
    waits = [one.next_s() for _ in range(12)]
    assert all(0.1 * min(MOST_S, FIRST_S * 2**n) <= wait <= min(MOST_S, FIRST_S * 2**n) for n, wait in enumerate(waits))
    assert waits != [other.next_s() for _ in range(12)]
    one.reset()
    assert one.next_s() <= FIRST_S


SLOW = (
    "import os, sys, time\n"
    "fd = int(os.environ['TOMATO_FEED_FD'])\n"
    "os.write(fd, b'not json\\n' + b'{\"up\": true}\\n')\n"
    "while not os.path.exists(sys.argv[1]):\n"
    "    time.sleep(0.02)\n"
    "with open(sys.argv[2], 'ab', 0) as out:\n"
    "    while data := os.read(fd, 65536):\n"
    "        out.write(data)\n"
)


READS = (
    "import os, sys\n"
    "out, fd = open(sys.argv[1], 'ab', 0), int(os.environ['TOMATO_FEED_FD'])\n"
    "while data := os.read(fd, 65536):\n"
    "    out.write(data)\n"
)


def test_an_alarm_waits_for_no_tick(tmp_path) -> None:  # type: ignore[no-untyped-def]
    status, out = Status(NOW, NOW), tmp_path / "heard"
    recorder = Recorder(NoStore(), status)
    feed = ProcessFeed(status, recorder, [sys.executable, "-c", READS, str(out)], "dashboard")
    feed.start()
    try:
        recorder.record(reading(1))
        recorder.record(alarm(7))
        until(lambda: out.exists() and b"observation_v1" in out.read_bytes())
        assert out.read_bytes().index(b"alarm_7") < out.read_bytes().index(b"observation_v1"), "and overtakes the rest"
    finally:
        feed.stop()


def test_inside_one_machine_a_slow_reader_loses_telemetry_and_gets_every_alarm(tmp_path) -> None:  # type: ignore[no-untyped-def]
    status = Status(NOW, NOW)
    recorder = Recorder(NoStore(), status)
    clock, go, out = [0.0], tmp_path / "go", tmp_path / "heard"
    feed = ProcessFeed(
        status,
        recorder,
        [sys.executable, "-c", SLOW, str(go), str(out)],
        "dashboard",
        monotonic=lambda: clock[0],
    )
    feed.start()

    def ticked() -> None:
        clock[0] += 0.5
        feed.tick(NOW)

    try:
        for n in range(4_000):
            recorder.record(reading(n))
            if n % 100 == 0:
                recorder.record(alarm(n))
                ticked()
        recorder.record(action_event(1))
        go.touch()

        def all_told() -> bool:
            ticked()
            text = out.read_bytes() if out.exists() else b""
            last = text.splitlines()[-1] if text.endswith(b"\n") else b""
            feeds = json.loads(last)["status"]["feeds"] if last.startswith(b'{"status') else {}
            return "dashboard" in feeds and feeds["dashboard"]["waiting_bytes"] == 0

        until(all_told)
        records = [json.loads(line)["record"] for line in out.read_bytes().splitlines() if line.startswith(b'{"record')]
    finally:
        feed.stop()
    names = [record["name"] for record in records if record["schema_version"] == "event_v1"]
    assert names == [f"alarm_{n}" for n in range(0, 4_000, 100)] + ["action_1"]
    readings = [record for record in records if record["schema_version"] == "observation_v1"]
    told_of = status.feeds["dashboard"]
    assert told_of["dropped"] == {"alarm": 0, "action": 0, "telemetry": 4_000 - len(readings)}
    assert 0 < len(readings) < 4_000
    assert readings[-1] == json.loads(reading(3_999).to_json()), "the newest telemetry is what stays"
    assert told_of["up"] is True, "a process may say how it does"
