"""Every rule of the guardrails: what it refuses or clips, with rule, value and limit in the verdict."""

from __future__ import annotations

import pytest
from tomato_host.brain.guardrails import GuardContext, Guardrails, GuardSettings
from tomato_host.brain.guardrails.context import ProposalCase
from tomato_host.brain.guardrails.limits import build_limits
from tomato_host.brain.guardrails.profiles import PROFILES, RANK
from tomato_host.brain.guardrails.rules import RULE_NAMES, quantity
from tomato_host.brain.settings import BudgetSettings

from shared_schemas.records import ActionV1
from tests.control.states import NOON, state
from tests.guardrails.proposals import ON, at, facts, ledger_view, proposal, unchecked


def test_a_sound_proposal_passes_and_names_every_rule_it_passed() -> None:
    verdict = Guardrails().judge(proposal("WATER", ml=120.0), facts())
    assert verdict.allowed and verdict.rule is None
    assert verdict.action.safety.validated and verdict.action.safety.guardrails == RULE_NAMES
    assert verdict.action.params.ml == 120.0


REFUSED = [
    ("no id", proposal("WATER", None, ml=50.0), facts(), "idempotency"),
    ("llm asks for gas", proposal("CO2_INJECT", origin="llm", seconds=20.0), facts(), "permission"),
    ("mqtt asks for gas", proposal("CO2_INJECT", origin="mqtt", seconds=20.0), facts(), "permission"),
    ("paused", proposal("WATER", ml=50.0), facts(mode="PAUSED"), "mode"),
    ("gas in caution", proposal("CO2_INJECT", seconds=20.0), facts(mode="CAUTION"), "mode"),
    ("person's heat in safe mode", proposal("SET_HEATER_MAT", origin="person", **ON), facts(mode="SAFE"), "mode"),
    ("water in safe mode", proposal("WATER", ml=50.0), facts(mode="SAFE"), "safe_mode"),
    ("lamp switched off", proposal("SET_LIGHT", **ON), facts(mode="SAFE", switched_off=("light",)), "safe_mode"),
    ("too old", proposal("WATER", ts=at(-301), ml=50.0), facts(), "expiry"),
    ("from the future", proposal("WATER", ts=at(6), ml=50.0), facts(), "expiry"),
    ("not_after has passed", proposal("WATER", ts=at(-60), not_after=at(-1), ml=50.0), facts(), "expiry"),
    ("no board", proposal("WATER", ml=50.0), facts(link_up=False), "link"),
    ("board in survival", proposal("SET_LIGHT", **ON), facts(board_state="SURVIVAL"), "link"),
    ("fault latched", proposal("WATER", ml=50.0), facts(faults=("no_flow",)), "board_fault"),
    ("no state", proposal("WATER", ml=50.0), GuardContext(NOON, None), "state_fresh"),
    ("stale state", proposal("WATER", ml=50.0), facts(seen=state(at(-901))), "state_fresh"),
    ("decided on an old state", proposal("WATER", seen=at(-901), ml=50.0), facts(), "state_lag"),
    (
        "humidity not trusted",
        proposal("SET_HUMIDIFIER", origin="person", **ON),
        facts(seen=state(trust={"rh_pct": 0.3})),
        "quantity",
    ),
    ("CO2 not trusted", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(trust={"co2_ppm": 0.0})), "quantity"),
    ("leak", proposal("WATER", origin="person", ml=50.0), facts(leak=True), "environment"),
    ("leak and mist", proposal("SET_HUMIDIFIER", **ON), facts(leak=True), "environment"),
    ("leak and heat", proposal("SET_HEATER_MAT", **ON), facts(leak=True), "environment"),
    ("reservoir", proposal("WATER", ml=50.0), facts(reservoir_ok=False), "environment"),
    ("wet soil", proposal("WATER", ml=50.0), facts(seen=state(probes=((56.0, 0.9), (60.0, 0.9)))), "environment"),
    ("gas in the dark", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(light="OFF")), "environment"),
    ("gas with exhaust", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(exhaust="ON")), "environment"),
    ("enough gas", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(co2=1300.0)), "environment"),
    ("gas unknown", proposal("CO2_INJECT", seconds=20.0), facts(seen=state(co2=None)), "environment"),
    ("damp air", proposal("SET_HUMIDIFIER", **ON), facts(seen=state(rh=88.0)), "environment"),
    ("warm soil", proposal("SET_HEATER_MAT", **ON), facts(seen=state(soil_temp=26.0)), "environment"),
    ("soil temperature unknown", proposal("SET_HEATER_MAT", **ON), facts(seen=state(soil_temp=None)), "environment"),
    ("hot lamp", proposal("SET_LIGHT", **ON), facts(seen=state(air=35.0)), "environment"),
    ("cold exhaust", proposal("SET_EXHAUST_FAN", **ON), facts(seen=state(air=9.9)), "environment"),
    (
        "doubt and mist",
        proposal("SET_HUMIDIFIER", **ON),
        facts(seen=state(confidence=0.49, trust={"rh_pct": 0.9})),
        "confidence",
    ),
    ("negative amount", unchecked("WATER", ml=-5.0), facts(), "schema"),
    ("no number", unchecked("WATER", ml=float("nan")), facts(), "schema"),
    ("endless", unchecked("SET_LIGHT", seconds=float("inf"), state="ON"), facts(), "schema"),
    ("endless period", unchecked("SET_LIGHT", seconds=5.0, state="ON", period_s=float("inf")), facts(), "schema"),
    ("too much", unchecked("SET_LIGHT", seconds=86_400.001, state="ON"), facts(), "schema"),
    ("too little", proposal("WATER", ml=4.999), facts(), "schema"),
    ("half a second of gas", proposal("CO2_INJECT", seconds=0.5), facts(), "schema"),
    ("too many pulses", proposal("WATER", ml=50.0, pulses=11), facts(), "per_action"),
    ("spread too far", proposal("SET_LIGHT", state="ON", seconds=60.0, period_s=7801.0), facts(), "per_action"),
]


@pytest.mark.parametrize(("case", "asked", "context", "rule"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refusals_name_their_rule(case: str, asked: ActionV1, context: GuardContext, rule: str) -> None:
    verdict = Guardrails().judge(asked, context)
    assert not verdict.allowed and verdict.rule == rule
    assert not verdict.action.safety.validated and verdict.action.safety.refused_by == rule
    assert verdict.checks[-1].rule == rule and verdict.checks[-1].text


PASSED = [
    ("person in pause", proposal("WATER", origin="person", ml=50.0), facts(mode="PAUSED")),
    ("person with doubt", proposal("WATER", origin="person", ml=150.0), facts(seen=state(confidence=0.1))),
    ("person on an old state", proposal("WATER", origin="person", seen=at(-2000), ml=50.0), facts()),
    ("water in safe heat", proposal("WATER", ml=50.0), facts(mode="SAFE", switched_off=("light",))),
    ("light without state", proposal("SET_LIGHT", **ON), GuardContext(NOON, None)),
    ("exhaust without state", proposal("SET_EXHAUST_FAN", **ON), GuardContext(NOON, None)),
    ("fan with a fault", proposal("SET_CIRCULATION_FAN", **ON), facts(faults=("no_flow",))),
    ("air unknown", proposal("SET_EXHAUST_FAN", **ON), facts(seen=state(air=None))),
    ("heat", proposal("SET_HEATER_MAT", **ON), facts()),
    ("mist", proposal("SET_HUMIDIFIER", **ON), facts()),
    ("gas", proposal("CO2_INJECT", seconds=20.0), facts()),
    ("untrusted wet probe is no reason", proposal("WATER", ml=50.0), facts(seen=state(probes=((90.0, 0.1),)))),
    ("in time", proposal("WATER", not_after=at(60), seen=NOON, ml=50.0), facts()),
    ("in the last moment", proposal("WATER", not_after=NOON, ml=50.0), facts()),
    ("caution leaves light alone", proposal("SET_LIGHT", state="ON", seconds=7200.0), facts(mode="CAUTION")),
    ("ten pulses", proposal("WATER", ml=50.0, pulses=10), facts()),
    ("the least dose", proposal("WATER", ml=5.0), facts()),
    ("the longest span", proposal("SET_LIGHT", state="ON", seconds=60.0, period_s=7800.0), facts()),
    ("reservoir fine", proposal("WATER", ml=50.0), facts(reservoir_ok=True, leak=False)),
]


@pytest.mark.parametrize(("case", "asked", "context"), PASSED, ids=[row[0] for row in PASSED])
def test_what_the_rules_let_pass(case: str, asked: ActionV1, context: GuardContext) -> None:
    verdict = Guardrails().judge(asked, context)
    assert verdict.allowed, verdict.rule
    assert verdict.action.params == asked.params


CLIPPED = [
    ("one dose", proposal("WATER", ml=900.0), facts(), "per_action", 500.0),
    ("pulses bound the dose", proposal("WATER", ml=900.0, pulses=1), facts(), "per_action", 200.0),
    ("caution gives less", proposal("WATER", ml=900.0), facts(mode="CAUTION"), "per_action", 300.0),
    ("doubt gives a small dose", proposal("WATER", ml=200.0), facts(seen=state(confidence=0.4)), "confidence", 60.0),
    ("humidifier's hour", proposal("SET_HUMIDIFIER", state="ON", seconds=3600.0), facts(), "hour_budget", 1800.0),
    (
        "humidifier's rate",
        proposal("SET_HUMIDIFIER", state="ON", seconds=7200.0, period_s=7200.0),
        facts(),
        "hour_budget",
        3600.0,
    ),
    (
        "no further than the next decision",
        proposal("SET_LIGHT", state="ON", seconds=20_000.0),
        facts(),
        "per_action",
        7800.0,
    ),
    ("gas by the hour", proposal("CO2_INJECT", seconds=300.0), facts(), "hour_budget", 120.0),
]


@pytest.mark.parametrize(("case", "asked", "context", "rule", "left"), CLIPPED, ids=[row[0] for row in CLIPPED])
def test_clipping_lowers_the_amount_and_says_so(
    case: str, asked: ActionV1, context: GuardContext, rule: str, left: float
) -> None:
    verdict = Guardrails().judge(asked, context)
    assert verdict.allowed and verdict.rule == rule
    given = verdict.action.params
    assert (given.ml if asked.type.value == "WATER" else given.seconds) == pytest.approx(left)
    assert rule in verdict.action.safety.clipped_by
    assert verdict.value is not None and verdict.limit is not None and verdict.value != verdict.limit


def test_a_used_up_budget_leaves_nothing_and_says_nothing_is_left() -> None:
    guardrails = Guardrails(budgets=BudgetSettings(water_ml_per_day=100))
    first = guardrails.judge(proposal("WATER", "a", ml=100.0), facts())
    guardrails.settle(first.action, guardrails.allocate(first.action, 100.0, NOON), 130.0, NOON)
    later = guardrails.judge(proposal("WATER", "b", ts=at(7200), ml=50.0), facts(at(7200)))
    assert later.rule == "day_budget" and (later.value, later.limit) == (50.0, 0.0)


def test_small_dose_passes_a_doubtful_state_unclipped() -> None:
    verdict = Guardrails().judge(proposal("WATER", ml=60.0), facts(seen=state(confidence=0.4)))
    assert verdict.allowed and verdict.rule is None


def test_pulses_are_enough_for_the_board() -> None:
    verdict = Guardrails().judge(proposal("WATER", ml=900.0), facts())
    assert verdict.action.params.pulses == 3


def test_the_same_key_moves_nothing_twice() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("SET_LIGHT", "k", **ON), facts()).allowed
    again = guardrails.judge(proposal("SET_LIGHT", "k", **ON), facts())
    assert not again.allowed and again.rule == "idempotency"


def test_what_was_refused_for_the_moment_may_come_again() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("WATER", "k", ml=50.0), facts(leak=True)).rule == "environment"
    assert guardrails.judge(proposal("WATER", "k", ml=50.0), facts()).allowed
    assert guardrails.judge(proposal("WATER", "k", ml=50.0), facts()).rule == "idempotency"


def test_the_same_id_of_another_origin_is_another_id() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("SET_LIGHT", "1", **ON), facts()).allowed
    verdict = guardrails.judge(proposal("SET_LIGHT", "1", origin="person", **ON), facts())
    assert verdict.allowed and verdict.preempts == ("light",)
    assert guardrails.allocate(verdict.action, 1.0, NOON) == 1.0
    assert guardrails.allocate(proposal("SET_LIGHT", "1", **ON), 1.0, NOON) == 0.0


def test_water_needs_its_pause() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("WATER", "a", ml=50.0), facts()).allowed
    soon = guardrails.judge(proposal("WATER", "b", ts=at(1799), ml=50.0), facts(at(1799)))
    assert soon.rule == "interval" and soon.value == 1799.0 and soon.limit == 1800.0
    assert guardrails.judge(proposal("WATER", "c", ts=at(1800), ml=50.0), facts(at(1800))).allowed


def test_a_chattering_controller_is_stopped_a_person_has_twice_the_room() -> None:
    guardrails = Guardrails(GuardSettings(actions_per_hour=4))
    for n in range(4):
        assert guardrails.judge(proposal("SET_LIGHT", f"k{n}", ts=at(n), **ON), facts(at(n))).allowed
    fifth = guardrails.judge(proposal("SET_LIGHT", "k5", ts=at(5), **ON), facts(at(5)))
    assert fifth.rule == "actions_per_hour" and (fifth.value, fifth.limit) == (4.0, 4.0)
    assert guardrails.judge(proposal("SET_LIGHT", "p", ts=at(6), origin="person", **ON), facts(at(6))).allowed
    assert guardrails.judge(proposal("SET_LIGHT", "k6", ts=at(3700), **ON), facts(at(3700))).allowed


def test_the_day_is_the_last_24_hours() -> None:
    guardrails = Guardrails(budgets=BudgetSettings(water_ml_per_day=300))
    first = guardrails.judge(proposal("WATER", "a", ml=200.0), facts())
    drawn = guardrails.allocate(first.action, 200.0, NOON)
    guardrails.settle(first.action, drawn, 200.0, NOON)
    guardrails.release(first.action)
    second = guardrails.judge(proposal("WATER", "b", ts=at(7200), ml=200.0), facts(at(7200)))
    assert second.rule == "day_budget" and second.action.params.ml == 100.0
    drawn = guardrails.allocate(second.action, 200.0, at(7200))
    assert drawn == 100.0
    guardrails.settle(second.action, drawn, 100.0, at(7200))
    third = guardrails.judge(proposal("WATER", "c", ts=at(14_400), ml=100.0), facts(at(14_400)))
    assert not third.allowed and third.rule == "day_budget" and third.action.safety.checks[-1].ok is False
    assert guardrails.judge(proposal("WATER", "d", ts=at(86_400), ml=100.0), facts(at(86_400))).allowed


def test_a_rank_keeps_its_output() -> None:
    guardrails = Guardrails()
    off = guardrails.judge(proposal("SET_LIGHT", "p", origin="person", state="OFF", seconds=7200.0), facts())
    assert off.allowed
    guardrails.release(off.action)
    refused = guardrails.judge(proposal("SET_LIGHT", "c", ts=at(60), **ON), facts(at(60)))
    assert refused.rule == "priority" and "held by p" in refused.checks[-1].text
    assert guardrails.judge(proposal("SET_LIGHT", "q", ts=at(61), origin="person", **ON), facts(at(61))).allowed
    assert guardrails.judge(proposal("SET_LIGHT", "r", ts=at(9000), **ON), facts(at(9000))).allowed


def test_off_asks_only_for_key_age_and_hold() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(
        proposal("SET_HEATER_MAT", "a", origin="llm", state="OFF"), facts(leak=True, mode="SAFE")
    ).allowed
    late = guardrails.judge(proposal("SET_HEATER_MAT", "b", ts=at(-400), state="OFF"), facts())
    assert late.rule == "expiry"


def test_air_out_goes_before_gas_in() -> None:
    guardrails = Guardrails()
    assert guardrails.judge(proposal("CO2_INJECT", "g", seconds=20.0, period_s=7200.0), facts()).allowed
    out = guardrails.judge(proposal("SET_EXHAUST_FAN", "e", **ON), facts())
    assert out.allowed and out.preempts == ("co2_solenoid",)
    assert guardrails.judge(proposal("CO2_INJECT", "h", seconds=20.0), facts()).rule == "environment"
    stop = guardrails.judge(proposal("SET_EXHAUST_FAN", "f", state="OFF"), facts())
    assert stop.allowed and stop.preempts == ("exhaust_fan",)
    assert guardrails.judge(proposal("CO2_INJECT", "i", ts=at(130), seconds=20.0), facts(at(130))).allowed


def test_stop_all_always_passes_and_frees_everything() -> None:
    guardrails = Guardrails()
    guardrails.judge(proposal("SET_LIGHT", "l", **ON), facts())
    stop = guardrails.judge(proposal("STOP_ALL", None, origin="mqtt"), facts(mode="SAFE", link_up=False))
    assert stop.allowed and stop.preempts == ("light",)
    assert guardrails.judge(proposal("STOP_ALL", None), facts()).preempts == ()


def test_no_action_is_recorded_and_moves_nothing() -> None:
    guardrails = Guardrails()
    before = ledger_view(guardrails)
    verdict = guardrails.judge(proposal("NO_ACTION", "n"), facts())
    assert verdict.allowed and verdict.action.safety.validated and ledger_view(guardrails) == before


def test_rules_that_read_the_state_refuse_to_run_without_one() -> None:
    asked = proposal("SET_HUMIDIFIER", **ON)
    settings = GuardSettings()
    case = ProposalCase(
        asked,
        asked.type,
        RANK["controller"],
        1,
        1.0,
        0.0,
        GuardContext(NOON, None),
        build_limits(settings, BudgetSettings())[asked.type],
        PROFILES["NORMAL"],
        settings,
        Guardrails().ledger,
    )
    with pytest.raises(ValueError, match="state_fresh must come before"):
        quantity(case)
