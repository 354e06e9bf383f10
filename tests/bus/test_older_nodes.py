"""Nodes of 0.1 share the broker for a season: what they publish is read, with the priority it had."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tomato_host.service.bus.message import Priority, id_of, message_of
from tomato_host.service.bus.node_summary import parse_summary
from tomato_host.service.bus.serve import stored_records
from tomato_host.service.fleet.rows import NodeReport, rows_of
from tomato_host.storage import Dataset

from tests.bus.brokers import Node, RealRedis, action_event, alarm, fleet, needs_redis, reading, until

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "node_0_1.json").read_text())


def test_a_record_has_the_bytes_and_the_id_that_it_had() -> None:
    """A reader knows a repeat by its id, also when the node was updated in between."""
    for golden in GOLDEN["messages"]:
        message = message_of("north", json.loads(golden["text"])["record"])
        assert (message.text.decode(), message.id) == (golden["text"], golden["id"])


def test_only_the_topic_of_actions_has_another_name() -> None:
    now = {message_of("north", json.loads(golden["text"])["record"]).topic for golden in GOLDEN["messages"]}
    before = {golden["topic"] for golden in GOLDEN["messages"]}
    assert before - now == {"tomato/north/deed"}
    assert now - before == {"tomato/north/action"}


def test_a_summary_of_an_older_node_counts_its_dropped_actions() -> None:
    text = GOLDEN["card"]["text"]
    assert '"deed":2' in text
    summary = parse_summary(text)
    assert summary is not None
    assert summary.dropped == {"alarm": 0, "action": 2, "telemetry": 3}
    assert rows_of([NodeReport("north", 1.0, summary)], 35.0)[0].dropped == 5
    again = parse_summary(summary.model_dump_json())
    assert again == summary, "and what is written now is read, too"
    assert '"deed"' not in summary.model_dump_json()


def test_ledger_events_are_published_under_neither_name(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with Dataset.open(tmp_path) as dataset:
        for name in ("books_drawn", "ledger_allocated", "pump_done"):
            dataset.append(action_event(1, now).model_copy(update={"kind": "board", "name": name}))
    assert [record["name"] for record in stored_records(tmp_path, now, 1.0)] == ["pump_done"]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealRedis]:
    pytest.importorskip("redis", reason="extra [redis] is not installed")
    found = RealRedis(tmp_path / "redis")
    yield found
    found.stop()


def publish_golden(broker: RealRedis) -> None:
    with broker.client() as client:
        client.sadd("tomato/nodes", "north")
        for golden in GOLDEN["messages"]:
            client.xadd(golden["topic"], {"m": golden["text"]})
        client.xadd(GOLDEN["card"]["topic"], {"m": GOLDEN["card"]["text"]}, maxlen=1)


@needs_redis
def test_a_group_reads_old_and_new_nodes_in_the_order_of_priorities(
    broker: RealRedis, start: Callable[..., Node]
) -> None:
    from tomato_host.service.bus.group import GroupReader

    publish_golden(broker)
    start(broker.url, "south").keep(reading(1), action_event(7), alarm(7))
    until(lambda: broker.texts("tomato/south/telemetry") and broker.texts("tomato/south/action"))
    with broker.client() as client:
        reader, got = GroupReader(client, "g", "a"), []
        while found := reader.read(0.2):
            got += found
            for delivery in found:
                reader.acknowledge(delivery)
        assert [d.topic.rsplit("/", 1)[1] for d in got] == ["alarm"] * 2 + [*["deed"] * 2, "action"] + ["telemetry"] * 2
        golden = {golden["id"] for golden in GOLDEN["messages"]}
        assert golden < {id_of(d.text) for d in got}
        assert client.xpending("tomato/north/deed", "g")["pending"] == 0, "acknowledged there, too"
        assert client.keys("tomato/south/deed") == [], "no empty stream is made for nodes that need none"
        actions = GroupReader(client, "h", "a", priorities=(Priority.ACTION,))
        assert {d.topic for d in actions.read(0.2)} == {"tomato/north/deed", "tomato/south/action"}


@needs_redis
def test_an_updated_node_does_not_publish_again_what_it_published_before(
    broker: RealRedis, start: Callable[..., Node], tmp_path: Path
) -> None:
    """After the update the dataset is read once more; the broker is asked for the ids of both topics."""
    now = datetime.now(UTC)
    before = message_of("north", json.loads(action_event(1, now).to_json()))
    with broker.client() as client:
        client.xadd("tomato/north/deed", {"m": before.text})
    with Dataset.open(tmp_path / "north") as dataset:
        dataset.append(action_event(1, now))
        dataset.append(action_event(2, now))
    start(broker.url, "north")
    until(lambda: broker.texts("tomato/north/action"))
    names = [json.loads(text)["record"]["name"] for text in broker.texts("tomato/north/action")]
    assert names == ["action_2"]


@needs_redis
def test_an_older_node_stands_in_the_table_and_can_be_forgotten(broker: RealRedis) -> None:
    publish_golden(broker)
    assert fleet(broker)["north"].dropped == 5
    command = [sys.executable, "-m", "tomato_host", "fleet", "forget", "north", "--broker", broker.url]
    subprocess.run(command, check=True)
    with broker.client() as client:
        assert client.keys("tomato/north/*") == []
