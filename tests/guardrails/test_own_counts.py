"""Each asker has a count of its own, switching off counts for nobody, and rank decides who ends whose hold."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from tomato_host.brain.guardrails import Guardrails, GuardSettings
from tomato_host.brain.guardrails.profiles import PERMITTED, RANK

from tests.control.states import NOON
from tests.guardrails.proposals import ON as SWITCHED_ON
from tests.guardrails.proposals import facts, proposal

ON: dict[str, Any] = dict(SWITCHED_ON)
OFF: dict[str, Any] = {"state": "OFF"}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_an_automation_that_switches_off_for_an_hour_locks_nobody_out() -> None:
    """Seen: 61 times `lamp off` refused the planner, 121 times the grower and safe mode."""
    guardrails = Guardrails()
    for n in range(200):
        assert guardrails.judge(proposal("SET_LIGHT", f"off{n}", origin="mqtt", **OFF), facts()).allowed
    for origin in sorted(PERMITTED, key=RANK.__getitem__):
        assert guardrails.judge(proposal("SET_EXHAUST_FAN", "x", origin=origin, **ON), facts()).allowed, origin
    assert guardrails.judge(proposal("WATER", "w", ml=50.0), facts()).allowed


@pytest.mark.parametrize("noisy", sorted(PERMITTED))
def test_who_has_used_up_its_count_has_used_up_nobody_elses(noisy: str) -> None:
    guardrails = Guardrails(GuardSettings(actions_per_hour=3))
    room = 6 if RANK[noisy] >= RANK["person"] else 3
    for n in range(room):
        assert guardrails.judge(proposal("SET_CIRCULATION_FAN", f"n{n}", origin=noisy, **ON), facts()).allowed
    late = guardrails.judge(proposal("SET_CIRCULATION_FAN", "late", origin=noisy, **ON), facts())
    assert (late.rule, late.value, late.limit) == ("actions_per_hour", float(room), float(room))
    assert guardrails.judge(proposal("SET_CIRCULATION_FAN", "off", origin=noisy, **OFF), facts()).allowed
    for other in sorted(set(PERMITTED) - {noisy}, key=RANK.__getitem__):
        assert guardrails.judge(proposal("SET_EXHAUST_FAN", "o", origin=other, **ON), facts()).allowed, other


@pytest.mark.parametrize("holder", sorted(PERMITTED))
@pytest.mark.parametrize("other", sorted(PERMITTED))
def test_a_hold_is_ended_by_at_least_its_rank(holder: str, other: str) -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("SET_LIGHT", "mine", origin=holder, **ON), facts()).allowed
    for key, params in (("on", ON), ("off", OFF)):
        verdict = guardrails.judge(proposal("SET_LIGHT", key, origin=other, ts=at(1), **params), facts(at(1)))
        if RANK[other] >= RANK[holder]:
            assert verdict.allowed and verdict.preempts == ("light",)
        else:
            assert verdict.rule == "priority" and not verdict.preempts
            assert "mine" in verdict.checks[-1].text


def test_stopping_everything_is_open_to_all() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("SET_LIGHT", "mine", origin="person", **ON), facts()).allowed
    assert guardrails.judge(proposal("STOP_ALL", "s", origin="llm"), facts()).preempts == ("light",)


def test_air_out_ends_gas_of_any_rank() -> None:
    """The one exception, for safety: who asks for gas is never held against who asks for air."""
    guardrails = Guardrails()
    assert guardrails.judge(proposal("CO2_INJECT", "gas", origin="person", seconds=20.0), facts()).allowed
    assert guardrails.judge(proposal("SET_EXHAUST_FAN", "air", **ON), facts()).preempts == ("co2_solenoid",)


def test_each_agent_of_an_origin_counts_for_itself() -> None:
    guardrails = Guardrails(GuardSettings(actions_per_hour=1))
    asked = proposal("SET_LIGHT", "1", origin="api", **ON)
    sitter, holiday = (asked.model_copy(update={"agent": name}) for name in ("sitter", "holiday"))
    assert guardrails.judge(sitter, facts()).allowed
    assert guardrails.judge(sitter.model_copy(update={"id": "2"}), facts()).rule == "actions_per_hour"
    assert guardrails.judge(holiday, facts()).allowed, "the same id of another agent is another id, too"
    assert guardrails.judge(asked, facts()).allowed


def test_what_an_outside_client_had_asked_for_is_kept_where_it_was_clipped() -> None:
    for origin, asked in (("api", 10_000.0), ("controller", None)):
        verdict = Guardrails().judge(
            proposal("SET_LIGHT", "l", origin=origin, state="ON", seconds=10_000.0, period_s=7_200.0), facts()
        )
        kept = verdict.action.safety.asked
        assert verdict.rule == "per_action" and verdict.action.params.seconds == 7_800.0
        assert (None if kept is None else kept.seconds) == asked
    whole = Guardrails().judge(proposal("SET_LIGHT", "l", origin="api", **ON), facts())
    assert whole.allowed and whole.action.safety.asked is None
