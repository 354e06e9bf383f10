"""A refusal says rule, value, unit, limit and when it is possible again, in one sentence made where it is decided."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tomato_host.brain.guardrails import Guardrails, GuardSettings

from shared_schemas.records import ActionV1
from tests.guardrails.proposals import NOON, facts, proposal, state
from tests.guardrails.test_rules import REFUSED


@pytest.mark.parametrize(("case", "asked", "context", "rule"), REFUSED, ids=[row[0] for row in REFUSED])
def test_every_number_in_a_refusal_has_its_unit(case: str, asked: ActionV1, context: object, rule: str) -> None:
    check = Guardrails().judge(asked, context).checks[-1]  # type: ignore[arg-type]
    assert not re.search(r", (s|ml)$", check.text), "the unit stands with the number"
    if check.unit:
        assert (
            f" {check.unit}" in check.text and any(word in check.text for word in ("limit ", "at least ", "asked for "))
        ) or (rule == "priority" and "possible again at" in check.text and "limit" not in check.text)
    else:
        # Without a unit the numbers are a yes and a no, a count of faults or no quantity at all.
        assert check.value in (None, 0.0, 1.0) or rule == "schema"


def test_too_soon_says_when_it_is_possible_again() -> None:
    guardrails = Guardrails()
    first = guardrails.judge(proposal("WATER", origin="person", ml=50.0), facts())
    guardrails.settle(first.action, 0.0, 50.0, NOON)
    guardrails.release(first.action)
    check = guardrails.judge(proposal("WATER", origin="person", ml=50.0, key="second"), facts()).checks[-1]
    assert check.rule == "interval" and check.unit == "s" and check.value == 0.0 and check.limit is not None
    assert check.again_ts == NOON + timedelta(seconds=check.limit)
    assert f"at least {check.limit:.0f} s" in check.text and f"possible again at {check.again_ts:%H:%M}" in check.text


def test_a_pause_that_has_run_for_a_while_has_only_its_rest_left() -> None:
    guardrails = Guardrails()
    guardrails.settle(proposal("WATER", ml=50.0), 0.0, 50.0, NOON - timedelta(minutes=10))
    check = guardrails.judge(proposal("WATER", origin="person", ml=50.0, key="second"), facts()).checks[-1]
    assert check.rule == "interval" and check.limit is not None
    assert check.again_ts == NOON - timedelta(minutes=10) + timedelta(seconds=check.limit)


@pytest.mark.parametrize("most", [1, 2])
def test_who_asked_too_often_reads_when_an_action_is_free_again(most: int) -> None:
    guardrails = Guardrails(GuardSettings(actions_per_hour=most))
    for n in range(most):
        asked_at = NOON - timedelta(minutes=30 - n)
        asked = proposal("SET_LIGHT", f"l{n}", ts=asked_at, state="ON", seconds=60.0)
        assert guardrails.judge(asked, facts(asked_at)).allowed
    check = guardrails.judge(proposal("SET_LIGHT", "late", state="ON", seconds=60.0), facts()).checks[-1]
    assert check.rule == "actions_per_hour" and check.again_ts == NOON + timedelta(minutes=30)


def test_a_cold_tent_reads_the_least_temperature_of_the_air_that_may_go_out() -> None:
    cold = Guardrails().judge(proposal("SET_EXHAUST_FAN", state="ON", seconds=60.0), facts(seen=state(air=8.0)))
    check = cold.checks[-1]
    assert check.value == 8.0 and f"at least {check.limit:g} °C" in check.text


def test_an_empty_day_budget_says_when_it_is_full_enough_again() -> None:
    guardrails = Guardrails()
    day_ml = guardrails.limits[proposal("WATER", ml=50.0).type].day_milli / 1_000.0
    given = proposal("WATER", origin="person", ml=50.0)
    guardrails.settle(given, 0.0, day_ml, NOON - timedelta(hours=5))
    check = guardrails.judge(proposal("WATER", origin="person", ml=50.0, key="second"), facts()).checks[-1]
    assert check.rule == "day_budget" and check.again_ts == NOON + timedelta(hours=19)
    assert f"asked for 50 ml, 0 ml left of the day's {day_ml:.0f} ml" in check.text
    assert f"possible again at {check.again_ts:%H:%M on %d %b}" in check.text


def test_a_distrusted_state_says_how_much_trust_is_wanted() -> None:
    check = Guardrails().judge(proposal("SET_HUMIDIFIER", state="ON", seconds=60.0), facts(seen=state(confidence=0.1)))
    text = check.checks[-1].text
    assert "confidence" in text and "at least" in text and "0.1" in text
