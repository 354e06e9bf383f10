"""Against a real mosquitto: discovery, availability, commands, a broker that restarts, kill -9."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tomato_host.cli.checks.services import check_mqtt
from tomato_host.commands.inbox import Inbox, Reply, Request
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.mqtt.settings import MqttSettings
from tomato_host.settings import parse_settings

from tests.stores import NoStore

pytest.importorskip("aiomqtt", reason="extra [mqtt] is not installed")
mqtt = pytest.importorskip("paho.mqtt.client")
MOSQUITTO = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not here (apt install mosquitto)")
NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


class Broker:
    """A real broker on a port of its own."""

    def __init__(self, folder: Path, more: str = "allow_anonymous true\n") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {self.port} 127.0.0.1\n{more}")
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        self.process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._listens)

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 0.5).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(10)


class Listener:
    """What a Home Assistant would hear."""

    def __init__(self, port: int) -> None:
        self.newest: dict[str, bytes] = {}
        self.answers: list[dict[str, Any]] = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self.client.on_message = self._hear
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _hear(self, _client: object, _data: object, message: Any) -> None:
        self.newest[message.topic] = message.payload
        if message.topic == "tomato/tent/answer":
            self.answers.append(json.loads(message.payload))

    def command(self, name: str, value: str = "PRESS", age_s: float = 0.0, retain: bool = False) -> None:
        ts = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
        self.client.publish(f"tomato/tent/command/{name}", json.dumps({"value": value, "ts": ts}), qos=1, retain=retain)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def until(wanted: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)


class RunningHost:
    """A deciding loop's stand-in: a real inbox that is answered, and the real feed to the real MQTT process."""

    def __init__(self, tmp_path: Path, port: int, username: str = "") -> None:
        from tomato_host.service.feeds import mqtt_feed

        self.asked: list[Request] = []
        self.status = Status(NOW, NOW, link="up")
        self.recorder = Recorder(NoStore(), self.status)
        self._inbox = Inbox(tmp_path)
        self.refuse = False
        settings = MqttSettings(port=port, node="tent", username=username)
        self.feed = mqtt_feed(settings, self.status, self.recorder, tmp_path)
        self._ending = threading.Event()
        self.feed.start()
        self._thread = threading.Thread(target=self._live)
        self._thread.start()

    def _live(self) -> None:
        while not self._ending.wait(0.1):
            self.status.now = datetime.now(UTC)
            self.feed.tick(NOW)
            for request in self._inbox.pop_requests():
                self.asked.append(request)
                self._inbox.reply(Reply(id=request.id, ok=True, text="accepted"))

    def pid(self) -> int:
        assert self.feed._process is not None
        return self.feed._process.pid

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self.feed.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def ear(broker: Broker) -> Iterator[Listener]:
    found = Listener(broker.port)
    yield found
    found.close()


@pytest.fixture
def running_host(broker: Broker, ear: Listener, tmp_path: Path) -> Iterator[RunningHost]:
    found = RunningHost(tmp_path, broker.port)
    try:
        # The board's availability and the host's are two messages: on a busy machine one comes well before the other.
        until(lambda: all(ear.newest.get(f"tomato/tent/{name}") == b"online" for name in ("board", "host")))
        yield found
    finally:
        found.close()


def test_told_asked_refused_and_answered(running_host: RunningHost, ear: Listener, broker: Broker) -> None:
    assert ear.newest["tomato/tent/host"] == b"online"
    assert json.loads(ear.newest["homeassistant/device/tomato_tent/config"])["availability_mode"] == "all"
    until(lambda: "tomato/tent/state" in ear.newest)
    ear.command("dose", "45")
    until(lambda: len(ear.answers) == 1)
    ear.command("water")
    until(lambda: len(ear.answers) == 2)
    assert [(r.action.origin, r.action.params.ml) for r in running_host.asked if r.action] == [("mqtt", 45.0)]
    assert ear.answers[1]["ok"] is True
    ear.command("water", age_s=120.0)
    until(lambda: len(ear.answers) == 3)
    ear.command("water", retain=True)
    until(lambda: len(ear.answers) == 4)
    assert ["stale" in ear.answers[2]["text"], "retained" in ear.answers[3]["text"]] == [True, True]
    assert len(running_host.asked) == 1, "what is stale or retained moves nothing"
    late = Listener(broker.port)
    until(lambda: "tomato/tent/host" in late.newest)
    assert "tomato/tent/command/water" not in late.newest, "nor does it lie in wait"
    late.close()
    running_host.status.link = "down"
    until(lambda: ear.newest["tomato/tent/board"] == b"offline")
    ear.newest.pop("homeassistant/device/tomato_tent/config")
    ear.client.publish("homeassistant/status", "online")
    until(lambda: "homeassistant/device/tomato_tent/config" in ear.newest)


def test_kill_9_is_told_by_the_will_and_a_restart_heals(running_host: RunningHost, ear: Listener) -> None:
    os.kill(running_host.pid(), signal.SIGKILL)
    until(lambda: ear.newest["tomato/tent/host"] == b"offline")
    until(lambda: ear.newest["tomato/tent/host"] == b"online")
    assert running_host.feed.restarts == 1
    assert "mqtt_process_ended" in [event.name for event in running_host.status.events]


def test_a_broker_that_restarts_is_told_everything_anew(
    running_host: RunningHost, ear: Listener, broker: Broker
) -> None:
    broker.stop()
    ear.newest.clear()
    time.sleep(0.5)
    broker.start()
    until(lambda: ear.newest.get("tomato/tent/host") == b"online")
    until(lambda: "homeassistant/device/tomato_tent/config" in ear.newest)
    ear.command("pause")
    until(lambda: running_host.asked)
    assert running_host.asked[-1].mode == "PAUSED"


def test_an_orderly_end_says_offline(running_host: RunningHost, ear: Listener) -> None:
    running_host.close()
    until(lambda: ear.newest["tomato/tent/host"] == b"offline")


def broker_of(status: Status) -> dict[str, Any]:
    return status.feeds.get("mqtt", {})


def test_no_payload_ends_the_process(running_host: RunningHost, ear: Listener) -> None:
    first = running_host.pid()
    for payload in (b"[" * 990, b'{"a":' * 190, b"\xff" * 900, b'{"ts": 1e400}', b"x" * 200_000, b"\x00"):
        ear.client.publish("tomato/tent/command/water", payload, qos=1)
        ear.client.publish("tomato/tent/dose", payload, qos=1)
        ear.client.publish("homeassistant/status", payload, qos=1)
        ear.client.publish(f"tomato/tent/command/{'n' * 200}", payload, qos=1)
    ear.command("pause")
    until(lambda: running_host.asked)
    assert [r.mode for r in running_host.asked] == ["PAUSED"]
    assert running_host.pid() == first
    assert running_host.feed.restarts == 0


def test_what_became_of_a_press_is_answered_and_shown(running_host: RunningHost, ear: Listener) -> None:
    from shared_schemas.records.action_v1 import Outcome

    ear.command("water")
    until(lambda: running_host.asked and ear.answers)
    action = running_host.asked[0].action
    assert action is not None
    outcome = Outcome(status="ABORTED", delivered_ml=12.0, reason="reservoir_low", finished_ts=datetime.now(UTC))
    running_host.recorder.record(action.model_copy(update={"outcome": outcome}))
    until(lambda: len(ear.answers) == 2)
    told = ear.answers[1]
    assert (told["phase"], told["ok"], told["delivered_ml"]) == ("outcome", False, 12.0)
    until(lambda: b"reservoir_low" in ear.newest["tomato/tent/state"])


def test_a_flood_does_not_stand_before_anybody_s_command(
    running_host: RunningHost, ear: Listener, tmp_path: Path
) -> None:
    from tomato_host.commands.inbox import new_request, submit, wait_reply

    for _ in range(3_000):
        ear.command("water")
    began = time.monotonic()
    request = new_request("mode", "a person at the command line", mode="PAUSED", until=NOW)
    submit(tmp_path, request)
    assert wait_reply(tmp_path, request, 10.0).ok
    assert time.monotonic() - began < 2.0
    until(lambda: broker_of(running_host.status).get("refused", 0) >= 500)  # the broker itself drops some

    def safe_mode_is_asked() -> bool:
        ear.command("safe")
        time.sleep(0.5)
        return any(r.mode == "SAFE" for r in running_host.asked)

    until(safe_mode_is_asked)
    assert len([r for r in running_host.asked if r.action]) <= 15
    assert len(ear.answers) < 100, "refusals are counted, not answered one by one"


def test_a_dose_outlives_the_process(running_host: RunningHost, ear: Listener) -> None:
    ear.command("dose", "75")
    until(lambda: ear.newest.get("tomato/tent/dose") == b"75")
    os.kill(running_host.pid(), signal.SIGKILL)
    until(lambda: running_host.feed.restarts == 1)
    ear.newest.pop("tomato/tent/state", None)
    until(lambda: json.loads(ear.newest.get("tomato/tent/state", b"{}")).get("dose_ml") == 75.0)


def test_a_second_host_of_the_same_name_is_noticed_and_one_steps_back(
    running_host: RunningHost, ear: Listener, broker: Broker, tmp_path: Path
) -> None:
    until(lambda: broker_of(running_host.status).get("up"))
    second = RunningHost(tmp_path / "second", broker.port)
    pair = (running_host, second)
    try:
        until(lambda: any("second host" in broker_of(host.status).get("trouble", "") for host in pair))
        end, steady = time.monotonic() + 90, 0
        while steady < 60:  # 6 s without a change: the other one has stepped back
            steady = steady + 1 if sum(bool(broker_of(host.status).get("up")) for host in pair) == 1 else 0
            time.sleep(0.1)
            assert time.monotonic() < end, "they flap for ever"
        assert [host.feed.restarts for host in pair] == [0, 0]
    finally:
        second.close()


def test_a_wrong_password_and_a_forbidden_topic_are_told(tmp_path: Path) -> None:
    users = tmp_path / "users"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(users), "tent", "right"], check=True, capture_output=True)
    rights = tmp_path / "rights"
    rights.write_text("user tent\ntopic write tomato/tent/#\n")
    os.chmod(users, 0o644)
    run_as = f"user {getpass.getuser()}\n" if os.geteuid() == 0 else ""  # else it cannot read files of root
    more = f"allow_anonymous false\n{run_as}password_file {users}\nacl_file {rights}\n"
    broker = Broker(tmp_path, more)
    try:
        for password, wanted in (("wrong", "password"), ("right", "topic")):
            os.environ["TOMATO_MQTT_PASSWORD"] = password
            running = RunningHost(tmp_path / password, broker.port, "tent")
            try:
                until(lambda: wanted in broker_of(running.status).get("trouble", ""))  # noqa: B023
                assert broker_of(running.status)["up"] is False
                found = check_mqtt(parse_settings({"mqtt": {"enabled": True, "port": broker.port, "username": "tent"}}))
                assert found.level == "problem"
                assert wanted in found.text
                assert [e.name for e in running.status.events] == ["mqtt_trouble"], "once"
            finally:
                running.close()
    finally:
        os.environ.pop("TOMATO_MQTT_PASSWORD", None)
        broker.stop()


def test_doctor_logs_in_and_gets_its_own_message_back(broker: Broker) -> None:
    found = check_mqtt(parse_settings({"mqtt": {"enabled": True, "port": broker.port}}))
    assert found.level == "ok", found.text
