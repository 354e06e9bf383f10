"""Exact edges of every rule, and the value and limit that its verdict shows to the grower."""

from __future__ import annotations

from typing import Any

import pytest
from tomato_host.brain.guardrails import GuardContext, Guardrails, GuardSettings
from tomato_host.brain.guardrails.ledger import MAX_KEYS
from tomato_host.brain.guardrails.rules import RULE_NAMES
from tomato_host.brain.settings import BudgetSettings

from shared_schemas.records import ActionV1
from shared_schemas.records.action_v1 import ActionType
from tests.control.states import NOON, state
from tests.guardrails.proposals import ON, at, facts, proposal, unchecked


def light(**more: Any) -> ActionV1:
    return proposal("SET_LIGHT", **more, **ON)


REFUSED = [
    ("too old", proposal("WATER", ts=at(-301), ml=50.0), facts(), "expiry", 301.0, 300.0),
    ("too old in caution", proposal("WATER", ts=at(-202), ml=50.0), facts(mode="CAUTION"), "expiry", 202.0, 201.0),
    ("from the future", light(ts=at(6)), facts(), "expiry", 6.0, 5.0),
    ("not_after has passed", light(ts=at(-60), not_after=at(-1)), facts(), "expiry", 1.0, 0.0),
    ("no board", light(), facts(link_up=False), "link", 0.0, 1.0),
    ("board in survival", light(), facts(board_state="SURVIVAL"), "link", None, None),
    ("two faults", proposal("WATER", ml=50.0), facts(faults=("no_flow", "leak")), "board_fault", 2.0, 0.0),
    ("stale state", proposal("WATER", ml=50.0), facts(seen=state(at(-901))), "state_fresh", 901.0, 900.0),
    (
        "stale in caution",
        proposal("WATER", ml=50.0),
        facts(seen=state(at(-604)), mode="CAUTION"),
        "state_fresh",
        604.0,
        603.0,
    ),
    ("no state", proposal("WATER", ml=50.0), GuardContext(NOON, None), "state_fresh", None, None),
    ("decided on an old state", light(seen=at(-901)), facts(), "state_lag", 901.0, 900.0),
    (
        "humidity not trusted",
        proposal("SET_HUMIDIFIER", **ON),
        facts(seen=state(trust={"rh_pct": 0.39})),
        "quantity",
        0.39,
        0.4,
    ),
    (
        "nothing trusted",
        proposal("SET_HUMIDIFIER", origin="person", **ON),
        facts(seen=state(confidence=0.2)),
        "quantity",
        0.2,
        0.4,
    ),
    ("leak and water", proposal("WATER", ml=50.0), facts(leak=True), "environment", 1.0, 0.0),
    ("leak and mist", proposal("SET_HUMIDIFIER", **ON), facts(leak=True), "environment", 1.0, 0.0),
    ("leak and heat", proposal("SET_HEATER_MAT", **ON), facts(leak=True), "environment", 1.0, 0.0),
    ("reservoir", proposal("WATER", ml=50.0), facts(reservoir_ok=False), "environment", 0.0, 1.0),
    (
        "wet soil",
        proposal("WATER", ml=50.0),
        facts(seen=state(probes=((55.0, 0.4), (60.0, 0.9)))),
        "environment",
        55.0,
        55.0,
    ),
    ("dark", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(light="OFF")), "environment", 0.0, 1.0),
    ("exhaust", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(exhaust="ON")), "environment", 1.0, 0.0),
    (
        "enough gas",
        proposal("CO2_INJECT", seconds=20.0),
        facts(seen=state(co2=1_300.0)),
        "environment",
        1_300.0,
        1_300.0,
    ),
    ("gas unknown", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(co2=None)), "environment", None, 1_300.0),
    ("damp air", proposal("SET_HUMIDIFIER", **ON), facts(seen=state(rh=88.0)), "environment", 88.0, 88.0),
    ("warm soil", proposal("SET_HEATER_MAT", **ON), facts(seen=state(soil_temp=26.0)), "environment", 26.0, 26.0),
    ("hot lamp", light(), facts(seen=state(air=35.0)), "environment", 35.0, 35.0),
    ("cold exhaust", proposal("SET_EXHAUST_FAN", **ON), facts(seen=state(air=9.9)), "environment", 9.9, 10.0),
    (
        "doubt in caution",
        proposal("SET_HUMIDIFIER", **ON),
        facts(seen=state(confidence=0.59, trust={"rh_pct": 0.9}), mode="CAUTION"),
        "confidence",
        0.59,
        0.6,
    ),
    ("too many pulses", proposal("WATER", ml=50.0, pulses=11), facts(), "per_action", 11.0, 10.0),
    (
        "spread too far",
        proposal("SET_LIGHT", state="ON", seconds=60.0, period_s=7_801.0),
        facts(),
        "per_action",
        7_801.0,
        7_800.0,
    ),
    ("too little", proposal("WATER", ml=4.999), facts(), "schema", 4.999, 5.0),
    ("nothing at all", unchecked("SET_LIGHT", seconds=0.0, state="ON"), facts(), "schema", 0.0, 1.0),
    ("too much", unchecked("SET_LIGHT", seconds=86_400.001, state="ON"), facts(), "schema", 86_400.001, 1.0),
]


@pytest.mark.parametrize(
    ("case", "asked", "context", "rule", "value", "limit"), REFUSED, ids=[row[0] for row in REFUSED]
)
def test_a_refusal_shows_what_it_saw_and_what_it_holds(
    case: str, asked: ActionV1, context: GuardContext, rule: str, value: float | None, limit: float | None
) -> None:
    verdict = Guardrails().judge(asked, context)
    assert not verdict.allowed and verdict.rule == rule
    assert verdict.value == (None if value is None else pytest.approx(value))
    assert verdict.limit == (None if limit is None else pytest.approx(limit))
    last = verdict.action.safety.checks[-1]
    assert (last.rule, last.ok, last.value, last.limit) == (rule, False, verdict.value, verdict.limit)


PASSED = [
    ("as old as may be", proposal("WATER", ts=at(-300), ml=50.0), facts()),
    ("a clock a little ahead", light(ts=at(5)), facts()),
    ("board just ready", light(), facts(board_state="READY")),
    ("state as old as may be", proposal("WATER", ml=50.0), facts(seen=state(at(-900)))),
    ("lag as long as may be", light(seen=at(-900)), facts()),
    ("trust that just does", proposal("SET_HUMIDIFIER", **ON), facts(seen=state(trust={"rh_pct": 0.4}))),
    (
        "confidence that just does",
        proposal("SET_HUMIDIFIER", **ON),
        facts(seen=state(confidence=0.5, trust={"rh_pct": 0.9})),
    ),
    ("nearly wet", proposal("WATER", ml=50.0), facts(seen=state(probes=((54.9, 0.4), (60.0, 0.9))))),
    ("wetness nobody trusts", proposal("WATER", ml=50.0), facts(seen=state(probes=((60.0, 0.39),)))),
    ("a probe that says nothing", proposal("WATER", ml=50.0), facts(seen=state(probes=((None, 0.9), (30.0, 0.9))))),
    ("nearly enough gas", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(co2=1_299.9))),
    ("nearly damp", proposal("SET_HUMIDIFIER", **ON), facts(seen=state(rh=87.9))),
    ("nearly warm", proposal("SET_HEATER_MAT", **ON), facts(seen=state(soil_temp=25.9))),
    ("nearly hot", light(), facts(seen=state(air=34.9))),
    ("lamp and air unknown", light(), facts(seen=state(air=None))),
    ("just not cold", proposal("SET_EXHAUST_FAN", **ON), facts(seen=state(air=10.0))),
    ("a leak is no business of gas", proposal("CO2_INJECT", seconds=20.0), facts(leak=True)),
    ("nobody knows of a leak", proposal("WATER", ml=50.0), facts(leak=None, reservoir_ok=None)),
    ("an hour of mist's budget", proposal("SET_HUMIDIFIER", state="ON", seconds=1_800.0), facts()),
    ("nothing switched off", proposal("WATER", origin="person", ml=50.0), facts(mode="SAFE", switched_off=())),
    ("three full pulses", proposal("WATER", ml=500.0), facts()),
]


@pytest.mark.parametrize(("case", "asked", "context"), PASSED, ids=[row[0] for row in PASSED])
def test_what_lies_on_the_right_side_of_an_edge_passes_untouched(
    case: str, asked: ActionV1, context: GuardContext
) -> None:
    verdict = Guardrails().judge(asked, context)
    assert verdict.allowed, verdict.rule
    assert (verdict.rule, verdict.value, verdict.limit, verdict.checks) == (None, None, None, ())
    assert verdict.action.params == asked.params and verdict.action.safety.guardrails == RULE_NAMES


CLIPPED = [
    ("one dose", proposal("WATER", ml=900.0), facts(), "per_action", 900.0, 500.0, 3),
    ("its own pulses", proposal("WATER", ml=900.0, pulses=2), facts(), "per_action", 900.0, 400.0, 2),
    ("more pulses than needed", proposal("WATER", ml=900.0, pulses=5), facts(), "per_action", 900.0, 500.0, 5),
    ("caution", proposal("WATER", ml=900.0), facts(mode="CAUTION"), "per_action", 900.0, 300.0, 2),
    (
        "safe mode's person",
        proposal("WATER", origin="person", ml=900.0),
        facts(mode="SAFE", switched_off=()),
        "per_action",
        900.0,
        200.0,
        1,
    ),
    ("doubt", proposal("WATER", ml=60.001), facts(seen=state(confidence=0.49)), "confidence", 0.49, 0.5, 1),
    (
        "gas in caution by a person",
        proposal("CO2_INJECT", origin="person", seconds=100.0),
        facts(mode="CAUTION"),
        "per_action",
        100.0,
        60.0,
        None,
    ),
    ("gas by the hour", proposal("CO2_INJECT", seconds=120.001), facts(), "hour_budget", 120.001, 120.0, None),
    (
        "mist in an hour",
        proposal("SET_HUMIDIFIER", state="ON", seconds=60.0, period_s=3_600.0),
        facts(),
        None,
        None,
        None,
        None,
    ),
    (
        "mist over an hour",
        proposal("SET_HUMIDIFIER", state="ON", seconds=3_000.0, period_s=3_600.0),
        facts(),
        "hour_budget",
        3_000.0,
        1_800.0,
        None,
    ),
    (
        "mist over more",
        proposal("SET_HUMIDIFIER", state="ON", seconds=6_000.0, period_s=7_200.0),
        facts(),
        "hour_budget",
        6_000.0,
        3_600.0,
        None,
    ),
    (
        "beyond the next decision",
        proposal("SET_LIGHT", state="ON", seconds=7_801.0),
        facts(),
        "per_action",
        7_801.0,
        7_800.0,
        None,
    ),
    (
        "a whole day of light",
        unchecked("SET_LIGHT", seconds=86_400.0, state="ON"),
        facts(),
        "per_action",
        86_400.0,
        7_800.0,
        None,
    ),
]


@pytest.mark.parametrize(
    ("case", "asked", "context", "rule", "value", "limit", "pulses"), CLIPPED, ids=[row[0] for row in CLIPPED]
)
def test_clipping_shows_what_was_asked_and_what_is_left(
    case: str,
    asked: ActionV1,
    context: GuardContext,
    rule: str | None,
    value: float | None,
    limit: float | None,
    pulses: int | None,
) -> None:
    verdict = Guardrails().judge(asked, context)
    assert verdict.allowed and (verdict.rule, verdict.value, verdict.limit) == (rule, value, limit)
    given = verdict.action.params
    if rule is not None:
        left = 60.0 if rule == "confidence" else limit
        assert (given.ml if asked.type is ActionType.WATER else given.seconds) == left
        assert given.pulses == pulses
        assert [check.ok for check in verdict.checks] == [True]
        assert verdict.action.safety.clipped_by == (rule,)


def test_a_dose_clipped_twice_names_both_and_the_last() -> None:
    guardrails = Guardrails(budgets=BudgetSettings(water_ml_per_day=50))
    verdict = guardrails.judge(proposal("WATER", ml=200.0), facts(seen=state(confidence=0.4)))
    assert verdict.action.safety.clipped_by == ("confidence", "day_budget")
    assert (verdict.rule, verdict.value, verdict.limit) == ("day_budget", 60.0, 50.0)
    assert verdict.action.params.ml == 50.0


def test_a_dose_clipped_below_its_least_is_refused_by_what_clipped_it() -> None:
    for left, allowed in ((4, False), (5, True)):
        verdict = Guardrails(budgets=BudgetSettings(water_ml_per_day=left)).judge(proposal("WATER", ml=200.0), facts())
        assert (verdict.allowed, verdict.rule) == (allowed, "day_budget")


def test_a_persons_half_of_the_gas_budget_in_caution() -> None:
    guardrails = Guardrails(budgets=BudgetSettings(co2_s_per_day=600))
    lit = proposal("CO2_INJECT", "a", origin="person", seconds=100.0)
    guardrails.settle(lit, 0.0, 299.0, at(-4_000))
    verdict = guardrails.judge(proposal("CO2_INJECT", "b", origin="person", seconds=10.0), facts(mode="CAUTION"))
    assert (verdict.rule, verdict.value, verdict.limit) == ("day_budget", 6.0, 1.0)


def test_chatter_in_each_mode_and_by_a_person() -> None:
    for mode, origin, room in (
        ("NORMAL", "controller", 60),
        ("CAUTION", "controller", 45),
        ("SAFE", "controller", 30),
        ("SAFE", "person", 60),
        ("NORMAL", "person", 120),
    ):
        guardrails = Guardrails()
        for n in range(room):
            asked = proposal("SET_LIGHT", f"k{n}", origin=origin, **ON)
            assert guardrails.judge(asked, facts(mode=mode, switched_off=())).allowed, (mode, origin, n)
        late = guardrails.judge(proposal("SET_LIGHT", "late", origin=origin, **ON), facts(mode=mode, switched_off=()))
        assert (late.rule, late.value, late.limit) == ("actions_per_hour", float(room), float(room))


def test_an_hour_is_over_after_an_hour() -> None:
    guardrails = Guardrails(GuardSettings(actions_per_hour=1))
    assert guardrails.judge(light(key="a"), facts()).allowed
    assert guardrails.judge(light(key="b", ts=at(3_599)), facts(at(3_599))).rule == "actions_per_hour"
    assert guardrails.judge(light(key="c", ts=at(3_600)), facts(at(3_600))).allowed


def test_who_holds_an_output_and_how_long() -> None:
    guardrails = Guardrails()
    off = guardrails.judge(proposal("SET_LIGHT", "p", origin="person", state="OFF", seconds=600.0), facts())
    assert off.action.safety.guardrails == ("idempotency", "expiry", "priority")
    held = guardrails.judge(light(key="a", ts=at(60)), facts(at(60)))
    assert (held.rule, held.value, held.limit) == ("priority", 660.0, 0.0)
    assert guardrails.judge(light(key="b", ts=at(719)), facts(at(719))).rule == "priority"
    assert guardrails.judge(light(key="c", ts=at(720)), facts(at(720))).allowed


def test_switching_off_moves_no_clock_and_takes_no_gas_away() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("CO2_INJECT", "g", seconds=20.0), facts()).allowed
    off = guardrails.judge(proposal("SET_EXHAUST_FAN", "e", state="OFF"), facts())
    assert off.allowed and off.preempts == ()
    now_s = NOON.timestamp()
    assert guardrails.ledger.last_s("exhaust_fan", now_s) is None
    assert guardrails.ledger.last_s("co2_solenoid", now_s) == now_s


def test_the_newer_promise_about_the_exhaust_counts_not_the_older_state() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("SET_EXHAUST_FAN", "on", state="ON", seconds=60.0), facts()).allowed
    assert guardrails.judge(proposal("CO2_INJECT", "g", seconds=20.0), facts()).rule == "environment"
    assert guardrails.judge(proposal("SET_EXHAUST_FAN", "off", state="OFF", seconds=60.0), facts()).allowed
    late = facts(seen=state(exhaust="ON"))
    assert guardrails.judge(proposal("CO2_INJECT", "h", seconds=20.0), late).allowed


def test_a_dose_without_a_number_of_pulses_is_at_most_three() -> None:
    verdict = Guardrails(GuardSettings(water_ml_per_pulse=100)).judge(proposal("WATER", ml=900.0), facts())
    assert (verdict.rule, verdict.action.params.ml, verdict.action.params.pulses) == ("per_action", 300.0, 3)


def test_an_action_of_exactly_an_hour_has_what_the_hour_has_left() -> None:
    guardrails = Guardrails()
    guardrails.settle(proposal("SET_HUMIDIFIER", "a", **ON), 0.0, 1_000.0, NOON)
    verdict = guardrails.judge(proposal("SET_HUMIDIFIER", "b", state="ON", seconds=3_000.0, period_s=3_600.0), facts())
    assert (verdict.rule, verdict.limit) == ("hour_budget", 800.0)


def test_guardrails_with_thresholds_wider_than_the_board_s_is_not_built() -> None:
    wide = GuardSettings().model_copy(update={"rh_high_pct": 95.0})
    with pytest.raises(ValueError, match="rh_high_pct"):
        Guardrails(wide)


def test_asking_again_pushes_no_older_key_out_of_the_table() -> None:
    guardrails = Guardrails()
    for n in range(MAX_KEYS):
        guardrails.ledger.remember(f"controller/{n}")
    assert guardrails.judge(light(key="5"), facts()).rule == "idempotency"
    guardrails.ledger.remember("controller/5")
    assert guardrails.ledger.knows("controller/0")
