"""The rule policy: what a grower expects of it, output by output."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tomato_host.brain.control import (
    ControlDecision,
    ControllerMemory,
    ControlSettings,
    DecisionContext,
    fixed_timer,
    rules,
)
from tomato_host.brain.control.proposals import OutputRequest, build_decision
from tomato_host.brain.guardrails import GuardContext, Guardrails

from shared_schemas.records import ActionV1
from tests.control.states import MIDNIGHT, NOON, state


def decide(seen: Any = None, **more: Any) -> ControlDecision:
    seen = seen if seen is not None else state()
    return rules.decide(DecisionContext(now=seen.ts, state=seen, **more))


def asked(decision: ControlDecision) -> Mapping[str, ActionV1]:
    return {action.type.value: action for action in decision.proposals}


def seconds(decision: ControlDecision, kind: str) -> float:
    action = asked(decision).get(kind)
    return (action.params.seconds or 0.0) if action is not None else 0.0


def test_pure_same_context_same_decision() -> None:
    assert decide() == decide()


def test_light_by_day_none_by_night() -> None:
    assert seconds(decide(), "SET_LIGHT") >= 7200.0
    night = decide(state(MIDNIGHT, vpd=0.7, rh=70.0))
    assert seconds(night, "SET_LIGHT") == 0.0
    assert any(text.startswith("light: night") for text in night.plan.not_done)


def test_light_ends_with_the_photoperiod() -> None:
    late = datetime(2026, 6, 1, 19, 30, tzinfo=UTC)  # 21:30 in Vienna, half an hour before 22:00
    assert seconds(decide(state(late)), "SET_LIGHT") == 1800.0


def test_a_hot_tent_gets_no_light() -> None:
    hot = decide(state(air=33.5, vpd=2.2, rh=50.0))
    assert seconds(hot, "SET_LIGHT") == 0.0 and any("too hot for the lamp" in t for t in hot.plan.not_done)


@pytest.mark.parametrize(("vpd", "mist"), [(1.0, False), (1.19, False), (1.4, True), (2.0, True)])
def test_mist_when_the_air_is_too_dry(vpd: float, mist: bool) -> None:
    assert (seconds(decide(state(vpd=vpd)), "SET_HUMIDIFIER") > 0.0) == mist


def test_mist_goes_on_to_the_middle_of_the_band() -> None:
    running = ControllerMemory(decided_at=NOON - timedelta(hours=2), duty={"humidifier": 0.2})
    assert seconds(decide(state(vpd=1.1), memory=running), "SET_HUMIDIFIER") > 0.0
    stopped = decide(state(vpd=0.9), memory=running)
    assert asked(stopped)["SET_HUMIDIFIER"].params.state == "OFF"


def test_no_mist_without_a_trusted_reading_or_into_damp_air() -> None:
    assert seconds(decide(state(vpd=2.0, trust={"rh_pct": 0.1})), "SET_HUMIDIFIER") == 0.0
    assert seconds(decide(state(vpd=2.0, rh=83.0)), "SET_HUMIDIFIER") == 0.0


def test_exhaust_follows_warmth_and_damp() -> None:
    shares = [seconds(decide(state(air=air)), "SET_EXHAUST_FAN") for air in (24.0, 28.0, 30.0, 32.0)]
    assert shares == sorted(shares) and shares[-1] == 7200.0
    assert seconds(decide(state(vpd=0.3)), "SET_EXHAUST_FAN") > seconds(decide(state(vpd=0.6)), "SET_EXHAUST_FAN") > 0
    assert seconds(decide(state(air=17.0)), "SET_EXHAUST_FAN") == 0.0


def test_roots_are_warmed_by_soil_temperature_only() -> None:
    cold = decide(state(soil_temp=15.0))
    assert seconds(cold, "SET_HEATER_MAT") > 0.0
    assert seconds(decide(state(soil_temp=19.0)), "SET_HEATER_MAT") == 0.0
    assert seconds(decide(state(soil_temp=None)), "SET_HEATER_MAT") == 0.0
    on = ControllerMemory(duty={"heater_mat": 0.4})
    assert seconds(decide(state(soil_temp=18.5), memory=on), "SET_HEATER_MAT") > 0.0


def test_gas_only_in_light_with_the_exhaust_closed() -> None:
    dosed = decide(state(co2=450.0))
    assert seconds(dosed, "CO2_INJECT") > 0.0 and seconds(dosed, "SET_EXHAUST_FAN") == 0.0
    assert seconds(decide(state(co2=450.0, air=29.0)), "CO2_INJECT") == 0.0
    assert seconds(decide(state(MIDNIGHT, co2=450.0)), "CO2_INJECT") == 0.0
    assert seconds(decide(state(co2=450.0), mode="CAUTION"), "CO2_INJECT") == 0.0
    assert seconds(decide(state(co2=450.0), settings=ControlSettings(use_co2=False)), "CO2_INJECT") == 0.0
    assert seconds(decide(state(co2=450.0, co2_used=298.0)), "CO2_INJECT") == 0.0


def test_no_gas_before_the_lamp_is_seen_to_shine() -> None:
    """At the edge of the light hours the lamp is only just asked for: no exhaust is closed for gas that is refused."""
    dark = decide(state(co2=450.0, light="OFF"))
    assert seconds(dark, "SET_LIGHT") > 0.0 and seconds(dark, "CO2_INJECT") == 0.0
    assert seconds(dark, "SET_EXHAUST_FAN") > 0.0
    assert any("the lamp was off at" in text for text in dark.plan.not_done)


def test_the_driest_trusted_probe_decides() -> None:
    dry = asked(decide(state(probes=((20.0, 0.9), (40.0, 0.9)))))["WATER"]
    assert dry.params.ml == 300.0 and dry.why.rules_fired == ("soil.P1 < 30%",)
    assert "WATER" not in asked(decide(state(probes=((20.0, 0.2), (40.0, 0.9)))))


def test_a_doubted_probe_halves_the_dose() -> None:
    doubted = asked(decide(state(probes=((None, 0.0), (26.0, 0.9)))))["WATER"]
    sure = asked(decide(state(probes=((40.0, 0.9), (26.0, 0.9)))))["WATER"]
    assert doubted.params.ml is not None and sure.params.ml is not None
    assert doubted.params.ml == sure.params.ml / 2
    assert "half dose: doubt" in doubted.why.rules_fired


def test_water_waits_for_its_pause_the_morning_and_the_budget() -> None:
    dry = ((20.0, 0.9), (20.0, 0.9))
    recent = ControllerMemory(last_water_at=NOON - timedelta(minutes=80))
    assert "WATER" not in asked(decide(state(probes=dry), memory=recent))
    assert "WATER" not in asked(decide(state(MIDNIGHT, probes=((25.0, 0.9),))))
    assert "WATER" in asked(decide(state(MIDNIGHT, probes=((22.0, 0.9),))))
    assert "WATER" not in asked(decide(state(probes=dry, water_used=2190.0)))
    morning = datetime(2026, 6, 1, 4, 0, tzinfo=UTC)
    assert "WATER" not in asked(decide(state(morning, probes=dry, water_used=790.0))), "the day's water is spread"


def test_without_any_probe_a_small_dose_by_the_clock() -> None:
    blind, first = ((None, 0.0), (30.0, 0.1)), ControllerMemory()
    assert "WATER" not in asked(decide(state(probes=blind), memory=first))
    later = ControllerMemory(decided_at=NOON - timedelta(hours=2))
    assert asked(decide(state(probes=blind), memory=later))["WATER"].params.ml == 60.0
    again = ControllerMemory(decided_at=NOON, last_water_at=NOON - timedelta(hours=7))
    assert "WATER" not in asked(decide(state(probes=blind), memory=again))
    assert "WATER" not in asked(decide(state(MIDNIGHT, probes=blind), memory=later))
    assert "WATER" not in asked(decide(state(probes=blind, water_used=2200.0), memory=later))


def test_nothing_to_do_is_a_decision_with_reasons() -> None:
    paused = decide(mode="PAUSED")
    assert [a.type.value for a in paused.proposals] == ["NO_ACTION"]
    assert "paused by the operator" in paused.proposals[0].why.text and len(paused.plan.not_done) == 7


def test_safe_mode_keeps_air_moving_and_risky_things_off() -> None:
    seen = state(probes=((24.0, 0.9),), vpd=2.5, rh=40.0, soil_temp=10.0, co2=400.0)
    safe = decide(seen, mode="SAFE")
    assert safe.plan.controller == "safe_mode"
    assert set(asked(safe)) <= {"SET_LIGHT", "SET_CIRCULATION_FAN", "SET_EXHAUST_FAN"}
    assert seconds(safe, "SET_CIRCULATION_FAN") == 7200.0
    demand = decide(state(probes=((18.0, 0.9),)), mode="SAFE")
    assert asked(demand)["WATER"].origin == "safe_mode" and asked(demand)["WATER"].params.ml == 150.0
    blind = decide(state(air=None, rh=None, vpd=None), mode="SAFE")
    assert seconds(blind, "SET_EXHAUST_FAN") == pytest.approx(720.0)


def test_everything_the_rules_ask_for_on_a_good_day_passes_the_guardrails() -> None:
    guardrails, memory = Guardrails(), ControllerMemory()
    for hours in range(0, 24, 2):
        now = NOON + timedelta(hours=hours)
        seen = state(now, probes=((24.0, 0.9), (30.0, 0.9)))
        made = decide(seen, memory=memory)
        memory = made.memory
        for proposal in made.proposals:
            verdict = guardrails.judge(proposal, GuardContext(now, seen))
            assert verdict.allowed or verdict.rule == "day_budget", (proposal.type, verdict.rule)


def test_the_timer_is_blind() -> None:
    def amounts(seen: Any) -> list[Any]:
        made = fixed_timer.decide(DecisionContext(now=seen.ts, state=seen))
        return [(a.type, a.params) for a in made.proposals]

    assert amounts(state(vpd=0.2, probes=((50.0, 0.9),))) == amounts(state(vpd=2.4, probes=((10.0, 0.9),)))


@pytest.mark.parametrize(
    ("output", "amount", "asks"),
    [
        ("co2_solenoid", 0.02, False),
        ("co2_solenoid", 1.0, True),
        ("water_pump", 4.9, False),
        ("water_pump", 5.0, True),
        ("humidifier", 0.4, False),
    ],
)
def test_what_is_too_little_is_not_asked_for(output: str, amount: float, asks: bool) -> None:
    made = build_decision(DecisionContext(now=NOON, state=state()), "mpc", [OutputRequest(output, amount, "a trifle")])
    assert (made.proposals[0].type.value != "NO_ACTION") == asks
    assert asks or "too little" in made.plan.not_done[0]
