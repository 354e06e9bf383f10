"""Many nodes of a fleet in one process, and a reader of all of them: real outbox, publisher and transport of the bus.

`python -m tools.fleet_nodes publish URL FIRST COUNT RATE SECONDS` connects COUNT nodes, prints "ready", waits for
a line on standard input, publishes RATE messages a second from each, and prints what it did as one line of JSON.
`... read URL NODES SECONDS` subscribes to NODES nodes and prints how many messages came, and their ages. An age is the
time from the moment at which the record was made until the reader has it; all processes are on one machine, one clock.
"""

from __future__ import annotations

import asyncio
import json
import logging
import resource
import sys
import time
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from tomato_host.service.bus.message import Priority
from tomato_host.service.bus.outbox import Outbox
from tomato_host.service.bus.publisher import BusPublisher
from tomato_host.service.bus.serve import open_transport
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import Address, parse_address
from tomato_host.sources.synthetic import SyntheticSource

TICK_S = 0.01
SUMMARY_EVERY_S = 10.0
ACTION_EVERY, ALARM_EVERY = 20, 200
"""One message of so many is an action, or an alarm: a tent publishes far fewer of both."""
DRAIN_S = 3.0
"""After the last message was made, so long may they still come; what is not there then is counted as late."""
NODE = "n{:04d}"
MARK = '"made_ns":'


def node_names(first: int, count: int) -> list[str]:
    """Names of the nodes with these numbers."""
    return [NODE.format(number) for number in range(first, first + count)]


def sample_records() -> dict[Priority, dict[str, Any]]:
    """One record of each priority, of the size that a tent publishes."""
    source = SyntheticSource(1, datetime(2026, 5, 1, tzinfo=UTC), 1.0, 10.0, zone=ZoneInfo("Europe/Vienna"))
    reading = source.next_observation()
    assert reading is not None
    event = {"schema_version": "event_v1", "kind": "board", "name": "fault", "text": "leak under the pot", "data": {}}
    return {
        Priority.TELEMETRY: reading.model_dump(mode="json"),
        Priority.ACTION: {**event, "level": "INFO"},
        Priority.ALARM: {**event, "level": "ALARM"},
    }


def priority_of_number(number: int) -> Priority:
    """The mix of priorities."""
    if number % ALARM_EVERY == 0:
        return Priority.ALARM
    return Priority.ACTION if number % ACTION_EVERY == 0 else Priority.TELEMETRY


class Nodes:
    """Nodes in one event loop, each with a connection of its own."""

    def __init__(self, url: str, first: int, count: int) -> None:
        self.publishers, self.outboxes = [], []
        self._records = sample_records()
        for name in node_names(first, count):
            settings = BusSettings(enabled=True, url=url, node=name)
            self.outboxes.append(Outbox())
            self.publishers.append(BusPublisher(name, open_transport(settings), self.outboxes[-1]))
        self.made = 0

    def add(self, number: int) -> None:
        """One record, made now, at the next node."""
        self.made += 1
        record = self._records[priority_of_number(number // len(self.publishers))]
        self.publishers[number % len(self.publishers)].add({**record, "made_ns": time.time_ns()})

    def add_summaries(self) -> None:
        """As each node does every ten seconds."""
        for publisher in self.publishers:
            publisher.set_summary(b'{"node":"x","summary":' + b'"' + b"s" * 500 + b'"}')

    async def publish(self, rate: float, seconds: float) -> None:
        """`rate` messages a second from each node, evenly spread."""
        total, began_s, next_summary_s, number = rate * len(self.publishers), time.monotonic(), 0.0, 0
        while (now_s := time.monotonic() - began_s) < seconds:
            if now_s >= next_summary_s:
                next_summary_s += SUMMARY_EVERY_S
                self.add_summaries()
            while number < total * now_s:
                self.add(number)
                number += 1
            await asyncio.sleep(TICK_S)

    def figures(self) -> dict[str, Any]:
        """What was made, sent and dropped."""
        return {
            "made": self.made,
            "sent": sum(one.sent for one in self.publishers),
            "dropped": sum(sum(box.dropped.values()) for box in self.outboxes),
            "losses": sum(one.losses for one in self.publishers),
            "waiting_bytes": sum(box.waiting_bytes for box in self.outboxes),
        }


async def publish(url: str, first: int, count: int, rate: float, seconds: float) -> None:
    """The process of the nodes."""
    nodes = Nodes(url, first, count)
    jobs = [asyncio.create_task(one.run()) for one in nodes.publishers]
    while not all(one.up for one in nodes.publishers):
        await asyncio.sleep(0.05)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    used_s = cpu_s()
    await nodes.publish(rate, seconds)
    await asyncio.sleep(DRAIN_S)
    print(json.dumps({**nodes.figures(), "cpu_s": cpu_s() - used_s}), flush=True)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    await asyncio.gather(*(one.close() for one in nodes.publishers), return_exceptions=True)


def cpu_s() -> float:
    """Processor time of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Ages:
    """Ages of what arrives, in ms, alarms apart."""

    def __init__(self) -> None:
        self.all: list[float] = []
        self.alarms: list[float] = []

    def add(self, text: bytes, is_alarm: bool) -> None:
        """One message as it stands on the broker."""
        at = text.find(MARK.encode())
        if at < 0:
            return
        age_ms = (time.time_ns() - int(text[at + len(MARK) : at + len(MARK) + 19])) / 1e6
        (self.alarms if is_alarm else self.all).append(age_ms)

    def figures(self) -> dict[str, Any]:
        """Counts and quantiles."""
        everything = sorted(self.all + self.alarms)
        return {
            "received": len(everything),
            "age_ms": quantiles(everything),
            "alarm_age_ms": quantiles(sorted(self.alarms)),
        }


def quantiles(ordered: list[float]) -> dict[str, float]:
    """Median, p99 and the largest."""
    if not ordered:
        return {}
    last = len(ordered) - 1
    return {"p50": ordered[last // 2], "p99": ordered[round(last * 0.99)], "most": ordered[last]}


def read_redis(address: Address, nodes: int, seconds: float, ages: Ages) -> None:
    """All streams of all nodes, in one blocking read after the other."""
    from tomato_host.service.bus.redis_transport import open_redis

    client: Any = open_redis(address, None, 5.0)
    labels = [priority.label for priority in Priority]
    newest = {f"tomato/{name}/{label}": "$" for name in node_names(0, nodes) for label in labels}
    for stream in newest:
        found = client.xrevrange(stream, count=1)
        newest[stream] = found[0][0] if found else "0"
    print("ready", flush=True)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        for stream, entries in client.xread(newest, block=50, count=200):
            newest[stream.decode()] = entries[-1][0]
            is_alarm = stream.endswith(b"/alarm")
            for _, fields in entries:
                ages.add(fields[b"m"], is_alarm)


def read_mqtt(address: Address, seconds: float, ages: Ages) -> None:
    """A subscription to everything."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_message = lambda _c, _d, message: ages.add(bytes(message.payload), message.topic.endswith("/alarm"))
    client.on_connect = lambda client, *_: client.subscribe([(f"tomato/+/{p.label}", 1) for p in Priority])
    client.on_subscribe = lambda *_: print("ready", flush=True)
    client.connect(address.host, address.port)
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        client.loop(0.05)
    client.disconnect()


def main() -> None:
    """As started by bench_fleet.py."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # standard output is ours
    what, url = sys.argv[1:3]
    if what == "publish":
        first, count, rate, seconds = sys.argv[3:7]
        asyncio.run(publish(url, int(first), int(count), float(rate), float(seconds)))
        return
    ages, address, seconds_read = Ages(), parse_address(url), float(sys.argv[4])
    used_s = cpu_s()
    if address.is_redis:
        read_redis(address, int(sys.argv[3]), seconds_read, ages)
    else:
        read_mqtt(address, seconds_read, ages)
    print(json.dumps({**ages.figures(), "cpu_s": cpu_s() - used_s}), flush=True)


if __name__ == "__main__":
    main()
