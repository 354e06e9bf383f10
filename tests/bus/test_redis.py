"""Against a real redis-server: two nodes, groups, a killed reader, a killed process, restarts, floods, a dead node."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from tomato_host.service.bus import group as group_module
from tomato_host.service.bus.message import Priority, id_of
from tomato_host.service.feed import status_line
from tomato_host.service.live_state import LiveState
from tomato_host.service.metrics import PlantCollector
from tomato_host.storage import Dataset

from tests.bus.brokers import Node, RealRedis, action_event, alarm, fleet, needs_redis, reading, until, watering

pytest.importorskip("redis", reason="extra [redis] is not installed")
pytestmark = needs_redis


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealRedis]:
    found = RealRedis(tmp_path / "redis")
    yield found
    found.stop()


def names(texts: list[bytes]) -> list[str]:
    return [json.loads(text)["record"]["name"] for text in texts]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "tomato_host", "fleet", *words]


def follow(broker: RealRedis, reader: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("follow", "--broker", broker.url, "--group", "g", "--name", reader, *words),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_two_nodes_stand_in_one_table_and_a_dead_one_is_stale(broker: RealRedis, start: Callable[..., Node]) -> None:
    north, south = start(broker.url, "north"), start(broker.url, "south")
    north.keep(reading(1, air_temp_c=23.5, soil=31.0), watering(120.0))
    south.status.mode, south.status.mode_reason = "SAFE", "leak"
    south.keep(reading(2, air_temp_c=29.0, soil=18.5))
    until(lambda: len([row for row in fleet(broker).values() if row.air_temp_c is not None]) == 2)
    until(lambda: fleet(broker)["south"].mode == "SAFE" and fleet(broker)["north"].last_action)
    table = fleet(broker)
    assert list(table) == ["south", "north"], "worst first"
    assert (table["north"].safe, table["south"].safe) == (True, False)
    assert (table["north"].air_temp_c, table["north"].rh_pct) == (23.5, 61.0)
    assert (table["south"].driest_probe, table["south"].driest_pct) == ("P1", 18.5)
    assert table["north"].last_action == {"ts": "2026-05-01T08:00:00+00:00", "type": "WATER", "text": "120 ml"}
    assert 0.0 <= (table["north"].age_s or 0.0) < 5.0

    shown = subprocess.run(
        command("--broker", broker.url),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    words = ("north", "south", "23.5", "P1 18.5 %", "WATER 120 ml", "NO")
    assert [word for word in words if word not in shown.stdout] == []

    os.kill(south.pid(), signal.SIGKILL)
    south.close()
    until(lambda: fleet(broker, 3.0)["south"].level == "stale")
    dead = fleet(broker, 3.0)["south"]
    assert (dead.safe, dead.mode, dead.driest_pct) == (None, "SAFE", 18.5), "its last word stands, marked as old"
    assert "no message for" in dead.verdict
    assert fleet(broker, 3.0)["north"].level == "well"


def test_a_node_that_is_no_more_can_be_forgotten(broker: RealRedis, start: Callable[..., Node]) -> None:
    gone, here = start(broker.url, "gone"), start(broker.url, "here")
    gone.keep(alarm(1))
    until(lambda: set(fleet(broker)) == {"gone", "here"} and broker.texts("tomato/gone/alarm"))
    gone.close()
    subprocess.run(command("forget", "gone", "--broker", broker.url), check=True)
    assert set(fleet(broker)) == {"here"}
    with broker.client() as client:
        assert client.keys("tomato/gone/*") == []
    again = subprocess.run(command("forget", "gone", "--broker", broker.url), capture_output=True, text=True)
    assert (again.returncode, "E-BUS-NODE" in again.stderr) == (2, True)
    until(lambda: here.word.get("up"))  # the one that lives goes on; its word comes every few seconds


def test_a_loop_that_hangs_is_stale_though_its_bus_process_lives(broker: RealRedis, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north")
    node.keep(reading(1))
    until(lambda: "north" in fleet(broker) and fleet(broker, 3.0)["north"].level == "well")
    node.is_frozen = True
    until(lambda: fleet(broker, 3.0)["north"].level == "stale")
    os.kill(node.pid(), 0)
    node.is_frozen = False
    until(lambda: fleet(broker, 3.0)["north"].level == "well")


def test_alarms_of_all_nodes_come_before_any_telemetry(broker: RealRedis, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north")
    node.keep(*(reading(n) for n in range(30)), *(action_event(n) for n in range(5)), *(alarm(n) for n in range(5)))
    until(lambda: len(broker.texts("tomato/north/telemetry")) == 30)
    with broker.client() as client:
        reader = group_module.GroupReader(client, "g", "a")
        order: list[str] = []
        while found := reader.read(0.2):
            order += [delivery.topic for delivery in found]
            for delivery in found:
                reader.acknowledge(delivery)
        assert order == ["tomato/north/alarm"] * 5 + ["tomato/north/action"] * 5 + ["tomato/north/telemetry"] * 30
        node.keep(*(reading(n) for n in range(100, 120)), alarm(99))
        until(lambda: len(broker.texts("tomato/north/telemetry")) == 50)
        assert reader.read(0.2)[0].topic == "tomato/north/alarm", "nor does it wait behind what came while one worked"


def test_a_reader_killed_in_mid_work_loses_nothing(
    broker: RealRedis, start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start(broker.url, "north")
    node.keep(alarm(1), alarm(2))
    until(lambda: len(broker.texts("tomato/north/alarm")) == 2)
    begun = tmp_path / "begun"
    first = follow(broker, "a", "--run", f"cat > {begun}.part; mv {begun}.part {begun}; sleep 60", "--idle", "1")
    until(begun.exists)
    in_hand = id_of(begun.read_bytes())
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(10)
    with broker.client() as client:
        assert client.xpending("tomato/north/alarm", "g")["pending"] >= 1, "taken, not acknowledged"
    second = follow(broker, "b", "--idle", "1", "--most", "2")
    told, _ = second.communicate(timeout=30)
    got = [id_of(line.encode()) for line in told.splitlines()]
    assert in_hand in got
    assert sorted(got) == sorted(map(id_of, broker.texts("tomato/north/alarm"))), "each once, none lost"
    with broker.client() as client:
        assert client.xpending("tomato/north/alarm", "g")["pending"] == 0


def test_a_reader_that_counts_takes_no_more_than_it_prints(broker: RealRedis, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north")
    node.keep(*(alarm(n) for n in range(7)))
    until(lambda: len(broker.texts("tomato/north/alarm")) == 7)
    told, _ = follow(broker, "a", "--most", "5", "--alarms").communicate(timeout=30)
    assert names([line.encode() for line in told.splitlines()]) == [f"alarm_{n}" for n in range(5)]
    with broker.client() as client:
        assert client.xpending("tomato/north/alarm", "g")["pending"] == 0


def test_work_that_lasts_longer_than_idle_is_not_taken_away(
    broker: RealRedis, start: Callable[..., Node], tmp_path: Path
) -> None:
    node = start(broker.url, "north")
    node.keep(alarm(1))
    until(lambda: broker.texts("tomato/north/alarm"))
    begun = tmp_path / "begun"
    slow = follow(broker, "a", "--run", f"touch {begun}; sleep 3", "--idle", "0.9", "--most", "1", "--alarms")
    until(begun.exists)
    with broker.client() as client:
        reader = group_module.GroupReader(client, "g", "b", idle_s=0.9, priorities=(Priority.ALARM,))
        while slow.poll() is None:
            assert reader.read(0.1) == []
        assert client.xpending("tomato/north/alarm", "g")["pending"] == 0


def test_what_nobody_can_do_is_put_aside(
    broker: RealRedis, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "MOST_TRIES", 3)
    start(broker.url, "north").keep(alarm(1))
    until(lambda: broker.texts("tomato/north/alarm"))
    tries = 0
    with broker.client() as client:
        reader = group_module.GroupReader(client, "g", "a", idle_s=0.05, priorities=(Priority.ALARM,))

        def again() -> bool:
            nonlocal tries
            tries += len(reader.read(0.1))
            return reader.unhandled == 1

        until(again)
        assert client.xpending("tomato/north/alarm", "g")["pending"] == 0
    assert tries == 3
    assert names(broker.texts("tomato/north/unhandled")) == ["alarm_1"]


def test_redis_that_restarts_without_memory_is_told_every_alarm_again(
    broker: RealRedis, start: Callable[..., Node], tmp_path: Path
) -> None:
    with Dataset.open(tmp_path / "north") as dataset:
        node = start(broker.url, "north", store=dataset)
        now = datetime.now(UTC)
        node.keep(*(alarm(n, now) for n in range(5)))
        until(lambda: len(broker.texts("tomato/north/alarm")) == 5 and node.word.get("up"))
        broker.stop()
        until(lambda: node.word.get("up") is False)
        node.keep(*(alarm(n, now) for n in range(5, 10)))
        broker.start()
        until(lambda: len(broker.texts("tomato/north/alarm")) == 10 and node.word["up"])
        node.close()
    assert sorted(names(broker.texts("tomato/north/alarm"))) == [f"alarm_{n}" for n in range(10)], "each once"
    assert node.word["losses"] >= 1
    assert node.longest_tick_s < 0.25, "the deciding loop waited for nothing"


@pytest.mark.parametrize("persistent", [True, False])
def test_a_reader_lives_through_a_restart_of_redis(
    tmp_path: Path, start: Callable[..., Node], persistent: bool
) -> None:
    broker = RealRedis(tmp_path / "kept", persistent=persistent)
    reader = None
    try:
        node = start(broker.url, "north")
        until(lambda: node.word.get("up"))
        node.keep(*(alarm(n) for n in range(3)))
        reader = follow(broker, "a", "--alarms", "--most", "6", "--idle", "1")
        assert reader.stdout is not None
        told = [reader.stdout.readline() for _ in range(3)]
        broker.stop()
        until(lambda: node.word.get("up") is False)
        node.keep(*(alarm(n) for n in range(3, 6)))
        broker.start()
        told += [reader.stdout.readline() for _ in range(3)]
        assert names([line.encode() for line in told]) == [f"alarm_{n}" for n in range(6)]
        assert reader.wait(20) == 0
    finally:
        if reader is not None:
            reader.kill()
            reader.wait()
        broker.stop()


def test_a_bus_process_killed_loses_and_doubles_no_alarm(broker: RealRedis, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north")
    node.keep(*(alarm(n) for n in range(5)))
    until(lambda: len(broker.texts("tomato/north/alarm")) == 5)
    os.kill(node.pid(), signal.SIGKILL)
    node.keep(*(alarm(n) for n in range(5, 10)))
    until(lambda: node.feed.restarts == 1)
    until(lambda: len(broker.texts("tomato/north/alarm")) >= 10)
    node.keep(alarm(10))
    until(lambda: len(broker.texts("tomato/north/alarm")) >= 11)
    assert names(broker.texts("tomato/north/alarm")) == [f"alarm_{n}" for n in range(11)]


def test_a_host_killed_between_dataset_and_broker_is_made_good(
    broker: RealRedis, start: Callable[..., Node], tmp_path: Path
) -> None:
    with Dataset.open(tmp_path / "north") as dataset:
        for n in range(3):
            dataset.append(alarm(n, datetime.now(UTC)))
        dataset.append(alarm(99))  # too long ago
    start(broker.url, "north")
    until(lambda: len(broker.texts("tomato/north/alarm")) == 3)
    assert names(broker.texts("tomato/north/alarm")) == ["alarm_0", "alarm_1", "alarm_2"]


def test_a_flood_drops_telemetry_counted_and_no_alarm(broker: RealRedis, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north", telemetry_room_kb=50)
    until(lambda: node.word.get("up"))
    broker.stop()
    until(lambda: node.word.get("up") is False)
    for n in range(5_000):
        node.keep(reading(n))
        if n % 50 == 0:
            node.keep(alarm(n))
    until(lambda: node.word["waiting_bytes"] == 0 and node.word["bus_dropped"]["telemetry"] > 0)
    broker.start()
    until(lambda: len(broker.texts("tomato/north/alarm")) == 100)
    until(lambda: (row := fleet(broker).get("north")) is not None and row.dropped > 3_000)
    assert names(broker.texts("tomato/north/alarm")) == [f"alarm_{n}" for n in range(0, 5_000, 50)]
    until(lambda: node.word["up"] and node.word["bus_waiting_bytes"] == 0)
    word = node.word
    arrived = len(broker.texts("tomato/north/telemetry"))
    lost = word["dropped"]["telemetry"] + word["bus_dropped"]["telemetry"]
    assert arrived + lost == 5_000, "every one arrived or is counted"
    assert {word["dropped"][rank] + word["bus_dropped"][rank] for rank in ("alarm", "action")} == {0}
    assert node.longest_tick_s < 0.25

    present = LiveState()
    present.update(status_line(node.status))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(present))
    text = generate_latest(registry).decode()
    assert f'tomato_feed_dropped_total{{feed="bus",rank="telemetry"}} {float(lost)}' in text
    assert 'tomato_feed_dropped_total{feed="bus",rank="alarm"} 0.0' in text
    assert "tomato_bus_up 1.0" in text


def test_streams_are_bounded(broker: RealRedis, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north", stream_length=100, telemetry_room_kb=5_000)
    node.keep(*(reading(n) for n in range(600)), alarm(1))
    until(lambda: node.word.get("sent", 0) >= 601)
    assert 100 <= len(broker.texts("tomato/north/telemetry")) <= 200
    assert len(broker.texts("tomato/north/alarm")) == 1, "telemetry trims no alarm"


def test_a_password_comes_from_the_environment_and_is_never_told(
    tmp_path: Path, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    broker = RealRedis(tmp_path / "locked", password="s3cret")
    try:
        closed = start(broker.url, "closed")
        until(lambda: closed.word.get("losses", 0) >= 1)
        assert closed.word["up"] is False
        monkeypatch.setenv("TOMATO_BUS_PASSWORD", "s3cret")
        admitted = start(broker.url, "admitted")
        until(lambda: admitted.word.get("up"))
        closed.close()
        admitted.close()
        words = Path(f"/proc/{os.getpid()}/cmdline").read_text() + str(admitted.feed._command) + str(admitted.word)
        told = capfd.readouterr()
        assert "s3cret" not in words + told.out + told.err
        assert "NOAUTH" in told.out + told.err or "Authentication" in told.out + told.err
    finally:
        broker.stop()


def test_a_node_needs_no_more_rights_than_the_page_says(
    broker: RealRedis, start: Callable[..., Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "fleet.md").read_text()
    rule = page[page.index("ACL SETUSER") :].split("`")[0].replace(">...", ">pass")
    with broker.client() as client:
        client.execute_command(*rule.split())
    monkeypatch.setenv("TOMATO_BUS_PASSWORD", "pass")
    node = start(broker.url.replace("//", "//north@"), "north")
    node.keep(alarm(1))
    until(lambda: len(broker.texts("tomato/north/alarm")) == 1)
    until(lambda: "north" in fleet(broker))
    forger = start(broker.url.replace("//", "//north@"), "south")
    until(lambda: forger.word.get("losses", 0) >= 1)
    forger.keep(alarm(2))
    assert broker.texts("tomato/south/alarm") == []
