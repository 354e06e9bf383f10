"""Who takes an output from the plan for a while gives it back: at the end a decision is due at once.

Real firmware core, tent and brain at 60 s a step.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tomato_host.brain.step_data import BrainSettings, RuntimeContext

from shared_schemas.records import ActionV1
from tests.incidents.clocked_tent import ClockedRun, ClockedTent, Meter

HOUR_S = 3_600.0


class Overridden(ClockedRun):
    """A run in which an operator's pause or wish for safe mode can be set."""

    paused = wants_safe = False

    def context(self, now: datetime) -> RuntimeContext:
        return RuntimeContext(now, operator_paused=self.paused, operator_wants_safe=self.wants_safe)


@pytest.fixture
def run() -> Overridden:
    """At 09:00, a decision an hour ago and the next in an hour; the lamp shines."""
    tent = ClockedTent(3, period_s=60.0)
    run = Overridden(tent, BrainSettings(), [])
    run.live(9.0)
    assert run.lamp_is_on and run.reasons()
    return run


def ask(run: ClockedRun, kind: str, key: str, origin: str = "person", **params: Any) -> bool:
    now = run.clocked.now
    proposal = {"schema_version": "action_v1", "ts": now, "type": kind, "params": params, "id": key, "origin": origin}
    return run.propose(ActionV1.model_validate(proposal)).allowed


@pytest.mark.parametrize("origin", ["person", "mqtt"])
def test_a_minute_of_lamp_by_hand_costs_a_minute_or_two_and_no_hour(run: Overridden, origin: str) -> None:
    meter = Meter(run.clocked)
    assert ask(run, "SET_LIGHT", "by-hand", origin, state="ON", seconds=60.0)
    run.live(1.0)
    assert run.reasons()[0] == "free again: light"
    assert meter.read()["light"] > HOUR_S - 150.0


def test_the_lamp_comes_back_when_it_was_kept_off_for_a_while(run: Overridden) -> None:
    meter = Meter(run.clocked)
    assert ask(run, "SET_LIGHT", "off", state="OFF", seconds=600.0)
    run.live(0.2)
    assert meter.read()["light"] < 60.0, "off for as long as was asked"
    run.live(0.8)
    assert meter.read()["light"] > HOUR_S - 600.0 - 300.0


def test_what_was_given_to_the_plan_again_asks_for_nothing(run: Overridden) -> None:
    """The cycle's own decision was first: no second one is due when the hold of before would have ended."""
    assert ask(run, "SET_LIGHT", "by-hand", "mqtt", state="ON", seconds=60.0)
    run.live(3.0)
    assert run.reasons() == ["free again: light", "cycle"]


def test_a_dose_by_hand_asks_for_no_decision(run: Overridden) -> None:
    ask(run, "WATER", "by-hand", ml=50.0)
    run.live(0.5)
    assert run.reasons() == []


def test_after_a_pause_a_decision_is_due_at_once(run: Overridden) -> None:
    run.paused = True
    run.live(1.5)
    run.paused = False
    run.live(0.1)
    assert run.reasons() == ["mode PAUSED", "mode NORMAL"] and run.lamp_is_on


def test_after_safe_mode_a_decision_is_due_at_once(run: Overridden) -> None:
    run.wants_safe = True
    run.live(0.2)
    assert run.brain.mode == "SAFE"
    run.wants_safe = False
    run.live(0.5)
    assert run.brain.mode == "CAUTION"
    assert run.reasons() == ["mode SAFE", "mode CAUTION"] and run.lamp_is_on


def test_after_a_restart_the_plan_decides_first_of_all(run: Overridden) -> None:
    assert ask(run, "SET_LIGHT", "off", state="OFF", seconds=600.0)
    run.live(0.1)
    again = run.restart()
    again.live(0.1)
    assert again.reasons() == ["first"] and again.lamp_is_on


def test_the_clock_set_by_an_hour_asks_at_once_and_begins_no_new_cycle(run: Overridden) -> None:
    decided_at = run.brain.memory.decided_at
    assert decided_at is not None
    run.set_clock(timedelta(hours=1))
    run.live(0.1)
    assert run.reasons() == ["clock set"]
    assert run.brain.memory.decided_at == decided_at + timedelta(hours=1)
