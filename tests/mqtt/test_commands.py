"""What may be asked over MQTT: fresh, once, bounded; and what Home Assistant is told, by its rules."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from tomato_host.commands.inbox import Request
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.commands import CommandParser, CommandRefusal, SetDose
from tomato_host.service.mqtt.payloads import discovery, state_payload, topics

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def dated(value: str = "PRESS", age_s: float = 0.0) -> bytes:
    return json.dumps({"value": value, "ts": (NOW - timedelta(seconds=age_s)).isoformat()}).encode()


def test_a_dose_is_a_number_and_a_button() -> None:
    commands = CommandParser(30.0)
    assert commands.parse("dose", dated("45"), False, NOW) == SetDose(45.0)
    request = commands.parse("water", dated(), False, NOW)
    assert isinstance(request, Request)
    assert request.action is not None
    assert request.action.params.ml == 45.0
    assert request.action.origin == "mqtt"
    assert request.action.not_after == NOW + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("name", "payload", "retained", "why"),
    [
        ("water", dated(), True, "retained"),
        ("water", dated(age_s=31.0), False, "stale"),
        ("water", dated(age_s=-60.0), False, "stale"),
        ("water", b"PRESS", False, "not understood"),
        ("water", b'{"value": "x"}', False, "not understood"),
        ("water", b'{"ts": "2026-05-01T08:00:00"}', False, "not understood"),
        ("water", b"[]", False, "not understood"),
        ("water", b"\xff\xfe", False, "not understood"),
        ("water", b"x" * 2_000, False, "too large"),
        ("dose", dated("nan"), False, "10 to 200"),
        ("dose", dated("1e9"), False, "10 to 200"),
        ("open_valve", dated(), False, "unknown command"),
    ],
)
def test_what_moves_nothing_says_why(name: str, payload: bytes, retained: bool, why: str) -> None:
    commands = CommandParser(30.0)
    answer = commands.parse(name, payload, retained, NOW)
    assert isinstance(answer, CommandRefusal)
    assert why in answer.text
    assert commands.dose_ml == 30.0


def test_delivered_twice_is_done_once() -> None:
    commands = CommandParser(30.0)
    assert isinstance(commands.parse("water", dated(), False, NOW), Request)
    again = commands.parse("water", dated(), False, NOW + timedelta(seconds=1))
    assert isinstance(again, CommandRefusal)
    assert "twice" in again.text
    assert isinstance(commands.parse("water", dated(age_s=-1), False, NOW + timedelta(seconds=1)), Request)


@pytest.mark.parametrize(("name", "mode"), [("pause", "PAUSED"), ("resume", "NORMAL")])
def test_modes_lapse_by_themselves(name: str, mode: str) -> None:
    request = CommandParser(30.0).parse(name, dated(), False, NOW)
    assert isinstance(request, Request)
    assert (request.mode, request.until) == (mode, NOW + timedelta(hours=1))


def test_discovery_follows_the_rules_of_home_assistant() -> None:
    told = discovery("tent", "homeassistant", ["P1", "P2"], commands=True)
    assert set(told) == {"device", "origin", "availability", "availability_mode", "components"}, "the root is strict"
    assert told["availability_mode"] == "all"
    assert [a["topic"] for a in told["availability"]] == ["tomato/tent/host", "tomato/tent/board"]
    assert told["origin"]["name"] and told["device"]["identifiers"]
    ids = [part["unique_id"] for part in told["components"].values()]
    assert len(ids) == len(set(ids)) >= 16
    for part in told["components"].values():
        assert part["default_entity_id"].startswith(f"{part['platform']}.")
        assert "object_id" not in part
        if part["platform"] in ("sensor", "binary_sensor"):
            is_value = part["state_topic"] == "tomato/tent/state" and not part["unique_id"].endswith("last_result")
            assert part.get("expire_after") == (120 if is_value else None)
        elif part["platform"] != "event":
            assert part["qos"] == 1
            assert part["retain"] is False
            assert "utcnow()" in part["command_template"]
    platforms = {part["platform"] for part in told["components"].values()}
    assert not platforms & {"switch", "valve"}, "nothing that stays open can be asked for"
    silent = discovery("tent", "homeassistant", [], commands=False)["components"]
    gone = {key for key, part in told["components"].items() if part["platform"] in ("button", "number")}
    assert gone
    for key in gone:
        assert silent[key] == {"platform": told["components"][key]["platform"]}, "named so, the entity is removed"
    assert {part["platform"] for key, part in silent.items() if key not in gone} == {"sensor", "binary_sensor", "event"}
    assert topics("tent", "homeassistant").discovery == "homeassistant/device/tomato_tent/config"


def test_what_is_not_known_is_null() -> None:
    told = state_payload(LiveState(), 30.0)
    assert told["air_temp_c"] is None
    assert told["vpd_kpa"] is None
    assert told["problem"] == "ON", "a host that has sent nothing yet is not well"
    assert told["dose_ml"] == 30.0
