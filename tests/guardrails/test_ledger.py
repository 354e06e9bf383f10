"""The second phase: what is allocated, settled and released, and what records rebuild."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tomato_host.brain.guardrails import Guardrails, GuardSettings
from tomato_host.brain.guardrails.ledger import MAX_KEYS, Ledger
from tomato_host.brain.guardrails.ledger_events import ALLOCATED, REFUNDED, RELEASED, SETTLED, replay_event
from tomato_host.brain.guardrails.limits import _tighter, build_limits, check_thresholds
from tomato_host.brain.settings import BudgetSettings

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import EventV1
from shared_schemas.records.action_v1 import ActionType, ActionV1, Outcome
from tests.control.states import NOON
from tests.guardrails.proposals import facts, ledger_view, proposal


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def accepted(guardrails: Guardrails, key: str = "w", ml: float = 400.0) -> ActionV1:
    verdict = guardrails.judge(proposal("WATER", key, ml=ml), facts())
    assert verdict.allowed
    return verdict.action


def test_a_pulse_is_never_more_than_the_board_gives() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    assert guardrails.allocate(action, 400.0, NOON) == 200.0
    assert guardrails.allocate(action, 400.0, at(60)) == 200.0
    assert guardrails.allocate(action, 400.0, at(120)) == 0.0


def test_what_was_not_delivered_is_not_used() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    drawn = guardrails.allocate(action, 200.0, NOON)
    guardrails.settle(action, drawn, 30.0, NOON)
    assert guardrails.ledger.day_used("water_pump", NOON.timestamp()) == 30_000


def test_the_rolling_hour_holds_before_every_pulse() -> None:
    guardrails = Guardrails(GuardSettings(water_ml_per_hour=250))
    action = accepted(guardrails, ml=250.0)
    for drawn in (guardrails.allocate(action, 200.0, NOON), guardrails.allocate(action, 200.0, at(10))):
        guardrails.settle(action, drawn, drawn, NOON)
    assert guardrails.ledger.hour_used("water_pump", NOON.timestamp()) == 250_000
    later = guardrails.judge(proposal("WATER", "x", ts=at(1800), ml=100.0), facts(at(1800)))
    assert later.rule == "hour_budget" and not later.allowed


def test_nothing_is_drawn_without_the_hold() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    assert guardrails.allocate(action.model_copy(update={"id": "other"}), 10.0, NOON) == 0.0
    assert guardrails.allocate(action, 10.0, at(900 + 121)) == 0.0
    guardrails.release(action)
    assert guardrails.allocate(action, 10.0, at(1)) == 0.0


def test_a_pulse_that_never_began_may_be_drawn_again_and_is_not_used() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails, ml=150.0)
    drawn = guardrails.allocate(action, 150.0, at(0))
    assert drawn == 150.0 and guardrails.allocate(action, 150.0, at(1)) == 0.0
    guardrails.refund(action, drawn)
    assert guardrails.ledger.hour_used("water_pump", at(2).timestamp()) == 0
    assert guardrails.allocate(action, 150.0, at(2)) == 150.0


def test_what_comes_back_after_the_hold_has_ended_opens_nothing() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails, ml=150.0)
    drawn = guardrails.allocate(action, 150.0, at(0))
    guardrails.release(action)
    guardrails.refund(action, drawn)
    assert guardrails.ledger.hour_used("water_pump", at(1).timestamp()) == 0
    assert guardrails.allocate(action, 150.0, at(1)) == 0.0


def test_release_lifts_only_its_own_hold() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    guardrails.release(action.model_copy(update={"id": "other"}))
    guardrails.release(proposal("NO_ACTION"))
    assert guardrails.allocate(action, 10.0, NOON) == 10.0


def recorded(name: str, action: ActionV1, seconds: float, drawn: float, delivered: float = 0.0) -> EventV1:
    """One movement as the record has it."""
    data: dict[str, float | int | bool | str | None] = {"drawn": drawn, "delivered": delivered}
    text = f"{name} {action.id}"
    return EventV1(
        schema_version="event_v1", ts=at(seconds), level="INFO", kind="process", name=name, text=text, data=data
    )


def test_equal_histories_give_equal_ledgers() -> None:
    """A replay that judges the same proposals and repeats the recorded movements ends with the same ledger."""
    guardrails, again = Guardrails(), Guardrails()
    action = accepted(guardrails)
    assert accepted(again) == action
    drawn = guardrails.allocate(action, 50.0, NOON)
    guardrails.settle(action, drawn, 48.0, at(5))
    more = guardrails.allocate(action, 100.0, at(60))
    guardrails.refund(action, more)
    late = guardrails.allocate(action, 30.0, at(90))
    for event in (
        recorded(ALLOCATED, action, 0, 50.0),
        recorded(SETTLED, action, 5, drawn, 48.0),
        recorded(ALLOCATED, action, 60, 100.0),
        recorded(REFUNDED, action, 60, more),
        recorded(ALLOCATED, action, 90, 30.0),
    ):
        replay_event(again, event, action)
    assert late == 30.0 and ledger_view(again) == ledger_view(guardrails)
    assert again.ledger.hour_used("water_pump", at(90).timestamp()) == 78_000
    replay_event(again, recorded("lamp_lit", action, 91, 5.0), action)
    assert ledger_view(again) == ledger_view(guardrails), "other events move nothing"
    guardrails.release(action)
    assert ledger_view(again) != ledger_view(guardrails)
    replay_event(again, recorded(RELEASED, action, 95, 0.0), action)
    assert ledger_view(again) == ledger_view(guardrails)


def test_a_ledger_can_be_rebuilt_from_recorded_actions() -> None:
    done = Outcome(status="DONE", delivered_ml=180.0, finished_ts=at(30))
    lit = Outcome(status="DONE", delivered_s=3600.0)
    records = [
        proposal("WATER", "w", ml=200.0).model_copy(update={"outcome": done}),
        proposal("SET_LIGHT", "l", state="ON", seconds=3600.0).model_copy(update={"outcome": lit}),
        proposal("STOP_ALL", "s").model_copy(update={"outcome": Outcome(status="DONE")}),
        proposal("WATER", "refused", ml=10.0),
        proposal("SET_LIGHT", "none", state="OFF").model_copy(update={"outcome": Outcome(status="ABORTED")}),
    ]
    guardrails = Guardrails()
    guardrails.replay(records)
    assert guardrails.ledger.day_used("water_pump", at(40).timestamp()) == 180_000
    assert guardrails.ledger.day_used("light", at(40).timestamp()) == 3_600_000
    assert guardrails.ledger.knows("controller/s") and not guardrails.ledger.knows("controller/refused")
    again = guardrails.judge(proposal("WATER", "w", ts=at(60), ml=5.0), facts(at(60)))
    soon = guardrails.judge(proposal("WATER", "x", ts=at(60), ml=5.0), facts(at(60)))
    assert (again.rule, soon.rule) == ("idempotency", "interval")
    assert guardrails.ledger.last_s("water_pump", at(200).timestamp()) == at(30).timestamp()


def test_the_key_table_is_bounded() -> None:
    ledger = Ledger(("light",))
    for n in range(MAX_KEYS + 5):
        ledger.remember(str(n))
    assert not ledger.knows("4") and ledger.knows("5") and ledger.knows(str(MAX_KEYS + 4))


def test_every_limit_lies_inside_the_boards_own() -> None:
    limits = build_limits(GuardSettings(), BudgetSettings())
    assert set(limits) == {kind for kind in ActionType if kind not in (ActionType.STOP_ALL, ActionType.NO_ACTION)}
    for limit in limits.values():
        out = OUTPUT_BY_NAME[limit.output]
        assert 0 < limit.pulse_milli <= (out.max_dose * 1000 if out.kind == "pump" else out.max_on_ms)
        bound = 10**12 if out.budget_unit == "s" and out.hour_budget >= 3600 else out.hour_budget * 1000
        assert 0 < limit.hour_milli <= bound
        assert 0 < limit.day_milli <= (10**12 if out.day_budget >= 86_400 else out.day_budget * 1000)


def test_a_wider_limit_is_an_error() -> None:
    with pytest.raises(ValueError, match="outside the board's limit"):
        _tighter(601, 600, "co2 per day")
    with pytest.raises(ValueError, match="outside the board's limit"):
        _tighter(-1, 600, "co2 per day")
    with pytest.raises(ValueError, match="rh_high_pct"):
        check_thresholds(
            GuardSettings.model_construct(rh_high_pct=95.0, co2_high_ppm=1.0, soil_temp_high_c=1.0, air_hot_c=1.0)
        )
    with pytest.raises(ValueError, match="less than or equal"):
        BudgetSettings(water_ml_per_day=2_501)


def test_an_hour_and_a_day_end_on_the_second() -> None:
    guardrails, action = Guardrails(), proposal("WATER", "w", ml=50.0)
    guardrails.settle(action, 0.0, 50.0, NOON)
    for used, span in ((guardrails.ledger.hour_used, 3_600.0), (guardrails.ledger.day_used, 86_400.0)):
        assert used("water_pump", NOON.timestamp() + span - 0.001) == 50_000
        assert used("water_pump", NOON.timestamp() + span) == 0


def test_under_way_counts_until_it_is_settled_and_never_below_nothing() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    assert guardrails.allocate(action, 150.0, NOON) == 150.0
    now_s = NOON.timestamp()
    assert (
        guardrails.ledger.hour_used("water_pump", now_s) == guardrails.ledger.day_used("water_pump", now_s) == 150_000
    )
    guardrails.settle(action, 200.0, 0.0, NOON)
    assert guardrails.ledger.hour_used("water_pump", now_s) == 0
    assert guardrails.allocate(action, 100.0, NOON) == 100.0
    guardrails.refund(action, 150.0)
    assert guardrails.ledger.day_used("water_pump", now_s) == 0


def test_nothing_delivered_is_no_use_and_no_event() -> None:
    guardrails, action = Guardrails(), proposal("WATER", "w", ml=50.0)
    guardrails.settle(action, 0.0, 0.0, NOON)
    assert guardrails.ledger.day_used("water_pump", NOON.timestamp()) == 0
    assert guardrails.ledger.last_s("water_pump", NOON.timestamp()) is None


def test_a_late_result_of_an_early_pulse_does_not_turn_the_clock_back() -> None:
    guardrails, action = Guardrails(), proposal("WATER", "w", ml=50.0)
    guardrails.settle(action, 0.0, 10.0, at(100))
    guardrails.settle(action, 0.0, 10.0, at(50))
    assert guardrails.ledger.last_s("water_pump", at(200).timestamp()) == at(100).timestamp()


def test_a_hold_lasts_its_span_and_two_minutes() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    assert guardrails.allocate(action, 1.0, at(900 + 119.9)) == 1.0
    assert guardrails.allocate(action, 1.0, at(900 + 120)) == 0.0
    lamp = guardrails.judge(proposal("SET_LIGHT", "l", state="ON", seconds=60.0, period_s=600.0), facts()).action
    assert guardrails.allocate(lamp, 1.0, at(719)) == 1.0 and guardrails.allocate(lamp, 1.0, at(720)) == 0.0


def test_a_pulse_takes_thousandths_and_no_more_than_the_day_has_left() -> None:
    guardrails = Guardrails(budgets=BudgetSettings(water_ml_per_day=100))
    action = accepted(guardrails, ml=100.0)
    assert guardrails.allocate(action, 0.0009, NOON) == 0.0
    assert guardrails.allocate(action, 0.001, NOON) == 0.001
    guardrails.settle(action, 0.001, 60.0, NOON)
    assert guardrails.allocate(action, 100.0, NOON) == 40.0
    assert guardrails.allocate(action, 100.0, NOON) == 0.0


def test_switching_off_is_not_released_by_its_own_end() -> None:
    guardrails = Guardrails()
    off = guardrails.judge(proposal("SET_LIGHT", "p", origin="person", state="OFF", seconds=600.0), facts()).action
    guardrails.release(off)
    assert guardrails.ledger.hold("light", NOON.timestamp()) is not None
    on = guardrails.judge(proposal("SET_LIGHT", "q", origin="person", state="ON", seconds=60.0), facts()).action
    guardrails.release(on)
    assert guardrails.ledger.hold("light", NOON.timestamp()) is None


def test_a_hold_that_is_over_can_still_be_released() -> None:
    guardrails = Guardrails()
    action = accepted(guardrails)
    long_after_s = at(10_000).timestamp()
    assert guardrails.ledger.hold("water_pump", long_after_s) is None
    guardrails.release(action)
    assert guardrails.ledger.newest_hold("water_pump") is None


def test_air_out_ends_the_gas_that_was_reserved() -> None:
    guardrails = Guardrails()
    gas = guardrails.judge(proposal("CO2_INJECT", "g", seconds=20.0), facts()).action
    assert guardrails.judge(proposal("SET_EXHAUST_FAN", "e", state="ON", seconds=60.0), facts()).allowed
    assert guardrails.ledger.hold("co2_solenoid", NOON.timestamp()) is None
    assert guardrails.allocate(gas, 5.0, NOON) == 0.0


def test_a_long_action_keeps_to_each_hour_of_its_own() -> None:
    guardrails = Guardrails()
    mist = guardrails.judge(
        proposal("SET_HUMIDIFIER", "m", state="ON", seconds=3_600.0, period_s=7_200.0), facts()
    ).action
    drawn = [guardrails.allocate(mist, 300.0, at(n)) for n in range(8)]
    assert drawn == [300.0] * 6 + [0.0] * 2
    for n in range(6):
        guardrails.settle(mist, 300.0, 300.0, at(n))
    assert guardrails.allocate(mist, 300.0, at(3_599)) == 0.0
    assert guardrails.allocate(mist, 300.0, at(3_600)) == 300.0


def test_a_thousandth_is_used_as_well() -> None:
    guardrails = Guardrails()
    guardrails.settle(proposal("WATER", "w", ml=50.0), 0.0, 0.001, NOON)
    assert guardrails.ledger.day_used("water_pump", NOON.timestamp()) == 1


def test_a_reservation_begins_the_pause() -> None:
    guardrails = Guardrails()
    accepted(guardrails)
    assert guardrails.ledger.last_s("water_pump", at(200).timestamp()) == NOON.timestamp()
