"""What becomes a message: once, not too often, worse at once, over when over, and never a wrong impression."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tomato_host.service.notify.filter import NotificationFilter
from tomato_host.service.notify.notice import Notice, notice_of
from tomato_host.service.notify.settings import RuleSettings

from shared_schemas.records import AnomalyV1, EventV1

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def event(name: str, level: str, kind: str = "link", **data: int) -> EventV1:
    return EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": NOW,
            "level": level,
            "kind": kind,
            "name": name,
            "text": f"{name}.",
            "data": data,
        }
    )


def anomaly(severity: str, phase: str = "OPENED", subject: str | None = "P1") -> AnomalyV1:
    return AnomalyV1.model_validate(
        {
            "schema_version": "anomaly_v1",
            "ts": NOW,
            "severity": severity,
            "type": "SOIL_DRY",
            "phase": phase,
            "subject": subject,
        }
    )


def say(gate: NotificationFilter, record: EventV1 | AnomalyV1, now_s: float) -> list[str]:
    notice = notice_of(record)
    assert notice is not None
    return [message.text for message in gate.apply(notice, now_s)]


def gate(most_per_hour: int = 20, **rule: object) -> NotificationFilter:
    return NotificationFilter(RuleSettings.model_validate(rule), most_per_hour)


def test_below_the_level_nothing_is_told() -> None:
    mine = gate(level="WARNING")
    assert say(mine, event("noise", "INFO"), 0.0) == []
    assert say(mine, event("link_down", "WARNING"), 0.0) == ["link_down."]


def test_only_the_kinds_asked_for() -> None:
    mine = gate(kinds=["anomaly"])
    assert say(mine, event("link_down", "WARNING"), 0.0) == []
    assert say(mine, anomaly("HIGH"), 0.0) == ["Soil dry (P1)"]


def test_the_same_thing_again_waits_for_the_cool_down_and_says_so() -> None:
    mine = gate(cool_down_s=600.0)
    assert say(mine, event("watchdog", "WARNING", "board"), 0.0) == ["watchdog."]
    assert say(mine, event("watchdog", "WARNING", "board"), 1.0) == []
    assert say(mine, event("watchdog", "WARNING", "board"), 2.0) == []
    assert say(mine, event("watchdog", "WARNING", "board"), 600.0) == ["watchdog. (again; held back 2 x)"]


def test_something_worse_is_told_at_once() -> None:
    mine = gate()
    assert say(mine, anomaly("HIGH"), 0.0)
    assert say(mine, anomaly("CRITICAL"), 1.0)
    assert say(mine, anomaly("CRITICAL"), 2.0) == []


def test_recovered_is_told_once_and_only_of_what_was_told() -> None:
    mine = gate()
    assert say(mine, event("link_up", "INFO"), 0.0) == [], "the first connection is no recovery"
    assert say(mine, event("link_down", "WARNING"), 1.0)
    assert say(mine, event("link_up", "INFO"), 2.0) == ["Recovered: link_down. link_up."]
    assert say(mine, event("link_up", "INFO"), 3.0) == []
    quiet = gate(recovered=False)
    assert say(quiet, event("link_down", "WARNING"), 1.0)
    assert say(quiet, event("link_up", "INFO"), 2.0) == []


def test_what_fell_into_the_cool_down_and_lasts_is_told_when_it_ends() -> None:
    mine = gate(cool_down_s=600.0)
    say(mine, event("link_down", "WARNING"), 0.0)
    say(mine, event("link_up", "INFO"), 10.0)
    assert say(mine, event("link_down", "WARNING"), 20.0) == []
    assert mine.due(300.0) == []
    assert [m.text for m in mine.due(601.0)] == ["link_down. (again; held back 1 x)"]
    assert mine.due(602.0) == []


def test_what_came_and_went_inside_the_cool_down_is_silence() -> None:
    mine = gate(cool_down_s=600.0)
    say(mine, event("link_down", "WARNING"), 0.0)
    say(mine, event("link_up", "INFO"), 10.0)
    say(mine, event("link_down", "WARNING"), 20.0)
    assert say(mine, event("link_up", "INFO"), 30.0) == []
    assert mine.due(601.0) == []


def test_a_flood_is_bounded_but_alarms_pass() -> None:
    mine = gate(most_per_hour=3)
    told = [say(mine, event("fault", "WARNING", "board", a=n), float(n)) for n in range(10)]
    assert sum(map(len, told)) == 3
    assert say(mine, event("fault", "ALARM", "board", a=11), 11.0)
    assert len(mine.due(3_700.0)) == 3, "what lasts is told in the next hour, bounded again"


def test_faults_are_told_apart_by_number() -> None:
    mine = gate()
    assert say(mine, event("fault", "ALARM", "board", a=1), 0.0)
    assert say(mine, event("fault", "ALARM", "board", a=2), 0.0)
    assert say(mine, event("fault_cleared", "INFO", "board", a=1), 1.0) == ["Recovered: fault. fault_cleared."]


@pytest.mark.parametrize(
    ("severity", "level"),
    [
        ("LOW", "INFO"),
        ("MEDIUM", "INFO"),
        ("HIGH", "WARNING"),
        ("CRITICAL", "ALARM"),
    ],
)
def test_severity_becomes_a_level(severity: str, level: str) -> None:
    notice = notice_of(anomaly(severity))
    assert notice is not None
    assert notice.level == level
    assert not notice.ends


def test_messages_about_messages_are_never_told() -> None:
    assert notice_of(event("notify_failed", "WARNING", "notification")) is None


def test_emergency_stop_ends_with_its_release() -> None:
    mine = gate()
    assert say(mine, event("estop", "ALARM", "board", a=1), 0.0) == ["estop."]
    assert say(mine, event("estop", "INFO", "board", a=0), 5.0) == ["Recovered: estop. estop."]


def test_memory_stays_bounded() -> None:
    mine = gate(most_per_hour=1)
    for n in range(2_000):
        mine.apply(Notice(f"k{n}", "WARNING", "board", "x"), float(n))
    assert len(mine._tracked) <= 501
