"""Safe mode: every way in, what it switches off, what it says, and the slow way back."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tomato_host.brain.safe_mode import SafeModeSettings, SafeModeState, SafeModeStep, Signals, step

from tests.control.states import NOON

SETTINGS = SafeModeSettings()
CALM = Signals(now=NOON, confidence=0.9, air_temp_c=24.0, leak=False)


def walk(state: SafeModeState, start_s: float, end_s: float, every_s: float = 10.0, **facts: Any) -> SafeModeStep:
    """Steps at a steady pace under the same facts; the last one."""
    at = start_s
    while True:
        last = step(state, replace(CALM, now=NOON + timedelta(seconds=at), **facts), SETTINGS)
        state = last.state
        if at >= end_s:
            return last
        at += every_s


WAYS_IN: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("leak", {"leak": True}, {"operator_acknowledges": True}),
    ("board_fault", {"board_faults": ("no_flow",)}, {}),
    ("link_down", {"link_down_s": 60.0}, {}),
    ("state_stale", {"state_age_s": 900.0}, {}),
    ("low_confidence", {"confidence": 0.3}, {}),
    ("over_temperature", {"air_temp_c": 36.5}, {}),
    ("frost_risk", {"air_temp_c": 6.0}, {}),
    ("critical_anomaly", {"critical": ("AIR_TEMP_HIGH",)}, {}),
    ("person", {"operator_wants_safe": True}, {}),
]


@pytest.mark.parametrize(("cause", "facts", "cure"), WAYS_IN, ids=[row[0] for row in WAYS_IN])
def test_the_way_in_the_message_and_the_way_back(cause: str, facts: dict[str, Any], cure: dict[str, Any]) -> None:
    inside = walk(SafeModeState(), 0, 60, **facts)
    assert inside.state.mode == "SAFE" and inside.state.causes == (cause,)
    assert "co2_solenoid" in inside.switch_off and inside.keep_on == ("circulation_fan",)
    assert inside.sampling_s == SETTINGS.sampling_safe_s
    cured = walk(inside.state, 70, 70, **cure)
    assert cured.state.causes == () and cured.state.mode == "SAFE", "trust does not return at once"
    assert cured.switch_off == inside.switch_off
    waiting = walk(cured.state, 80, 70 + SETTINGS.calm_s - 10)
    assert waiting.state.mode == "SAFE"
    recovering = walk(waiting.state, 70 + SETTINGS.calm_s, 70 + SETTINGS.calm_s)
    assert recovering.state.mode == "CAUTION" and recovering.switch_off == () and recovering.changed
    assert recovering.notify is not None and "returning" in recovering.notify
    back_at = 70 + SETTINGS.calm_s + SETTINGS.recover_s
    assert walk(recovering.state, 980, back_at - 10).state.mode == "CAUTION"
    assert walk(recovering.state, back_at, back_at).state.mode == "NORMAL"


def test_the_message_says_what_to_do() -> None:
    told = step(SafeModeState(), replace(CALM, leak=True), SETTINGS)
    assert told.notify is not None and "The leak sensor is wet" in told.notify and "Next: find and stop" in told.notify
    assert step(told.state, replace(CALM, leak=True), SETTINGS).notify is None


def test_a_flicker_does_not_count() -> None:
    once = walk(SafeModeState(), 0, 20, confidence=0.1)
    assert once.state.mode == "NORMAL"
    assert walk(once.state, 25, 25).state.suspected == {}
    assert walk(walk(once.state, 25, 25).state, 30, 50, confidence=0.1).state.mode == "NORMAL"


@pytest.mark.parametrize(
    ("facts", "between"),
    [
        ({"confidence": 0.3}, {"confidence": 0.5}),
        ({"air_temp_c": 36.5}, {"air_temp_c": 34.0}),
        ({"air_temp_c": 6.0}, {"air_temp_c": 8.0}),
        ({"state_age_s": 900.0}, {"state_age_s": 400.0}),
        ({"link_down_s": 60.0}, {"link_down_s": 5.0}),
        ({"air_temp_c": 36.5}, {"air_temp_c": None}),
    ],
)
def test_hysteresis_holds_between_the_limits(facts: dict[str, Any], between: dict[str, Any]) -> None:
    inside = walk(SafeModeState(), 0, 60, **facts)
    assert walk(inside.state, 70, 3000, **between).state.mode == "SAFE"
    assert walk(SafeModeState(), 0, 50, **between).state.mode == "NORMAL"


def test_a_leak_waits_for_a_person_and_a_person_cannot_wave_it_away() -> None:
    leaking = walk(SafeModeState(), 0, 10, leak=True)
    assert walk(leaking.state, 20, 30, leak=True, operator_acknowledges=True).state.causes == ("leak",)
    assert walk(leaking.state, 20, 4000).state.causes == ("leak",)
    assert walk(leaking.state, 20, 20, operator_acknowledges=True).state.causes == ()
    assert walk(leaking.state, 20, 20, leak=None, operator_acknowledges=True).state.causes == ("leak",)


def test_a_new_cause_during_recovery_starts_again() -> None:
    inside = walk(SafeModeState(), 0, 60, confidence=0.1)
    almost = walk(inside.state, 70, 900)
    again = walk(almost.state, 910, 910, leak=True)
    assert again.state.causes == ("leak",) and again.state.calm_since is None


def test_heat_keeps_the_pump_and_asks_for_air() -> None:
    hot = walk(SafeModeState(), 0, 60, air_temp_c=37.0)
    assert "water_pump" not in hot.switch_off and "light" in hot.switch_off and hot.ventilate
    both = walk(hot.state, 70, 70, air_temp_c=37.0, leak=True)
    assert "water_pump" in both.switch_off and both.entered == ("leak",)


def test_high_anomalies_make_caution_for_a_while() -> None:
    careful = walk(SafeModeState(), 0, 0, high=("VPD_HIGH",))
    assert careful.state.mode == "CAUTION" and careful.sampling_s == SETTINGS.sampling_caution_s
    assert walk(careful.state, 10, SETTINGS.caution_s - 10).state.mode == "CAUTION"
    assert walk(careful.state, SETTINGS.caution_s, SETTINGS.caution_s).state.mode == "NORMAL"
    assert walk(SafeModeState(), 0, 0, water_not_arriving=True).state.mode == "CAUTION"


def test_a_pause_never_hides_danger() -> None:
    paused = walk(SafeModeState(), 0, 0, operator_paused=True)
    assert paused.state.mode == "PAUSED"
    assert walk(paused.state, 10, 10, operator_paused=True, leak=True).state.mode == "SAFE"
    assert walk(paused.state, 10, 10).state.mode == "NORMAL"


def test_several_causes_clear_one_by_one() -> None:
    two = walk(SafeModeState(), 0, 60, confidence=0.1, board_faults=("x",))
    one = walk(two.state, 70, 70, confidence=0.9, board_faults=("x",))
    assert one.cleared == ("low_confidence",) and one.notify == "SAFE: gone: low_confidence."
