"""The same topics over a real mosquitto: two nodes, the fleet, a broker that restarts, the card of the bridge."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tomato_host.service.bus.message import id_of
from tomato_host.service.bus.transport import parse_address
from tomato_host.service.feeds import mqtt_feed
from tomato_host.service.fleet.read import forget_node
from tomato_host.service.mqtt.settings import MqttSettings

from tests.bus.brokers import Node, RealMosquitto, action_event, alarm, fleet, needs_mosquitto, reading, until

pytest.importorskip("aiomqtt", reason="extra [mqtt] is not installed")
mqtt = pytest.importorskip("paho.mqtt.client")
pytestmark = needs_mosquitto


class Ear:
    """Any MQTT client that subscribes to all nodes."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, int, bytes]] = []
        self.listening = threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe([("tomato/+/+", 1)])
        self.client.on_subscribe = lambda *_: self.listening.set()
        self.client.on_message = lambda _c, _d, m: self.heard.append((m.topic, m.qos, m.payload))
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert self.listening.wait(10)

    def names(self, topic: str) -> list[str]:
        return [json.loads(text)["record"]["name"] for where, _, text in list(self.heard) if where == topic]

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[RealMosquitto]:
    found = RealMosquitto(tmp_path / "mosquitto")
    yield found
    found.stop()


def test_the_same_topics_and_texts_and_one_table(broker: RealMosquitto, start: Callable[..., Node]) -> None:
    ear = Ear(broker.port)
    try:
        north, south = start(broker.url, "north"), start(broker.url, "south")
        north.keep(*(reading(n) for n in range(5)), action_event(1), alarm(1))
        south.keep(reading(6, air_temp_c=28.0))
        until(
            lambda: ear.names("tomato/north/alarm") == ["alarm_1"] and ear.names("tomato/north/action") == ["action_1"]
        )
        until(lambda: len([1 for where, *_ in ear.heard if where == "tomato/north/telemetry"]) == 5)
        qos = {where: qos for where, qos, _ in ear.heard}
        assert (qos["tomato/north/alarm"], qos["tomato/north/telemetry"]) == (1, 0)
        alarms = [text for where, _, text in ear.heard if where == "tomato/north/alarm"]
        assert id_of(alarms[0]), "the id that makes a repeat known"
        until(lambda: (row := fleet(broker).get("south")) is not None and row.air_temp_c == 28.0)
        until(lambda: (row := fleet(broker).get("north")) is not None and row.air_temp_c == 24.5)
        south.close()
        until(lambda: fleet(broker, 3.0)["south"].level == "stale" and fleet(broker, 3.0)["north"].level == "well")
        forget_node(parse_address(broker.url), None, "south")
        assert set(fleet(broker)) == {"north"}
    finally:
        ear.close()


def test_alarms_of_a_broker_less_hour_arrive_with_the_broker(broker: RealMosquitto, start: Callable[..., Node]) -> None:
    node = start(broker.url, "north", telemetry_room_kb=10)
    until(lambda: node.word.get("up"))
    broker.stop()
    until(lambda: node.word.get("up") is False)
    for n in range(200):
        node.keep(reading(n), *([alarm(n)] if n % 10 == 0 else []))
    os.kill(node.pid(), signal.SIGSTOP)  # alarms are not retained: nobody may speak before the ear listens
    try:
        broker.start()
        ear = Ear(broker.port)
    finally:
        os.kill(node.pid(), signal.SIGCONT)
    try:
        until(lambda: len(ear.names("tomato/north/alarm")) >= 20)
        assert list(dict.fromkeys(ear.names("tomato/north/alarm"))) == [f"alarm_{n}" for n in range(0, 200, 10)]
        until(lambda: node.word["up"])
        assert node.word["bus_dropped"]["telemetry"] > 0
        assert node.word["bus_dropped"]["alarm"] == 0
        assert node.longest_tick_s < 0.25
    finally:
        ear.close()


def test_the_home_assistant_bridge_shows_its_node_too(broker: RealMosquitto, tmp_path: Path) -> None:
    from tomato_host.loop.recorder import Recorder
    from tomato_host.loop.status import Status

    from tests.bus.brokers import NOW, NoStore

    status = Status(NOW, NOW, link="up")
    recorder = Recorder(NoStore(), status)
    feed = mqtt_feed(MqttSettings(port=broker.port, node="tent"), status, recorder, tmp_path)
    feed.start()
    try:
        recorder.record(reading(1, air_temp_c=22.0))

        def shown() -> bool:
            feed.tick(NOW)
            return "tent" in fleet(broker)

        until(shown)
        assert fleet(broker, 10**9)["tent"].air_temp_c == 22.0
    finally:
        feed.stop()


def test_a_batch_logs_nothing(broker: RealMosquitto, caplog: pytest.LogCaptureFixture) -> None:
    """The client library warns when many messages wait for their acknowledgement; a batch is that many by design."""
    from tomato_host.service.bus.message import message_of
    from tomato_host.service.bus.mqtt_transport import MqttTransport
    from tomato_host.service.bus.transport import BATCH_LINES

    async def publish_one_batch() -> None:
        transport = MqttTransport(parse_address(broker.url), None, "north")
        await transport.connect()
        await transport.publish([message_of("north", alarm(n).model_dump(mode="json")) for n in range(BATCH_LINES)])
        await transport.close()

    asyncio.run(publish_one_batch())
    assert caplog.text == ""
