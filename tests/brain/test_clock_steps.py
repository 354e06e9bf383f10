"""Everything else that reckons with the wall clock: mode, overrides, memory, the day's water, sensors, recovery."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tomato_host.board.events import BoardEvent
from tomato_host.brain.brain import Brain
from tomato_host.brain.control.context import ControllerMemory, DecisionContext, elapsed_s, later
from tomato_host.brain.control.proposals import OutputRequest, build_decision, stamp
from tomato_host.brain.estimator.sampling import sampling_plan
from tomato_host.brain.safe_mode import SafeModeSettings, SafeModeState, Signals, step
from tomato_host.brain.step_data import RuntimeContext
from tomato_host.brain.world_model.hourly_history import HourlyHistory
from tomato_host.commands.inbox import new_request
from tomato_host.commands.operator_overrides import OperatorOverrides
from tomato_host.recovery.crash_recovery import InterruptedAction, InterruptedActions
from tomato_host.sources.day_meters import WaterMeter

from shared_schemas.devices import LAMP, PUMP
from shared_schemas.records import AnomalyV1
from shared_schemas.records.action_v1 import Outcome
from tests.brain.test_brain import START, devices, observation
from tests.control.states import NOON, state
from tests.guardrails.proposals import proposal

HOUR, YEARS = timedelta(hours=1), timedelta(days=3_650)
SAFE = SafeModeSettings()


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def test_elapsed_time_knows_no_future() -> None:
    assert elapsed_s(at(60), at(0)) == 60.0 and elapsed_s(at(0), at(0)) == 0.0
    assert elapsed_s(at(0), at(0.001)) is None and elapsed_s(at(0), None) is None
    assert later(None, HOUR) is None and later(at(0), HOUR) == at(3_600)


# -- mode and overrides ----------------------------------------------------------------------------------------


def test_caution_of_a_clock_that_was_ahead_ends_when_it_would_have() -> None:
    calm, worried = Signals(now=at(0), confidence=1.0), Signals(now=at(0) + YEARS, confidence=1.0, high=("HEAT",))
    ahead = step(SafeModeState(), worried, SAFE).state
    assert ahead.mode == "CAUTION" and ahead.caution_until == at(SAFE.caution_s) + YEARS
    longest_s = max(SAFE.caution_s, SAFE.recover_s)
    unreported = step(ahead, calm, SAFE).state
    assert unreported.mode == "CAUTION" and unreported.caution_until == at(longest_s)
    moved = step(ahead.moved(-YEARS), calm, SAFE).state
    assert moved.caution_until == at(SAFE.caution_s)
    assert step(moved, replace(calm, now=at(SAFE.caution_s)), SAFE).state.mode == "NORMAL"


def test_what_safe_mode_waits_for_goes_on_through_the_step() -> None:
    state_ = SafeModeState(mode="SAFE", since=at(0), suspected={"hot": at(1)}, calm_since=at(2), caution_until=at(3))
    moved = state_.moved(HOUR)
    assert (moved.since, moved.suspected, moved.calm_since) == (at(3_600), {"hot": at(3_601)}, at(3_602))
    assert moved.caution_until == at(3_603) and SafeModeState().moved(HOUR) == SafeModeState()


@pytest.mark.parametrize("mode", ["PAUSED", "SAFE"])
def test_an_override_lasts_as_long_as_it_was_asked_for(mode: str) -> None:
    overrides = OperatorOverrides()
    overrides.apply(new_request("mode", "", mode=mode, until=at(0) + YEARS + HOUR), at(0) + YEARS)  # type: ignore[arg-type]
    in_force = overrides.paused if mode == "PAUSED" else overrides.wants_safe
    assert in_force(at(0)), "ten years to go"
    overrides.clock_was_set(-YEARS)
    assert in_force(at(3_599)) and not in_force(at(3_600))
    OperatorOverrides().clock_was_set(HOUR)


def test_an_estimate_of_the_future_is_no_fresh_one() -> None:
    """A step that nobody reported: an hour ahead is as far from now as an hour ago."""
    brain = Brain()
    brain.step(observation(START + HOUR), devices(START + HOUR), RuntimeContext(now=START + HOUR))
    assert brain.update_safe_mode(RuntimeContext(now=START + HOUR)).state.mode == "NORMAL"
    assert brain.update_safe_mode(RuntimeContext(now=START)).state.causes == ("state_stale",)
    assert brain.update_safe_mode(RuntimeContext(now=START + HOUR)).state.causes == ()


# -- the controller's memory -----------------------------------------------------------------------------------


def test_memory_moves_with_the_clock_and_forgets_the_shares_of_another_time_of_day() -> None:
    memory = ControllerMemory(
        at(0), 3, {"exhaust_fan": 0.4, "light": 1.0, "humidifier": 0.0}, at(-60), light_edge_at=at(9)
    )
    small = memory.moved(timedelta(minutes=14))
    assert (small.decided_at, small.last_water_at, small.light_edge_at) == (at(840), at(780), None)
    assert small.duty == memory.duty and small.still_on == ("exhaust_fan", "light")
    night = memory.moved(13 * HOUR)
    assert night.duty == {} and night.clock_off == 13 * HOUR
    asked = replace(night, duty={"exhaust_fan": 1.0, "heater_mat": 0.5}, still_on=())
    back = asked.moved(-13 * HOUR)
    assert back.duty == memory.duty and back.still_on == ("exhaust_fan", "heater_mat"), "and is to be switched off"
    assert back.decided_at == at(0) and back.clock_off == timedelta(0)
    stayed = asked.moved(HOUR)
    assert stayed.duty == {} and stayed.moved(-14 * HOUR).duty == memory.duty


def test_what_a_false_night_has_lit_is_switched_off() -> None:
    memory = ControllerMemory(decided_at=at(-60), still_on=("light",))
    decision = build_decision(
        DecisionContext(NOON, state(), memory=memory), "rules", [OutputRequest("light", 0.0, "night")]
    )
    (action,) = decision.proposals
    assert (action.type.value, action.params.state) == ("SET_LIGHT", "OFF") and decision.memory.still_on == ()


def test_no_two_decisions_have_one_name() -> None:
    memory = ControllerMemory(decisions=7, named_at=at(0))
    names = [stamp(DecisionContext(at(s), state(), memory=memory)) for s in (1.0, 0.0, -3_600.0)]
    plain = [at(s).astimezone(UTC).strftime("%Y%m%dT%H%M%S") for s in (1.0, 0.0, -3_600.0)]
    assert names == [plain[0], f"{plain[1]}-7", f"{plain[2]}-7"]
    after = build_decision(DecisionContext(at(-60), state(), memory=memory), "rules", []).memory
    assert after.named_at == at(0) and after.decisions == 8


def test_a_restart_knows_the_names_and_the_last_water_of_a_clock_that_was_ahead() -> None:
    ended = [
        proposal("WATER", key, ts=ts, ml=100.0).model_copy(
            update={"outcome": Outcome(status="DONE", delivered_ml=100.0, finished_ts=ts)}
        )
        for key, ts in (("a", at(-7_200)), ("b", at(0) + YEARS))
    ]
    brain = Brain()
    brain.resume(ended, (), at(60))
    assert brain.memory.last_water_at == at(60) and brain.memory.named_at == at(0) + YEARS


# -- the day's water, sensors, history -------------------------------------------------------------------------


def test_a_false_midnight_gives_no_day_s_water_again_and_takes_none() -> None:
    meter, evening = WaterMeter(), datetime(2026, 5, 1, 20, 0, tzinfo=UTC)
    meter.update(0.0, evening)
    meter.update(700.0, evening)
    meter.set_day((evening + 13 * HOUR).date())
    meter.update(710.0, evening + 13 * HOUR)
    assert meter.used_ml == 710.0, "no midnight was lived"
    meter.set_day(evening.date())
    meter.update(720.0, evening + HOUR)
    assert meter.used_ml == 720.0
    meter.update(730.0, evening + 5 * HOUR)
    assert meter.used_ml == 10.0, "the true midnight begins a day"
    WaterMeter().set_day(evening.date())


def test_sensors_are_judged_on_through_a_step() -> None:
    """No observation is passed over, trust stays, and the history has no hole."""
    brain, moved = Brain(), timedelta(0)
    for n in range(400):
        for when, by in ((200, 13 * HOUR), (220, -13 * HOUR)):
            if n == when:
                moved += by
                brain.clock_was_set(by)
        real = START + timedelta(seconds=10 * n)
        seen = observation(real).model_copy(update={"ts": real + moved})
        result = brain.step(seen, devices(real + moved), RuntimeContext(now=real + moved))
        assert not result.estimate.late
        if n >= 190:
            assert result.estimate.confidence > 0.8 and not result.estimate.open_anomalies, n
    health = {sensor.id: sensor for sensor in result.estimate.health.sensors}
    assert health["air_temp_c"].last_good_ts == result.estimate.ts, "told in the time that the clock shows"
    assert len(brain.estimator.history.column("air_temp_c", 1.0)) == 361, "both ends of an hour"


def test_an_anomaly_of_the_future_begins_its_window_now() -> None:
    anomaly = AnomalyV1.model_validate(
        {
            "schema_version": "anomaly_v1",
            "ts": at(0) + YEARS,
            "severity": "HIGH",
            "type": "SENSOR_FAULT",
            "signals": {},
            "required_response": ("increase_sampling",),
        }
    )
    (window,) = sampling_plan(at(0), 1_800.0, 10.0, [anomaly]).overrides
    assert window.start == at(0) < window.end


def test_seen_hours_move_with_the_clock() -> None:
    history = HourlyHistory()
    for hour in range(3):
        history.add_state(state(at(3_600 * hour)))
    before = history.log(at(3 * 3_600))
    history.shift(87_600)
    assert history.log(at(3 * 3_600) + YEARS).hours == before.hours == 3
    history.shift(-87_600)
    after = history.log(at(3 * 3_600))
    assert after.hours == 3 and list(after.column("air_temp_c")) == list(before.column("air_temp_c"))


# -- recovery --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "row", "b"), [("WATER", PUMP, 97), ("SET_LIGHT", LAMP, 60_000)])
def test_the_end_of_a_pulse_is_believed_whatever_clock_had_asked_for_it(kind: str, row: object, b: int) -> None:
    params = {"ml": 100.0} if kind == "WATER" else {"state": "ON", "seconds": 60.0}
    action = proposal(kind, "x", ts=at(0) + YEARS, **params)
    left = InterruptedActions(interrupted=[InterruptedAction(action, under_way=100.0)])
    event = BoardEvent(1, 1, 0, 0.0, "pulse_end", row.wire_id, b)  # type: ignore[attr-defined]
    left.on_board_event(event, at(-5), at(0))
    (one,) = left.interrupted
    assert one.confirmed and one.delivered == (97.0 if kind == "WATER" else 60.0)
    past = InterruptedActions(
        interrupted=[InterruptedAction(proposal(kind, "y", ts=at(-1), **params), under_way=100.0)]
    )
    past.on_board_event(event, at(-5), at(0))
    assert not past.interrupted[0].confirmed, "that pulse was another's"
