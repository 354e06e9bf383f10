"""What an operator has asked for says its end in the time of the plants, and why."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from tomato_host.commands.inbox import new_request
from tomato_host.commands.operator_overrides import OperatorOverrides
from tomato_host.loop.status import Status
from tomato_host.loop.status_refresh import StatusRefresh

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=ZoneInfo("Europe/Vienna"))


def asked(mode: str, hours: float, reason: str = "look at it") -> tuple[OperatorOverrides, str]:
    overrides = OperatorOverrides()
    until = (NOW + timedelta(hours=hours)).astimezone(ZoneInfo("UTC"))
    return overrides, overrides.apply(new_request("mode", reason, mode=mode, until=until), NOW)


@pytest.mark.parametrize("mode", ["SAFE", "PAUSED"])
def test_the_answer_has_the_end_in_the_time_of_the_plants_and_the_reason(mode: str) -> None:
    assert asked(mode, 0.5)[1] == f"{mode} until 12:30: look at it"
    assert asked(mode, 20.0)[1] == f"{mode} until 08:00 on 02 Jun: look at it"
    assert asked(mode, 0.5, "")[1] == f"{mode} until 12:30"


def test_what_is_over_or_ended_says_nothing() -> None:
    overrides, _ = asked("SAFE", 0.5)
    assert overrides.text(NOW) == "until 12:30: look at it"
    assert overrides.text(NOW + timedelta(hours=1)) == ""
    overrides.apply(new_request("mode", "", mode="NORMAL"), NOW)
    assert overrides.text(NOW) == ""


@pytest.mark.parametrize(
    ("mode", "causes", "asked_for", "reason"),
    [
        ("SAFE", ("leak", "person"), "until 12:30: look at it", "leak, person until 12:30: look at it"),
        ("SAFE", ("leak",), "", "leak"),
        ("PAUSED", (), "until 12:30: repotting", "until 12:30: repotting"),
        ("NORMAL", (), "", ""),
    ],
)
def test_the_status_shows_them(mode: str, causes: tuple[str, ...], asked_for: str, reason: str) -> None:
    brain: Any = SimpleNamespace(
        mode=mode, safe_mode=SimpleNamespace(causes=causes), memory=SimpleNamespace(decided_at=None)
    )
    display: Any = SimpleNamespace(refresh=lambda _: None)
    status = Status(NOW, NOW)
    executor = cast(Any, SimpleNamespace(jobs={}))
    StatusRefresh(status, brain, executor, 7_200.0, display, (), lambda _: asked_for).refresh(NOW, 0)
    assert status.mode_reason == reason
