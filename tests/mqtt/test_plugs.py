"""A smart plug is never on without an end that was read back: the state machine, then a plug on a real broker."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.cli import main
from tomato_host.errors import TomatoError
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.run_extensions import plugs_of_real_boards
from tomato_host.service.feeds import mqtt_feed
from tomato_host.service.mqtt.plug_guard import READ_BACK_S, PlugGuard, PlugOrder, PlugReport
from tomato_host.service.mqtt.plug_protocols import TasmotaProtocol
from tomato_host.service.mqtt.plugs import FILE, read_latches
from tomato_host.service.mqtt.settings import PlugSettings
from tomato_host.settings import parse_settings

from shared_schemas.devices import OUTPUTS
from shared_schemas.records import EventV1, Record
from tests.contracts.examples import parsed
from tests.mqtt.test_broker import MOSQUITTO, NOW, Broker, NoStore, until

mqtt = pytest.importorskip("paho.mqtt.client")
TIMER_S = 60.0


class SimulatedPlug:
    """A plug that does what it is told, with its own off timer; parts of it may fail."""

    def __init__(self) -> None:
        self.is_on, self.timer_s, self.left_s = False, 0.0, 0.0
        self.answers = self.keeps_timer = self.obeys_off = True
        self.longest_on_s = self._on_s = 0.0

    def order(self, order: PlugOrder) -> PlugReport:
        if order == "arm" and self.keeps_timer:
            self.timer_s = TIMER_S
        if order == "on":
            self.is_on, self.left_s, self._on_s = True, self.timer_s, 0.0
        if order == "off" and self.obeys_off:
            self.is_on = False
        said = order in ("arm", "read")
        report = PlugReport(
            is_on=self.is_on,
            timer_s=self.timer_s if said else None,
            left_s=self.left_s if said and self.is_on else None,
        )
        return report if self.answers else PlugReport()

    def wait(self, seconds: float) -> None:
        """Time passes; a running timer ends the pulse."""
        if self.is_on:
            self._on_s += seconds
            self.longest_on_s = max(self.longest_on_s, self._on_s)
            if self.timer_s > 0.0:
                self.left_s -= seconds
                self.is_on = self.left_s > 0.0


class Bench:
    """A guard and a plug in one time."""

    def __init__(self) -> None:
        self.guard, self.plug, self.now_s = PlugGuard(TIMER_S), SimulatedPlug(), 0.0
        self.sent: list[PlugOrder] = []

    def _send(self, orders: list[PlugOrder]) -> None:
        while orders:
            order = orders.pop(0)
            self.sent.append(order)
            orders += self.guard.report(self.plug.order(order), self.now_s)

    def live(self, seconds: float, wanted: bool = True) -> None:
        for _ in range(round(seconds)):
            self._send(self.guard.tick(wanted, self.now_s))
            self.plug.wait(1.0)
            self.now_s += 1.0


def test_on_counts_after_the_timer_was_read_back_twice() -> None:
    bench = Bench()
    bench.live(1)
    assert bench.sent == ["arm", "on", "read"] and bench.guard.state == "ON" and bench.plug.is_on
    bench.live(200)
    assert bench.plug.is_on and bench.guard.state == "ON", "renewed before its timer ends"
    assert bench.sent.count("on") == pytest.approx(10, abs=1), "after a third of the timer"
    bench.live(2, wanted=False)
    assert not bench.plug.is_on and bench.guard.state == "OFF"


def test_a_host_that_stops_leaves_the_plug_to_its_own_timer() -> None:
    bench = Bench()
    bench.live(30)
    for _ in range(70):
        bench.plug.wait(1.0)
    assert not bench.plug.is_on


FAILURES = {
    "no answer": ({"answers": False}, "did not report"),
    "a timer that is not kept": ({"keeps_timer": False}, "off timer is 0 s"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_is_not_read_back_is_never_switched_on_and_latches(name: str) -> None:
    fields, why = FAILURES[name]
    bench = Bench()
    for key, value in fields.items():
        setattr(bench.plug, key, value)
    bench.live(60)
    assert bench.guard.state == "LATCHED" and why in bench.guard.reason
    assert "on" not in bench.sent and bench.plug.longest_on_s == 0.0


def test_a_lost_read_back_while_it_is_on_ends_it_at_once_and_stays() -> None:
    bench = Bench()
    bench.live(10)
    bench.plug.answers = False
    bench.live(20 + READ_BACK_S)
    assert bench.guard.state == "LATCHED" and not bench.plug.is_on
    bench.plug.answers = True
    bench.live(300)
    assert bench.guard.state == "LATCHED" and not bench.plug.is_on, "until a person has looked"
    bench.guard.clear()
    bench.live(2)
    assert bench.guard.state == "ON" and bench.plug.is_on


def test_a_running_plug_whose_timer_was_taken_away_is_ended() -> None:
    bench = Bench()
    bench.live(10)
    bench.plug.timer_s = bench.plug.left_s = 0.0
    bench.guard.report(PlugReport(timer_s=0.0, left_s=0.0), bench.now_s)
    assert bench.guard.state == "LATCHED" and "off timer is 0 s" in bench.guard.reason
    assert Bench().guard.report(PlugReport(timer_s=900.0), 0.0) == [], "before its first pulse that is no fault"


def test_off_is_repeated_until_the_plug_reports_it() -> None:
    bench = Bench()
    bench.live(5)
    bench.plug.obeys_off = False
    bench.live(40, wanted=False)
    assert bench.sent.count("off") >= 7
    bench.plug.obeys_off = True
    bench.live(10, wanted=False)
    assert not bench.plug.is_on
    before = len(bench.sent)
    bench.live(30, wanted=False)
    assert len(bench.sent) == before, "then there is quiet"


def test_somebody_at_its_button_gets_no_light_that_the_board_did_not_ask_for() -> None:
    bench = Bench()
    bench.live(6, wanted=False)
    bench.plug.is_on = True
    bench.guard.report(PlugReport(is_on=True), bench.now_s)
    bench.live(6, wanted=False)
    assert not bench.plug.is_on


FAULTS = st.lists(
    st.tuples(
        st.integers(1, 25),
        st.booleans(),
        st.sampled_from(["answers", "keeps_timer", "obeys_off", "reconnect", "clear", "button", "none"]),
        st.booleans(),
    ),
    max_size=25,
)


def disturb(plug: Any, guard: PlugGuard, what: str, value: bool) -> None:
    """One step of a script: a property of the plug that fails or comes back, or a call of the guard."""
    if what in ("answers", "keeps_timer", "obeys_off"):
        setattr(plug, what, value)
    elif what == "reconnect":
        guard.reconnected()
    elif what == "clear":
        guard.clear()


@given(FAULTS)
def test_whatever_fails_no_pulse_outlasts_the_timer(script: list[tuple[int, bool, str, bool]]) -> None:
    """Each pulse, from one ON to the next, ends with the plug's own timer, unless somebody stands at its button."""
    bench = Bench()
    for seconds, wanted, what, value in script:
        disturb(bench.plug, bench.guard, what, value)
        bench.live(seconds, wanted)
        if bench.guard.state == "ON":
            assert bench.plug.timer_s == TIMER_S, "ON counts with an armed timer alone"
    assert bench.plug.longest_on_s <= TIMER_S


def test_the_words_of_tasmota() -> None:
    def parse_report(what: str, payload: bytes, relay: int) -> PlugReport:
        words = TasmotaProtocol(PlugSettings(output="light", topic="p", relay=relay))
        report = words.parse(f"{'tele' if what == 'LWT' else 'stat'}/p/{what}", payload, 0.0)
        assert report is not None and words.parse(f"stat/q/{what}", payload, 0.0) is None
        return report

    def told(text: str, relay: int = 1) -> PlugReport:
        return parse_report("RESULT", text.encode(), relay)

    assert told('{"PulseTime1":{"Set":280,"Remaining":130}}') == PlugReport(timer_s=180.0, left_s=30.0)
    assert told('{"PulseTime1":{"Set":0,"Remaining":0}}') == PlugReport(timer_s=0.0, left_s=0.0)
    assert told('{"PulseTime1":{"Set":111,"Remaining":5}}').timer_s == pytest.approx(11.1)
    assert told('{"PulseTime2":{"Set":280}}') == PlugReport() == told('{"POWER1":"ON"}') == told("[[")
    assert told('{"PulseTime1":{"Set":true,"Remaining":"9"}}') == PlugReport()
    assert parse_report("POWER", b"ON", 1).is_on is True and parse_report("POWER2", b"OFF", 2).is_on is False
    assert parse_report("POWER", b"ON", 2) == PlugReport() and parse_report("POWER1", b"ON", 2) == PlugReport()
    assert parse_report("LWT", b"Offline", 1).is_reachable is False


def test_only_light_and_air_may_hang_on_a_plug() -> None:
    accepted, refused = [], {}
    for row in OUTPUTS:
        try:
            parse_settings({"mqtt": {"plugs": [{"output": row.name, "topic": "p"}]}})
            accepted.append(row.name)
        except TomatoError as error:
            refused[row.name] = str(error)
    assert accepted == ["light", "circulation_fan", "exhaust_fan"]
    assert set(refused) == {"humidifier", "heater_mat", "water_pump", "co2_solenoid"}
    assert all("can never be a plug" in text for text in refused.values())
    assert "no_leak" in refused["water_pump"] and "co2_fresh" in refused["co2_solenoid"]
    for rows in ([{"output": "light", "topic": "a"}] * 2, [{"output": "kettle", "topic": "a"}]):
        with pytest.raises(TomatoError, match="E-CONFIG-INVALID"):
            parse_settings({"mqtt": {"plugs": rows}})


def test_a_virtual_board_moves_no_real_plug() -> None:
    settings = parse_settings({"mqtt": {"plugs": [{"output": "light", "topic": "p"}]}})
    assert plugs_of_real_boards(settings, "sim").plugs == ()
    assert len(plugs_of_real_boards(settings, "/dev/ttyACM0").plugs) == 1
    virtual = parse_settings({"mqtt": {"plugs": [{"output": "light", "topic": "p"}]}, "board": {"url": "sim"}})
    assert plugs_of_real_boards(virtual, None).plugs == ()


# -- a plug with Tasmota's words on a real broker --------------------------------------------------------------------


class TasmotaPlug:
    """Speaks as Tasmota does, with its own timer."""

    def __init__(self, port: int, name: str = "lamp") -> None:
        self.is_on, self.set, self.is_mute = False, 0, False
        self.log: list[tuple[str, str]] = []
        self._name, self._ends_at = name, 0.0
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        self.client.on_message = self._obey
        self.client.connect("127.0.0.1", port)
        self.client.subscribe(f"cmnd/{name}/+", qos=1)
        self.client.loop_start()

    @property
    def burns(self) -> bool:
        """Its own timer ends the pulse, whatever anybody says."""
        if self.is_on and self.set and time.monotonic() >= self._ends_at:
            self.is_on = False
        return self.is_on

    def _obey(self, _client: object, _data: object, message: Any) -> None:
        what, text = message.topic.rpartition("/")[2], message.payload.decode()
        self.log.append((what, text))
        if what == "POWER1":
            self.is_on = text == "ON"
            self._ends_at = time.monotonic() + self.set - 100
            self._say("RESULT", json.dumps({"POWER1": text}))
            self._say("POWER1", text)
        elif what == "PulseTime1":
            self.set = int(text) if text else self.set
            left = max(0, round(self._ends_at - time.monotonic())) + 100 if self.burns and self.set else 0
            self._say("RESULT", json.dumps({"PulseTime1": {"Set": self.set, "Remaining": left}}))

    def _say(self, what: str, text: str) -> None:
        if not self.is_mute:
            self.client.publish(f"stat/{self._name}/{what}", text)

    def close(self) -> None:
        self.client.loop_stop()
        self.client.disconnect()


@contextmanager
def following(place: Path, port: int, *plugs: dict[str, Any]) -> Iterator[tuple[Recorder, list[Record], Any]]:
    """The real feed to the real MQTT process, with a Tasmota at the lamp or the `plugs`."""
    records: list[Record] = []
    status = Status(NOW, NOW, link="up")
    recorder = Recorder(NoStore(), status)
    recorder.listeners.append(records.append)
    rows = plugs or ({"output": "light", "topic": "lamp", "off_after_s": 12},)
    settings = parse_settings({"mqtt": {"enabled": True, "port": port, "plugs": list(rows)}}).mqtt
    feed, over = mqtt_feed(settings, status, recorder, place), threading.Event()

    def live() -> None:
        while not over.wait(0.1):
            feed.tick(datetime.now(UTC))

    feed.start()
    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield recorder, records, feed
    finally:
        over.set()
        thread.join()
        feed.stop()


def board(state: str, *names: str) -> Record:
    on = dict.fromkeys(names or ("light",), state)
    outputs = {**dict.fromkeys((row.name for row in OUTPUTS), "OFF"), **on}
    return parsed("device_status_v1", outputs=outputs, mcu_connected=True)


def events(records: list[Record], name: str) -> list[EventV1]:
    return [one for one in records if isinstance(one, EventV1) and one.name == name]


@pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not here (apt install mosquitto)")
def test_a_plug_follows_the_board_and_a_lost_read_back_latches_it(tmp_path: Path) -> None:
    broker = Broker(tmp_path)
    plug = TasmotaPlug(broker.port)
    try:
        with following(tmp_path, broker.port) as (recorder, records, feed):
            recorder.record(board("OFF"))
            until(lambda: ("POWER1", "OFF") in plug.log)
            recorder.record(board("ON"))
            until(lambda: plug.burns)
            ordered = [one for one in plug.log if one != ("POWER1", "OFF")]
            assert ordered[:2] == [("PulseTime1", "112"), ("POWER1", "ON")], "armed before it is switched on"
            until(lambda: [one[1] for one in plug.log].count("ON") >= 2)
            assert plug.burns, "renewed"
            recorder.record(board("OFF"))
            until(lambda: not plug.burns)
            recorder.record(board("ON"))
            until(lambda: plug.burns)
            plug.is_mute = True
            until(lambda: events(records, "plug_latched"))
            until(lambda: not plug.burns)
            assert "did not report" in events(records, "plug_latched")[0].text
            assert set(read_latches(tmp_path)) == {"light"}
            plug.is_mute = False
            said = len(plug.log)
            with pytest.raises(SystemExit):
                main.main(["plugs", "clear", "light", "--data-dir", str(tmp_path)])
            until(lambda: events(records, "plug_cleared") and plug.burns)
            assert len(plug.log) > said
            os.kill(feed._process.pid, signal.SIGSTOP)  # the process hangs, with the plug on
            seen_s = time.monotonic()
            until(lambda: not plug.burns)
            assert time.monotonic() - seen_s <= 13.0, "its own timer, at the latest"
    finally:
        plug.close()
        broker.stop()


def test_a_latch_outlives_the_process_and_a_damaged_file_latches_all(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{torn")
    assert set(read_latches(tmp_path)) == {"*"}
    assert PlugGuard(60.0, read_latches(tmp_path)["*"]).state == "LATCHED"
    assert read_latches(tmp_path / "nowhere") == {}
