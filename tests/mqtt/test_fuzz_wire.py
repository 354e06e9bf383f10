"""Hostile payloads through a real mosquitto at the real MQTT process: it lives, and safe mode still gets through."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from tomato_host.commands.inbox import Request
from tomato_host.service.mqtt.commands import CommandParser, CommandRefusal, SetDose

from tests.mqtt.hostile_payloads import hostile_payloads
from tests.mqtt.test_broker import (
    MOSQUITTO,
    Broker,
    Listener,
    RunningHost,
    broker,
    broker_of,
    ear,
    running_host,
    until,
)

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not here (apt install mosquitto)")
__all__ = ["Broker", "broker", "ear", "running_host"]
BATCH = 50


def throw(running: RunningHost, ear: Listener, count: int, seed: int) -> None:
    first = running.pid()
    for number, (topic, payload) in enumerate(hostile_payloads(seed, count)):
        last = ear.client.publish(topic, payload, qos=1, retain=number % 97 == 0)
        if number % BATCH == 0:
            last.wait_for_publish(30.0)
            assert running.pid() == first, f"the process ended within the {BATCH} payloads before number {number}"
    assert broker_of(running.status).get("losses", 0) == 0, "no payload costs the connection"

    def safe_mode_is_asked() -> bool:
        ear.command("safe")
        time.sleep(0.5)
        return any(request.mode == "SAFE" for request in running.asked)

    until(safe_mode_is_asked)
    assert running.pid() == first
    assert running.feed.restarts == 0
    assert ear.newest["tomato/tent/state"]


@needs_mosquitto
def test_five_hundred_payloads(running_host: RunningHost, ear: Listener) -> None:
    throw(running_host, ear, 500, seed=1)


@needs_mosquitto
@pytest.mark.soak
def test_ten_thousand_payloads(running_host: RunningHost, ear: Listener) -> None:
    throw(running_host, ear, 10_000, seed=2)


def test_ten_thousand_payloads_at_the_parser() -> None:
    """Without the limits in front of it; what is accepted is a bounded request of a known kind."""
    parser, now, kinds = CommandParser(30.0), datetime.now(UTC), {"request": 0, "refusal": 0, "dose": 0}
    for topic, payload in hostile_payloads(3, 10_000):
        if topic == "tomato/tent/dose":
            parser.restore_dose(payload)
            assert 10.0 <= parser.dose_ml <= 200.0
            continue
        parsed = parser.parse(topic.rpartition("/")[2], payload, False, now)
        if isinstance(parsed, Request):
            kinds["request"] += 1
            assert parsed.kind in ("action", "mode")
            assert parsed.action is None or parsed.action.not_after is not None
        elif isinstance(parsed, SetDose):
            kinds["dose"] += 1
            assert 10.0 <= parsed.ml <= 200.0
        else:
            assert isinstance(parsed, CommandRefusal) and 0 < len(parsed.text) < 500
            kinds["refusal"] += 1
    assert kinds["request"] > 100 and kinds["refusal"] > 1_000, f"the payloads reach both: {kinds}"
