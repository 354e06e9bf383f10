"""Plugs of other makes keep Tasmota's rule: never on without an own off timer that was read back at this very pulse."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.errors import TomatoError
from tomato_host.service.live_state import LiveState
from tomato_host.service.metrics import metrics_page
from tomato_host.service.mqtt.payloads import discovery
from tomato_host.service.mqtt.plug_guard import READ_BACK_S, PlugGuard, PlugReport
from tomato_host.service.mqtt.plug_shelly import GET_CONFIG, GET_STATUS, ShellyGen1Protocol, ShellyProtocol
from tomato_host.service.mqtt.plugs import Plugs, protocol_of
from tomato_host.service.mqtt.settings import PlugSettings
from tomato_host.settings import parse_settings

from tests.mqtt.plug_makes import MAKES, SimulatedGen1, SimulatedMake
from tests.mqtt.test_broker import MOSQUITTO, Broker, until
from tests.mqtt.test_plugs import board, disturb, events, following

mqtt = pytest.importorskip("paho.mqtt.client")
TIMER_S = 60.0


def row(make: str, output: str = "light", **fields: Any) -> dict[str, Any]:
    page = {"url": "http://127.0.0.1:9/"} if make == "shelly_gen1" else {}
    return {"make": make, "output": output, "topic": "lamp", "off_after_s": TIMER_S, **page, **fields}


class MakeBench:
    """Guard, protocol and plug of a make in one time."""

    def __init__(self, make: str) -> None:
        self.now_s = 0.0
        self.guard, self.protocol = PlugGuard(TIMER_S), protocol_of(PlugSettings.model_validate(row(make)), "tent")
        self.plug: SimulatedMake = MAKES[make](lambda: self.now_s)

    def _process(self, answers: list[tuple[str, str]]) -> None:
        for where, text in answers:
            report = self.protocol.parse(where, text.encode(), self.now_s)
            assert report is not None, where
            self._send(self.guard.report(report, self.now_s))

    def _send(self, orders: list[Any]) -> None:
        for order in orders:
            for where, text in self.protocol.messages(order):
                self._process(self.plug.receive(where, text))

    def live(self, seconds: float, wanted: bool = True) -> None:
        for _ in range(round(seconds)):
            self._send(self.guard.tick(wanted, self.now_s))
            self.now_s += 1.0
            self.plug.burns()
            self._process(self.plug.every_second())


@pytest.mark.parametrize("make", MAKES)
def test_a_plug_is_armed_before_it_is_on_and_renewed_before_its_timer_ends(make: str) -> None:
    bench = MakeBench(make)
    bench.live(2)
    assert bench.plug.log[:2] == ["arm", "on"] and bench.guard.state == "ON" and bench.plug.burns()
    bench.live(200)
    assert bench.guard.state == "ON" and bench.plug.burns() and bench.plug.log.count("on") == pytest.approx(10, abs=1)
    assert bench.plug.writes == 1 or make == "esphome", "its flash is not written again and again"
    bench.live(2, wanted=False)
    assert not bench.plug.burns() and bench.guard.state == "OFF"


@pytest.mark.parametrize("make", MAKES)
def test_a_host_that_stops_leaves_each_plug_to_its_own_timer(make: str) -> None:
    bench = MakeBench(make)
    bench.live(30)
    bench.now_s += TIMER_S
    assert not bench.plug.burns()


@pytest.mark.parametrize("failure", ["answers", "keeps_timer"])
@pytest.mark.parametrize("make", MAKES)
def test_without_a_timer_that_is_read_back_no_make_is_switched_on(make: str, failure: str) -> None:
    bench = MakeBench(make)
    setattr(bench.plug, failure, False)
    bench.live(60)
    assert bench.guard.state == "LATCHED" and "off timer" in bench.guard.reason
    assert "on" not in bench.plug.log and bench.plug.longest_on_s == 0.0


@pytest.mark.parametrize("make", MAKES)
def test_a_read_back_that_is_lost_while_it_is_on_latches_each_make(make: str) -> None:
    bench = MakeBench(make)
    bench.live(10)
    bench.plug.answers = False
    bench.live(20 + READ_BACK_S)
    assert bench.guard.state == "LATCHED" and not bench.plug.burns()
    bench.plug.answers = True
    bench.guard.clear()
    bench.live(3)
    assert bench.guard.state == "ON"


FAULTS = st.lists(
    st.tuples(
        st.integers(1, 25),
        st.booleans(),
        st.sampled_from(["answers", "keeps_timer", "obeys_off", "reconnect", "clear", "somebody sets its timer"]),
        st.booleans(),
    ),
    max_size=20,
)


@given(st.sampled_from(sorted(MAKES)), FAULTS)
def test_whatever_fails_no_pulse_of_any_make_outlasts_its_timer(
    make: str, script: list[tuple[int, bool, str, bool]]
) -> None:
    bench = MakeBench(make)
    for seconds, wanted, what, value in script:
        disturb(bench.plug, bench.guard, what, value)
        if what == "somebody sets its timer":
            bench.plug.timer_s = 0.0
        bench.live(seconds, wanted)
    assert bench.plug.longest_on_s <= TIMER_S + 1.0


def test_the_words_of_a_shelly() -> None:
    words = ShellyProtocol(PlugSettings.model_validate(row("shelly", relay=2)), "tent")
    assert words.topics == ("tomato_tent_light/rpc", "lamp/online", "lamp/status/switch:1")

    def told(answer: object, now_s: float = 0.0) -> PlugReport | None:
        return words.parse("tomato_tent_light/rpc", json.dumps(answer).encode(), now_s)

    assert [json.loads(text)["method"] for _, text in words.messages("arm")] == ["Switch.SetConfig", "Switch.GetConfig"]
    assert told({"id": GET_CONFIG, "result": {"auto_off": True, "auto_off_delay": 60}}) == PlugReport(timer_s=60.0)
    assert [json.loads(text)["method"] for _, text in words.messages("arm")] == ["Switch.GetConfig"]
    assert told({"id": GET_CONFIG, "result": {"auto_off": False, "auto_off_delay": 60}}) == PlugReport(timer_s=0.0)
    status = {"output": True, "timer_started_at": 1.7e9, "timer_duration": 60}
    assert told({"id": GET_STATUS, "result": status}, 5.0) == PlugReport(is_on=True, left_s=60.0)
    assert told({"id": GET_STATUS, "result": status}, 25.0) == PlugReport(is_on=True, left_s=40.0)
    assert told({"id": GET_STATUS, "result": {"output": True}}) == PlugReport(is_on=True, left_s=0.0)
    refused = told({"id": GET_CONFIG, "error": {"code": 401, "message": "unauthorized"}})
    assert refused == PlugReport(refusal="unauthorized")
    guard = PlugGuard(60.0)
    guard.tick(True, 0.0)
    assert refused and guard.report(refused, 0.5) == ["off"] and guard.reason == "the plug refused: unauthorized"
    answers: tuple[object, ...] = ([], {"id": GET_CONFIG}, {"id": GET_CONFIG, "result": []}, {"id": 99, "result": {}})
    for answer in answers:
        assert told(answer) == PlugReport()
    assert words.parse("lamp/online", b"false", 0.0) == PlugReport(is_reachable=False)
    assert words.parse("lamp/status/switch:1", b'{"id":1,"output":true}', 0.0) == PlugReport(is_on=True)
    assert words.parse("other/rpc", b"{}", 0.0) is None


def test_the_words_of_a_shelly_of_the_first_generation() -> None:
    words = ShellyGen1Protocol(PlugSettings.model_validate(row("shelly_gen1", url="http://10.0.0.7")))
    assert words.messages("arm") == [("http://10.0.0.7/settings/relay/0?auto_off=60", "")]
    assert words.parse("http://10.0.0.7/settings/relay/0?auto_off=60", b'{"auto_off":60.0}', 0.0) == PlugReport(
        timer_s=60.0
    )
    assert words.messages("arm") == [("http://10.0.0.7/settings/relay/0", "")]
    told = b'{"ison":true,"has_timer":true,"timer_remaining":59,"timer_duration":60}'
    assert words.parse("http://10.0.0.7/relay/0", told, 0.0) == PlugReport(is_on=True, left_s=59.0)
    assert words.parse("http://10.0.0.7/relay/0", b'{"ison":true,"has_timer":false}', 0.0) == PlugReport(
        is_on=True, left_s=0.0
    )
    assert words.parse("http://10.0.0.7/relay/0", b"<html>", 0.0) == PlugReport()
    assert words.parse("http://10.0.0.8/relay/0", told, 0.0) is None


def test_what_has_no_timer_that_can_be_reached_is_refused() -> None:
    for plug, why in (
        ({**row("shelly_gen1"), "url": None}, "neither takes nor reports an off timer"),
        (row("shelly", url="http://10.0.0.7"), "for a Shelly Gen1 only"),
        (row("tasmota", topic="a/b"), "has no /"),
        (row("kasa"), "mqtt.plugs"),
    ):
        with pytest.raises(TomatoError, match=why):
            parse_settings({"mqtt": {"plugs": [plug]}})


@pytest.mark.parametrize("make", [*MAKES, "tasmota"])
def test_what_a_broker_had_stored_is_no_read_back(make: str, tmp_path: Path) -> None:
    """A timer of last week must not arm the pulse of today."""
    plug = PlugSettings.model_validate(row(make))
    state = LiveState()
    state.connected = True
    state.update(json.dumps({"status": {"link": "up"}}).encode())
    state.update(json.dumps({"record": json.loads(board("ON").to_json())}).encode())
    plugs = Plugs((plug,), tmp_path, state, lambda: 0.0, "tent")
    assert plugs.tick(), "armed"
    stored = {
        "shelly": ("tomato_tent_light/rpc", '{"id":2,"result":{"auto_off":true,"auto_off_delay":60}}'),
        "shelly_gen1": ("http://127.0.0.1:9/settings/relay/0", '{"auto_off":60.0}'),
        "esphome": ("lamp/number/off_after/state", "60"),
        "tasmota": ("stat/lamp/RESULT", '{"PulseTime1":{"Set":160,"Remaining":160}}'),
    }
    where, text = stored[make]
    assert plugs.on_message(where, text.encode(), is_retained=True) == []
    assert plugs.on_message(where, text.encode()), "this one is of now"


def test_a_plug_is_a_metric_and_an_entity() -> None:
    state = LiveState()
    told = {"up": True, "sent": 1, "losses": 0, "dropped": {}, "waiting_bytes": 0, "restarts": 0}
    plugs = {"light": {"state": "ON", "reason": ""}, "exhaust_fan": {"state": "LATCHED", "reason": "silent"}}
    state.update(json.dumps({"status": {"feeds": {"mqtt": {**told, "plugs": plugs}}}}).encode())
    page = metrics_page(state)[0].decode()
    assert 'tomato_plug_on{output="light"} 1.0' in page and 'tomato_plug_latched{output="light"} 0.0' in page
    assert (
        'tomato_plug_on{output="exhaust_fan"} 0.0' in page and 'tomato_plug_latched{output="exhaust_fan"} 1.0' in page
    )
    parts = discovery("tent", "homeassistant", [], commands=True, plugs=["light"])["components"]
    assert parts["plug_light"]["options"] == ["off", "arming", "confirming", "on", "latched"]
    assert "plug_exhaust_fan" not in parts and "plug_light" not in discovery("t", "ha", [], commands=True)["components"]


# -- all makes at once on a real broker ------------------------------------------------------------------------------


class MqttPlug:
    """A plug of a make on a broker; what goes to its page is answered there."""

    def __init__(self, plug: SimulatedMake, port: int, *topics: str) -> None:
        self.plug, self._lock, self._over = plug, threading.RLock(), threading.Event()
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._on_message
        self.client.connect("127.0.0.1", port)
        for topic in topics:
            self.client.subscribe(topic, qos=1)
        self.client.loop_start()
        self._ticking = threading.Thread(target=self._tick, daemon=True)
        self._ticking.start()

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        self._publish(self.receive(message.topic, message.payload.decode()))

    def receive(self, where: str, text: str) -> list[tuple[str, str]]:
        with self._lock:
            return self.plug.receive(where, text)

    def burns(self) -> bool:
        with self._lock:
            return self.plug.burns()

    def _publish(self, answers: list[tuple[str, str]]) -> None:
        for where, text in answers:
            self.client.publish(where, text, retain=True)  # ESPHome retains its states

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            with self._lock:
                self._publish(self.plug.every_second())

    def close(self) -> None:
        self._over.set()
        self._ticking.join()
        self.client.loop_stop()
        self.client.disconnect()


@contextmanager
def page_of(plug: MqttPlug) -> Iterator[str]:
    """The plug's page on a port of its own; without an answer the line is cut."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = plug.receive(self.path, "")
            if answers:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(answers[0][1].encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


OUTPUT_OF = {"shelly": "light", "shelly_gen1": "circulation_fan", "esphome": "exhaust_fan"}
TOPICS = {
    "shelly": ("lamp/rpc",),
    "shelly_gen1": ("shellies/lamp/relay/0/command",),
    "esphome": ("lamp/number/off_after/command", "lamp/switch/relay/command"),
}


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not here (apt install mosquitto)")
def test_plugs_of_three_makes_follow_the_board_and_latch_when_they_fall_silent(tmp_path: Path) -> None:
    broker, names = Broker(tmp_path), tuple(OUTPUT_OF.values())
    with ExitStack() as stack:
        stack.callback(broker.stop)
        plugs = {make: MqttPlug(kind(time.monotonic), broker.port, *TOPICS[make]) for make, kind in MAKES.items()}
        for one in plugs.values():
            stack.callback(one.close)
        assert isinstance(plugs["shelly_gen1"].plug, SimulatedGen1)
        url = stack.enter_context(page_of(plugs["shelly_gen1"]))
        rows = [row(make, OUTPUT_OF[make], off_after_s=12) for make in MAKES]
        rows[1]["url"] = url
        recorder, records, _ = stack.enter_context(following(tmp_path, broker.port, *rows))
        recorder.record(board("ON", *names))
        for make, one in plugs.items():
            until(one.burns)
            until(lambda one=one: one.plug.log.count("on") >= 2)  # type: ignore[misc]
            order = [word for word in one.plug.log if word != "off"]
            assert order[:2] == ["arm", "on"] and one.burns(), make
        recorder.record(board("OFF", *names))
        for one in plugs.values():
            until(lambda one=one: not one.burns())  # type: ignore[misc]
        recorder.record(board("ON", *names))
        for one in plugs.values():
            until(one.burns)
        for one in plugs.values():
            one.plug.answers = False
        until(lambda: len(events(records, "plug_latched")) == len(names))
        for one in plugs.values():
            until(lambda one=one: not one.burns())  # type: ignore[misc]
        assert {str(one.data["output"]) for one in events(records, "plug_latched")} == set(names)
