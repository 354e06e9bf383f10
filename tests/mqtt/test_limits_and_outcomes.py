"""A flood, the end of a command, and what the broker's refusals mean: the pure parts of the MQTT process."""

from __future__ import annotations

from datetime import UTC, datetime

import aiomqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.service.live_state import LiveState
from tomato_host.service.mqtt.broker_trouble import TopicRefused, reason_code, trouble_text
from tomato_host.service.mqtt.command_limits import CommandLimits
from tomato_host.service.mqtt.commands import CommandParser, CommandRefusal
from tomato_host.service.mqtt.outcomes import OpenCommands
from tomato_host.service.mqtt.payloads import alarm_event, discovery, state_payload

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def test_a_flood_passes_a_few_and_a_pause_still_passes() -> None:
    limits = CommandLimits()
    passed = sum(limits.refusal("water", i * 0.002) is None for i in range(5_000))
    assert passed <= 12
    assert sum(limits.refusal(f"unknown_{i}", 10.0) is None for i in range(200)) <= 20, "all topics together"
    assert limits.refusal("pause", 10.0) is None
    assert limits.refusal("safe", 10.0) is None
    refusal = limits.refusal("water", 10.0)
    assert refusal is not None
    assert "at most 10 at once" in refusal
    assert limits.refusal("water", 100.0) is None, "it passes again"


@given(st.lists(st.floats(0.0, 30.0), min_size=1, max_size=300))
def test_no_window_holds_more_than_burst_and_refill(gaps: list[float]) -> None:
    limits, now, passed = CommandLimits(), 0.0, []
    for gap in gaps:
        now += gap
        if limits.refusal("water", now) is None:
            passed.append(now)
    for first, start in enumerate(passed):
        for last in range(first, len(passed)):
            span = passed[last] - start
            assert last - first + 1 <= 10 + span / 6.0 + 1e-6


@settings(max_examples=2_000)
@given(st.one_of(st.binary(max_size=1_200), st.text('[]{}"0123456789e+-.:,nulltrue', max_size=990).map(str.encode)))
def test_no_payload_raises(payload: bytes) -> None:
    assert isinstance(CommandParser(30.0).parse("water", payload, False, NOW), CommandRefusal)


@pytest.mark.parametrize(
    "payload",
    [b"[" * 990, b'{"a":' * 190, b"9" * 990, b'{"ts": 1e400}', b'{"ts": "9999-12-31T23:59:59+00:00", "value": "x"}',
     b'{"ts": "0001-01-01T00:00:00+14:00"}', b'{"ts": NaN}', b"\\ud800", b'"\\ud800"'],
)  # fmt: skip
def test_hostile_payloads_are_refused(payload: bytes) -> None:
    assert isinstance(CommandParser(30.0).parse("water", payload, False, NOW), CommandRefusal)


def test_a_dose_left_on_the_broker_is_restored_and_nonsense_is_not() -> None:
    commands = CommandParser(30.0)
    for payload, wanted in ((b"45", 45.0), (b"nan", 45.0), (b"1e9", 45.0), (b"[[", 45.0), (b"60.0", 60.0)):
        commands.restore_dose(payload)
        assert commands.dose_ml == wanted


def test_the_end_of_a_command_is_answered_once_with_what_was_delivered() -> None:
    commands = OpenCommands()
    commands.add("mqtt-1", "water")
    outcome = {"status": "ABORTED", "delivered_ml": 12.3, "delivered_s": None, "reason": "leak"}
    assert commands.finished({"id": "other", "outcome": outcome}) is None
    assert commands.finished({"id": "mqtt-1", "outcome": None}) is None
    assert commands.finished({"id": "mqtt-1", "outcome": outcome}) == ("water", False, "aborted, 12 ml delivered, leak")
    assert commands.finished({"id": "mqtt-1", "outcome": outcome}) is None
    commands.add("mqtt-2", "lamp_on")
    done = {"status": "DONE", "delivered_s": 3600.0, "reason": "none"}
    assert commands.finished({"id": "mqtt-2", "outcome": done}) == ("lamp_on", True, "done, 3600 s on")
    for i in range(1_000):
        commands.add(f"mqtt-{i}", "water")
    assert commands.finished({"id": "mqtt-3", "outcome": done}) is None, "bounded"


def test_the_broker_s_refusals_are_named_with_a_next_step() -> None:
    assert "password" in trouble_text(aiomqtt.MqttCodeError(134))
    assert "second host" in trouble_text(aiomqtt.MqttCodeError(142))
    refused = TopicRefused("tomato/tent/command/+", 135)
    assert reason_code(refused) == 135
    assert "tomato/tent/command/+" in trouble_text(refused)
    assert "does not answer" in trouble_text(aiomqtt.MqttError("timed out"))


def test_alarms_survive_a_silent_board_and_the_host_s_own_connection_depends_on_nothing() -> None:
    parts = discovery("tent", "homeassistant", ["P1"], commands=True, dashboard="http://192.0.2.7:8000")["components"]
    assert parts["host_connected"]["availability"] == []
    for key in ("problem", "mode", "alarm", "board_connected", "last_result"):
        assert [a["topic"] for a in parts[key]["availability"]] == ["tomato/tent/host"], key
    assert "availability" not in parts["air_temp_c"], "a reading needs the board"
    assert parts["water_l_today"]["state_class"] == "total_increasing"
    assert parts["water_l_today"]["device_class"] == "water"
    assert parts["mode"]["options"] == ["NORMAL", "CAUTION", "SAFE", "PAUSED"]
    assert parts["soil_p1"]["value_template"] == "{{ value_json.soil.get('P1') }}"


def present(now: str, seen_at: str) -> LiveState:
    live = LiveState()
    live.connected, live._status_at_s = True, live._monotonic()
    live.status = {"now": now, "mode": "NORMAL", "link": "up", "jobs": {}, "live": {"vpd_kpa": 1.2,
                   "water_ml_used_today": 1250.0, "water_ml_left_today": 950.0}}  # fmt: skip
    live.newest["observation_v1"] = {
        "ts": seen_at, "air_temp_c": 24.0, "soil": [{"id": "P1", "moisture_pct": 30.0}],
    }  # fmt: skip
    return live


def test_values_that_are_too_old_are_null_and_problems_say_since_when_and_where_to_read() -> None:
    live = present("2026-05-01T08:00:00+00:00", "2026-05-01T07:59:50+00:00")
    told = state_payload(live, 30.0)
    assert (told["air_temp_c"], told["vpd_kpa"], told["water_l_today"]) == (24.0, 1.2, 1.25)
    assert told["problem"] == "OFF"
    stale = present("2026-05-01T08:00:00+00:00", "2026-05-01T07:57:00+00:00")
    assert state_payload(stale, 30.0)["air_temp_c"] is None
    live.open_anomalies["1"] = {
        "type": "SOIL_DRY", "subject": "P1", "severity": "HIGH", "ts": "2026-05-01T07:00:00+00:00", "detail": "12 %",
    }  # fmt: skip
    told = state_payload(live, 30.0)
    assert told["problem"] == "ON"
    assert told["problems"] == [
        {"what": "soil dry P1", "since": "2026-05-01T07:00:00+00:00", "severity": "HIGH", "detail": "12 %",
         "runbook": "docs/runbook.md, SOIL_DRY"}
    ]  # fmt: skip


def test_an_alarm_is_an_event_once_when_it_happens() -> None:
    record = {"schema_version": "anomaly_v1", "type": "LEAK", "subject": "floor", "severity": "CRITICAL",
              "phase": "OPENED", "detail": "wet", "ts": "2026-05-01T08:00:00+00:00"}  # fmt: skip
    event = alarm_event(record, "2026-05-01T08:00:05+00:00")
    assert event is not None
    assert (event["event_type"], event["what"]) == ("opened", "leak floor")
    assert alarm_event(record, "2026-05-01T09:00:00+00:00") is None, "sent again after a restart of the process"
    assert alarm_event(record, "2026-05-01T07:00:00+00:00") is None, "stamped by a clock that was ahead"
    assert alarm_event(record, "2026-05-01T07:59:59+00:00") is not None, "a second apart is the same moment"
    assert alarm_event({"schema_version": "event_v1", "level": "INFO", "ts": record["ts"]}, record["ts"]) is None
