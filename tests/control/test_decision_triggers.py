"""What asks for a decision before the cycle is over: each trigger at its edge, and the pause between events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tomato_host.brain.control import ControllerMemory, ControlSettings, DecisionContext
from tomato_host.brain.control.decision_triggers import climate_trigger, clock_trigger, events_pause

from tests.control.states import NOON, state

SETTINGS = ControlSettings()


def ago(seconds: float) -> ControllerMemory:
    return ControllerMemory(decided_at=NOON - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [(0, None), (7_199, None), (7_200, "cycle"), (-60, None), (-60.1, "clock set back"), (-90_000, "clock set back")],
)
def test_the_clock_asks_on_the_cycle_and_when_it_was_set_back(seconds: float, reason: str | None) -> None:
    assert clock_trigger(NOON, ago(seconds), "NORMAL", SETTINGS) == reason


def test_the_first_decision_a_change_of_mode_and_the_edge_of_the_light_are_at_once() -> None:
    assert clock_trigger(NOON, ControllerMemory(), "NORMAL", SETTINGS) == "first"
    assert clock_trigger(NOON, ago(1), "SAFE", SETTINGS) == "mode SAFE"
    for late, reason in ((-1, None), (0, "light hours change"), (5, "light hours change")):
        memory = ControllerMemory(decided_at=NOON, light_edge_at=NOON - timedelta(seconds=late))
        assert clock_trigger(NOON, memory, "NORMAL", SETTINGS) == reason


def test_events_pause_after_a_decision() -> None:
    assert events_pause(NOON, ago(1_799), SETTINGS) and not events_pause(NOON, ago(1_800), SETTINGS)
    assert not events_pause(NOON, ControllerMemory(), SETTINGS)


DRY = {"probes": ((22.9, 0.9), (40.0, 0.9))}


@pytest.mark.parametrize(
    ("facts", "watered_ago_s", "reason"),
    [
        ({}, None, None),
        ({"vpd": 1.2 + 0.15}, None, None),
        ({"vpd": 1.351}, None, "vpd high"),
        ({"vpd": 0.7 - 0.15}, None, None),
        ({"vpd": 0.549}, None, "vpd low"),
        ({"air": 29.5}, None, None),
        ({"air": 29.6}, None, "hot"),
        ({"air": None, "vpd": 3.0}, None, None),
        (DRY, None, "soil very dry"),
        ({"probes": ((23.0, 0.9),)}, None, None),
        (DRY, 5_400, "soil very dry"),
        (DRY, 5_399, None),
        ({"probes": ((None, 0.0),)}, None, None),
    ],
)
def test_the_climate_asks_beyond_the_margin(facts: dict[str, Any], watered_ago_s: float, reason: str | None) -> None:
    last = None if watered_ago_s is None else NOON - timedelta(seconds=watered_ago_s)
    context = DecisionContext(now=NOON, state=state(**facts), memory=ControllerMemory(last_water_at=last))
    assert climate_trigger(context) == reason
