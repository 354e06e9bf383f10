"""Causes of safe mode against a table written by hand: limits, outputs, waiting times, ranges of settings."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tomato_host.brain.safe_mode import SafeModeSettings, SafeModeState, SafeModeStep, Signals, step

from tests.control.states import NOON

SETTINGS = SafeModeSettings()
CALM = Signals(now=NOON, confidence=0.9, air_temp_c=24.0, leak=False)
RISKY = {"water_pump", "humidifier", "heater_mat", "co2_solenoid"}
HEAT_AND_GAS = {"light", "heater_mat", "co2_solenoid"}
COLD_AIR_AND_WATER = {"exhaust_fan", "humidifier", "water_pump", "co2_solenoid"}


class Row(NamedTuple):
    """What one cause must do. Facts: just before its limit, at its limit, inside the gap, back."""

    cause: str
    short_of: dict[str, Any]
    at: dict[str, Any]
    still: dict[str, Any]
    back: dict[str, Any]
    at_once: bool
    off: set[str]
    ventilate: bool
    next_step: str


TABLE = [
    Row(
        "leak",
        {"leak": False},
        {"leak": True},
        {"leak": None},
        {"leak": False, "operator_acknowledges": True},
        True,
        RISKY,
        False,
        "press the board's button",
    ),
    Row(
        "board_fault",
        {},
        {"board_faults": ("no_flow",)},
        {"board_faults": ("x",)},
        {},
        True,
        RISKY,
        False,
        "clear the fault by its id",
    ),
    Row(
        "link_down",
        {"link_down_s": 59.9},
        {"link_down_s": 60.0},
        {"link_down_s": 0.1},
        {"link_down_s": 0.0},
        True,
        RISKY,
        False,
        "check cable and power",
    ),
    Row(
        "state_stale",
        {"state_age_s": 899.9},
        {"state_age_s": 900.0},
        {"state_age_s": 300.0},
        {"state_age_s": 299.9},
        True,
        RISKY,
        False,
        "check the sensors and the link",
    ),
    Row(
        "low_confidence",
        {"confidence": 0.35},
        {"confidence": 0.349},
        {"confidence": 0.599},
        {"confidence": 0.6},
        False,
        RISKY,
        False,
        "which sensors have failed",
    ),
    Row(
        "over_temperature",
        {"air_temp_c": 35.9},
        {"air_temp_c": 36.0},
        {"air_temp_c": 32.1},
        {"air_temp_c": 32.0},
        False,
        HEAT_AND_GAS,
        True,
        "check fan and lamp",
    ),
    Row(
        "frost_risk",
        {"air_temp_c": 7.1},
        {"air_temp_c": 7.0},
        {"air_temp_c": 9.9},
        {"air_temp_c": 10.0},
        False,
        COLD_AIR_AND_WATER,
        False,
        "warm the room",
    ),
    Row(
        "critical_anomaly",
        {},
        {"critical": ("AIR_TEMP_HIGH",)},
        {"critical": ("VPD_LOW",)},
        {},
        True,
        RISKY,
        False,
        "tomato-host explain",
    ),
    Row(
        "person",
        {},
        {"operator_wants_safe": True},
        {"operator_wants_safe": True},
        {},
        True,
        RISKY,
        False,
        "tomato-host mode normal",
    ),
]
ROWS = pytest.mark.parametrize("row", TABLE, ids=[row.cause for row in TABLE])


def at(state: SafeModeState, after_s: float, **facts: Any) -> SafeModeStep:
    """One step so many seconds after noon."""
    return step(state, replace(CALM, now=NOON + timedelta(seconds=after_s), **facts), SETTINGS)


def inside(row: Row) -> SafeModeStep:
    """SAFE by this cause alone, entered at 30 s."""
    return at(at(SafeModeState(), 0, **row.at).state, 30, **row.at)


@ROWS
def test_the_limit_itself_counts_and_just_short_of_it_never_does(row: Row) -> None:
    state = SafeModeState()
    for second in range(0, 4_000, 50):
        state = at(state, second, **row.short_of).state
        assert state.mode == "NORMAL" and state.causes == ()
    assert inside(row).state.causes == (row.cause,)


@ROWS
def test_a_sudden_cause_counts_at_once_and_another_after_30_seconds(row: Row) -> None:
    first = at(SafeModeState(), 0, **row.at)
    assert (first.state.causes == (row.cause,)) is row.at_once
    assert (first.state.suspected == {}) is row.at_once
    almost = at(first.state, 29.9, **row.at)
    assert (almost.state.mode == "SAFE") is row.at_once
    assert at(almost.state, 30, **row.at).state.mode == "SAFE"


@ROWS
def test_it_switches_off_exactly_its_outputs_and_asks_for_air_only_in_heat(row: Row) -> None:
    entered = inside(row)
    assert set(entered.switch_off) == row.off and len(entered.switch_off) == len(row.off)
    assert entered.ventilate is row.ventilate
    assert at(entered.state, 40, **row.back).ventilate is False


@ROWS
def test_its_message_comes_once_and_has_its_next_step(row: Row) -> None:
    entered = at(SafeModeState(), 0, **row.at) if row.at_once else inside(row)
    assert entered.entered == (row.cause,) and entered.changed
    assert entered.notify is not None and entered.notify.startswith("SAFE: ") and row.next_step in entered.notify
    again = at(entered.state, 40, **row.at)
    assert (again.notify, again.entered, again.changed) == (None, (), False)


@ROWS
def test_inside_the_gap_it_stays_and_at_the_way_back_it_goes(row: Row) -> None:
    entered = inside(row)
    held = at(entered.state, 40, **row.still)
    assert held.state.causes == (row.cause,) and held.cleared == ()
    gone = at(held.state, 50, **row.back)
    assert gone.state.causes == () and gone.cleared == (row.cause,) and gone.state.mode == "SAFE"
    assert gone.notify == f"SAFE: gone: {row.cause}."


@pytest.mark.parametrize(("cause", "hot"), [("over_temperature", 37.0), ("frost_risk", 5.0)])
def test_an_unknown_temperature_neither_starts_nor_ends_a_cause(cause: str, hot: float) -> None:
    state = SafeModeState()
    for second in range(0, 300, 10):
        state = at(state, second, air_temp_c=None).state
    assert state.causes == ()
    entered = at(at(state, 300, air_temp_c=hot).state, 330, air_temp_c=hot)
    assert at(entered.state, 340, air_temp_c=None).state.causes == (cause,)


def test_only_a_leak_waits_for_the_operator() -> None:
    for row in TABLE:
        gone = at(inside(row).state, 40)
        assert gone.state.causes == (("leak",) if row.cause == "leak" else ())


def test_a_break_starts_the_waiting_anew() -> None:
    first = at(SafeModeState(), 0, confidence=0.1)
    calm = at(first.state, 20)
    again = at(calm.state, 25, confidence=0.1)
    assert again.state.suspected == {"low_confidence": NOON + timedelta(seconds=25)}
    assert at(again.state, 54.9, confidence=0.1).state.mode == "NORMAL"
    assert at(again.state, 55, confidence=0.1).state.mode == "SAFE"


def test_each_flickering_cause_waits_for_itself() -> None:
    first = at(SafeModeState(), 0, confidence=0.1)
    both = at(first.state, 20, confidence=0.1, air_temp_c=36.0)
    assert at(both.state, 30, confidence=0.1, air_temp_c=36.0).state.causes == ("low_confidence",)
    later = at(both.state, 50, confidence=0.1, air_temp_c=36.0)
    assert later.state.causes == ("low_confidence", "over_temperature")


def test_a_clock_set_back_makes_no_cause_wait_longer() -> None:
    seen = at(SafeModeState(), 3_600, confidence=0.1)
    back = at(seen.state, 0, confidence=0.1)
    assert back.state.suspected == {"low_confidence": NOON}
    assert at(back.state, 30, confidence=0.1).state.mode == "SAFE"


def test_a_clock_set_back_makes_no_recovery_longer() -> None:
    gone = at(at(SafeModeState(), 7_200, leak=True).state, 7_210, operator_acknowledges=True)
    assert gone.state.calm_since == NOON + timedelta(seconds=7_210)
    back = at(gone.state, 0)
    assert back.state.calm_since == NOON
    assert at(back.state, 899).state.mode == "SAFE"
    assert at(back.state, 900).state.mode == "CAUTION"


def test_outputs_stay_off_until_safe_is_left_though_their_cause_is_gone() -> None:
    hot = inside(TABLE[5])
    both = at(hot.state, 40, air_temp_c=36.0, leak=True)
    assert set(both.switch_off) == RISKY | HEAT_AND_GAS
    assert list(both.switch_off) == sorted(both.switch_off)
    cooled = at(both.state, 50, leak=True)
    assert set(cooled.switch_off) == RISKY | HEAT_AND_GAS and cooled.cleared == ("over_temperature",)
    dry = at(cooled.state, 60, operator_acknowledges=True)
    assert set(at(dry.state, 959).switch_off) == RISKY | HEAT_AND_GAS
    left = at(dry.state, 960)
    assert left.state.mode == "CAUTION" and left.switch_off == () and left.keep_on == ()


def test_a_cause_in_the_middle_of_the_calm_starts_it_again() -> None:
    gone = at(inside(TABLE[4]).state, 40)
    again = at(gone.state, 500, leak=True)
    assert again.state.calm_since is None and again.state.caution_until is None
    gone_again = at(again.state, 510, operator_acknowledges=True)
    assert at(gone_again.state, 1_409).state.mode == "SAFE"
    assert at(gone_again.state, 1_410).state.mode == "CAUTION"


def test_what_a_mode_began_with_is_remembered() -> None:
    first = at(SafeModeState(), 5)
    assert first.state.since == NOON + timedelta(seconds=5) and not first.changed and first.notify is None
    assert at(first.state, 10).state.since == NOON + timedelta(seconds=5)
    entered = at(first.state, 20, leak=True)
    assert entered.changed and entered.state.since == NOON + timedelta(seconds=20)
    assert at(entered.state, 30, leak=True).state.since == NOON + timedelta(seconds=20)


def test_caution_lasts_from_the_last_anomaly_and_is_never_shortened() -> None:
    first = at(SafeModeState(), 0, high=("VPD_HIGH",))
    assert first.changed and first.notify == "CAUTION: smaller doses while it lasts: VPD_HIGH."
    again = at(first.state, 600, high=("VPD_HIGH",))
    assert at(again.state, 2_399).state.mode == "CAUTION"
    ended = at(again.state, 2_400)
    assert ended.state.mode == "NORMAL" and ended.notify == "NORMAL: nothing has been wrong for long enough."
    back = at(again.state, 0, water_not_arriving=True)
    assert back.state.caution_until == NOON + timedelta(seconds=1_800), (
        "a clock set back: its whole length from now, no more"
    )
    later = at(again.state, 1_000, water_not_arriving=True)
    assert later.state.caution_until == NOON + timedelta(seconds=2_800)


def test_recovery_ends_on_time_and_says_so() -> None:
    caution = at(at(inside(TABLE[0]).state, 40, operator_acknowledges=True).state, 940)
    assert caution.state.caution_until == NOON + timedelta(seconds=940 + 1_800) and caution.state.calm_since is None
    assert at(caution.state, 2_739).state.mode == "CAUTION"
    assert at(caution.state, 2_740).state.mode == "NORMAL"


def test_a_pause_lies_over_caution_and_its_time_goes_on() -> None:
    paused = at(at(SafeModeState(), 0, high=("VPD_HIGH",)).state, 10, operator_paused=True)
    assert paused.state.mode == "PAUSED" and paused.sampling_s is None
    assert at(paused.state, 1_000).state.mode == "CAUTION"
    assert at(paused.state, 1_800).state.mode == "NORMAL"
    careful, normal = at(paused.state, 60, high=("VPD_HIGH",)), at(paused.state, 1_800)
    assert careful.notify == "CAUTION: the pause is over; smaller doses while it lasts: VPD_HIGH."
    assert normal.notify == "NORMAL: the pause is over."


def test_pace_and_moving_air_belong_to_the_mode() -> None:
    normal, caution = at(SafeModeState(), 0), at(SafeModeState(), 0, high=("X",))
    safe = at(SafeModeState(), 0, leak=True)
    assert (normal.sampling_s, caution.sampling_s, safe.sampling_s) == (None, 600.0, 300.0)
    assert (normal.keep_on, caution.keep_on, safe.keep_on) == ((), (), ("circulation_fan",))
    assert (normal.switch_off, caution.switch_off) == ((), ())


FACTS = st.fixed_dictionaries(
    {},
    optional={
        "leak": st.sampled_from([True, False, None]),
        "board_faults": st.sampled_from([(), ("no_flow",)]),
        "link_down_s": st.sampled_from([0.0, 0.1, 60.0]),
        "state_age_s": st.sampled_from([0.0, 300.0, 900.0]),
        "confidence": st.sampled_from([0.1, 0.5, 0.9]),
        "air_temp_c": st.sampled_from([None, 5.0, 9.0, 24.0, 33.0, 37.0]),
        "critical": st.sampled_from([(), ("X",)]),
        "high": st.sampled_from([(), ("X",)]),
        "operator_wants_safe": st.booleans(),
        "operator_paused": st.booleans(),
        "operator_acknowledges": st.booleans(),
    },
)


@given(st.lists(st.tuples(st.integers(0, 1_000), FACTS), max_size=30))
def test_whatever_happens_danger_is_never_hidden_and_trust_never_comes_back_early(
    walk: list[tuple[int, dict[str, Any]]],
) -> None:
    state, now, last_cause = SafeModeState(), 0.0, None
    for wait, facts in walk:
        now += wait
        got = at(state, now, **facts)
        if got.state.causes:
            last_cause = now
            assert got.state.mode == "SAFE" and set(state.off) <= set(got.state.off)
        if facts.get("leak") or facts.get("board_faults") or facts.get("critical") or facts.get("operator_wants_safe"):
            assert got.state.mode == "SAFE"
        if last_cause is not None and now - last_cause < 900:
            assert got.state.mode == "SAFE"
        if last_cause is not None and now - last_cause < 2_700:
            assert got.state.mode != "NORMAL"
        assert (got.notify is not None) == bool(got.changed or got.entered or got.cleared)
        state = got.state


RANGES: list[tuple[str, float, float, float]] = [
    ("link_down_s", 60.0, 5.0, 3_600.0),
    ("state_age_s", 900.0, 30.0, 7_200.0),
    ("confidence_low", 0.35, 0.0, 0.9),
    ("confidence_back", 0.6, 0.05, 1.0),
    ("air_hot_c", 36.0, 28.0, 38.0),
    ("air_hot_back_c", 32.0, 20.0, 36.0),
    ("air_cold_c", 7.0, 0.0, 12.0),
    ("air_cold_back_c", 10.0, 2.0, 18.0),
    ("hold_s", 30.0, 0.0, 3_600.0),
    ("calm_s", 900.0, 60.0, 86_400.0),
    ("recover_s", 1_800.0, 60.0, 86_400.0),
    ("sampling_safe_s", 300.0, 1.0, 3_600.0),
    ("sampling_caution_s", 600.0, 1.0, 3_600.0),
    ("caution_s", 1_800.0, 60.0, 86_400.0),
]


@pytest.mark.parametrize(("key", "usual", "lowest", "highest"), RANGES, ids=[row[0] for row in RANGES])
def test_a_setting_has_its_value_and_its_range(key: str, usual: float, lowest: float, highest: float) -> None:
    assert getattr(SETTINGS, key) == usual
    for bound, beyond in ((lowest, lowest - 0.01), (highest, highest + 0.01)):
        assert getattr(SafeModeSettings(**{key: bound}), key) == bound
        with pytest.raises(ValidationError):
            SafeModeSettings(**{key: beyond})


def test_settings_are_closed_and_fixed() -> None:
    assert set(SafeModeSettings.model_fields) == {row[0] for row in RANGES}
    with pytest.raises(ValidationError, match="extra"):
        SafeModeSettings(hold=1.0)  # type: ignore[call-arg]
    with pytest.raises(ValidationError, match="frozen"):
        SETTINGS.hold_s = 1.0  # type: ignore[misc]


def test_facts_that_are_not_given_are_harmless() -> None:
    bare = Signals(now=datetime.fromisoformat("2026-06-01T10:00:00+00:00"), confidence=0.9)
    assert step(SafeModeState(), bare, SETTINGS).state.mode == "NORMAL"
    with pytest.raises(FrozenInstanceError):
        bare.leak = True  # type: ignore[misc]
