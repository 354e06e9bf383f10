"""Nothing that lies in the future counts; where the step of the clock is known, elapsed time decides."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tomato_host.brain.guardrails import Guardrails
from tomato_host.brain.guardrails.guardrails import GRACE_S, LONGEST_S
from tomato_host.brain.guardrails.rolling_window import AHEAD_S, DAY_S, EarlierUse, RollingWindow

from shared_schemas.records.action_v1 import ActionV1, Outcome
from tests.control.states import NOON, state
from tests.guardrails.proposals import ON, facts, proposal

HOUR = timedelta(hours=1)
STEPS = pytest.mark.parametrize("ahead", [HOUR, 13 * HOUR, timedelta(days=3_650)], ids=["1 h", "13 h", "10 years"])


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def give(guardrails: Guardrails, key: str, now: datetime, ml: float = 100.0) -> None:
    """A dose that is accepted and delivered."""
    action = guardrails.judge(proposal("WATER", key, ts=now, ml=ml), facts(now)).action
    assert action.safety.validated
    guardrails.settle(action, guardrails.allocate(action, ml, now), ml, now)
    guardrails.release(action)


def busy_under(guardrails: Guardrails, now: datetime) -> None:
    """What a controller and a person do within a minute: a dose, a lamp that is held, sixty fans."""
    give(guardrails, f"w{int(now.timestamp())}", now)
    lamp = proposal("SET_LIGHT", f"l{int(now.timestamp())}", ts=now, origin="person", state="ON", seconds=7_200.0)
    assert guardrails.judge(lamp, facts(now)).allowed
    for n in range(59):
        assert guardrails.judge(
            proposal("SET_EXHAUST_FAN", f"f{n}-{int(now.timestamp())}", ts=now, **ON), facts(now)
        ).allowed


@STEPS
@pytest.mark.parametrize("known", [False, True], ids=["unreported", "reported"])
def test_after_a_clock_that_was_ahead_everything_is_possible(ahead: timedelta, known: bool) -> None:
    guardrails = Guardrails()
    if known:
        guardrails.clock_was_set(ahead)
    busy_under(guardrails, NOON + ahead)
    if known:
        guardrails.clock_was_set(-ahead)
    now = at(3_700.0 if known else 60.0)
    now_s = now.timestamp()
    used = guardrails.ledger.day_used("water_pump", now_s)
    assert used == (100_000 if known else 0), "a dose of an hour ago counts where it is known to be one"
    assert guardrails.ledger.hour_used("water_pump", now_s) == 0
    assert guardrails.ledger.accepted_within_hour("controller", now_s) == 0
    assert guardrails.judge(proposal("WATER", "now", ts=now, ml=50.0), facts(now)).allowed
    assert guardrails.judge(proposal("SET_EXHAUST_FAN", "air", ts=now, **ON), facts(now)).allowed
    lamp = guardrails.judge(proposal("SET_LIGHT", "lamp", ts=now, **ON), facts(now))
    assert lamp.allowed is not known, "the person's two hours are not over where it is known when they began"


@STEPS
def test_a_pause_that_runs_goes_on_through_the_step(ahead: timedelta) -> None:
    guardrails = Guardrails()
    give(guardrails, "a", at(0))
    guardrails.clock_was_set(ahead)
    soon = guardrails.judge(proposal("WATER", "b", ts=at(600) + ahead, ml=50.0), facts(at(600) + ahead))
    assert (soon.rule, soon.value) == ("interval", 600.0), "ten minutes ago, whatever the clock says"
    guardrails.clock_was_set(-ahead)
    soon = guardrails.judge(proposal("WATER", "c", ts=at(1_799), ml=50.0), facts(at(1_799)))
    assert (soon.rule, soon.value) == ("interval", 1_799.0)
    assert guardrails.judge(proposal("WATER", "d", ts=at(1_800), ml=50.0), facts(at(1_800))).allowed


def test_a_lamp_is_not_refused_by_an_interval_of_no_seconds() -> None:
    guardrails = Guardrails()
    for ts in (at(3.0), at(0.0)):
        assert guardrails.judge(proposal("SET_LIGHT", f"l{int(ts.timestamp())}", ts=ts, **ON), facts(ts)).allowed


def test_a_state_of_the_future_is_not_fresh() -> None:
    seen = state(at(5.1))
    verdict = Guardrails().judge(proposal("WATER", ml=50.0), facts(at(0), seen))
    assert verdict.rule == "state_fresh" and verdict.value == pytest.approx(5.1)
    assert Guardrails().judge(proposal("WATER", ml=50.0), facts(at(0), state(at(5.0)))).allowed


def recorded(
    ended: datetime, ml: float | None = None, seconds: float | None = None, lasted_s: float = 60.0
) -> ActionV1:
    kind = "SET_LIGHT" if ml is None else "WATER"
    params = {"state": "ON", "seconds": seconds} if ml is None else {"ml": ml}
    action = proposal(kind, f"{kind}-{int(ended.timestamp())}", ts=ended - timedelta(seconds=lasted_s), **params)
    outcome = Outcome(status="DONE", delivered_ml=ml, delivered_s=seconds, finished_ts=ended)
    return action.model_copy(update={"outcome": outcome})


@STEPS
def test_records_of_a_clock_that_was_ahead_count_as_of_the_restart(ahead: timedelta) -> None:
    """The newest ended when the process began, the others as long before it as they were."""
    guardrails, now = Guardrails(), at(0)
    guardrails.replay([recorded(at(-7_200), 100.0), *(recorded(at(s) + ahead, 100.0) for s in (-1_300, -100))], now)
    ledger = guardrails.ledger
    assert ledger.hour_used("water_pump", now.timestamp()) == 200_000
    assert ledger.day_used("water_pump", now.timestamp()) == 300_000
    soon = guardrails.judge(proposal("WATER", "x", ts=at(1_799), ml=5.0), facts(at(1_799)))
    assert (soon.rule, soon.value) == ("interval", 1_799.0)
    left = [ledger.hour_used("water_pump", at(s).timestamp()) for s in (2_399, 2_400, 3_599, 3_600)]
    assert left == [200_000, 100_000, 100_000, 0], "1,200 s lie between them"


@STEPS
def test_a_process_that_began_under_a_wrong_clock_gets_its_records_back(ahead: timedelta) -> None:
    guardrails = Guardrails()
    guardrails.replay([recorded(at(-600), 100.0)], NOON + ahead)
    wrong_s = (NOON + ahead).timestamp()
    assert guardrails.ledger.last_s("water_pump", wrong_s) in (None, at(-600).timestamp())
    guardrails.clock_was_set(-ahead)
    assert guardrails.ledger.last_s("water_pump", NOON.timestamp()) == at(-600).timestamp()
    assert guardrails.ledger.day_used("water_pump", NOON.timestamp()) == 100_000
    assert guardrails.ledger.day_used("water_pump", at(-600).timestamp() + DAY_S) == 0


def test_a_clock_that_was_behind_gets_its_records_back_too() -> None:
    """A machine without a battery begins in 1970; its records lie 56 years ahead then."""
    guardrails, past = Guardrails(), datetime.fromtimestamp(60.0, NOON.tzinfo)
    guardrails.replay([recorded(at(-7_200), 100.0), recorded(at(-600), 50.0)], past)
    assert guardrails.ledger.hour_used("water_pump", past.timestamp()) == 50_000
    assert guardrails.ledger.day_used("water_pump", past.timestamp()) == 150_000
    guardrails.clock_was_set(NOON - past)
    assert guardrails.ledger.last_s("water_pump", NOON.timestamp()) == at(-600).timestamp()


def test_hours_of_light_are_counted_when_they_shone() -> None:
    """Two hours that ended 23 h ago are past in an hour, a quarter of an hour after the other."""
    guardrails = Guardrails()
    guardrails.replay([recorded(at(0), seconds=7_200.0, lasted_s=7_200.0)], at(0))
    used = [
        guardrails.ledger.day_used("light", at(hours * 3_600.0).timestamp()) for hours in (22.25, 23.0, 23.75, 24.0)
    ]
    assert used == [6_300_000, 3_600_000, 900_000, 0]
    guardrails = Guardrails()
    guardrails.replay([recorded(at(0), seconds=600.0, lasted_s=86_400.0)], at(0))
    assert guardrails.ledger.day_used("light", at(86_399).timestamp()) == 600_000, (
        "a clock was set in between: at its end"
    )
    guardrails = Guardrails()
    guardrails.replay([recorded(at(0), seconds=600.0, lasted_s=-60.0)], at(0))
    assert guardrails.ledger.day_used("light", at(86_399).timestamp()) == 600_000


@pytest.mark.parametrize(("longer_s", "spread"), [(0.0, True), (0.001, False)], ids=["the longest", "longer"])
def test_light_is_spread_up_to_the_longest_action_with_its_grace(longer_s: float, spread: bool) -> None:
    longest_s = LONGEST_S + GRACE_S
    guardrails = Guardrails()
    guardrails.replay([recorded(at(0), seconds=longest_s, lasted_s=longest_s + longer_s)], at(0))
    used = guardrails.ledger.day_used("light", at(DAY_S - longest_s / 2).timestamp())
    assert (used < longest_s * 1_000) is spread


def test_what_delivered_nothing_begins_no_pause() -> None:
    guardrails = Guardrails()
    given = recorded(at(-60), ml=50.0)
    assert given.outcome is not None
    nothing = given.outcome.model_copy(update={"delivered_ml": 0.0})
    guardrails.replay([given.model_copy(update={"outcome": nothing})], at(0))
    assert guardrails.ledger.last_s("water_pump", NOON.timestamp()) is None
    assert guardrails.judge(proposal("WATER", "x", ml=50.0), facts()).allowed


def test_what_an_earlier_process_used_leaves_the_day_ahead_too() -> None:
    """Of the last 24 h, what will still be of them in an hour: a dose of 23.5 h ago is not."""
    guardrails = Guardrails()
    guardrails.replay([recorded(at(-84_600), 100.0), recorded(at(-7_200), 50.0)], at(0))
    ledger, now_s = guardrails.ledger, NOON.timestamp()
    assert ledger.day_used("water_pump", now_s) == 150_000
    assert ledger.day_used("water_pump", now_s, until_s=3_600.0) == 50_000


def test_light_of_the_same_hours_each_day_loses_nothing_with_a_decision() -> None:
    """18 h a day at most, 16 h by plan: what shone yesterday at this hour leaves the window while it shines today."""
    guardrails = Guardrails()
    last = proposal("SET_LIGHT", "before", state="ON", seconds=3_600.0)
    for hour in (*range(12), *range(20, 24)):  # yesterday from now on until night, today since morning
        guardrails.settle(last, 0.0, 3_600.0, at((hour - 23) * 3_600.0))
    held = guardrails.judge(proposal("SET_LIGHT", "held", state="ON", seconds=7_200.0), facts()).action
    assert guardrails.allocate(held, 900.0, NOON) == 900.0
    asked = proposal("SET_LIGHT", "again", ts=at(2), state="ON", seconds=7_260.0)
    verdict = guardrails.judge(asked, facts(at(2)))
    assert verdict.allowed and verdict.action.params.seconds == 7_260.0


def test_a_window_passes_over_the_future_and_forgets_the_past() -> None:
    window = RollingWindow(100.0)
    for moment, milli in ((50.0, 1), (10.0, 2), (1_000.0, 4), (30.0, 8)):
        window.add(moment, milli)
    assert window.used(50.0) == 11 and window.newest_s(50.0) == 50.0
    assert window.used(50.0 - AHEAD_S) == 11 and window.newest_s(44.9) == 30.0 and window.used(44.9) == 10
    assert window.newest_s(50.0 - AHEAD_S) == 50.0, "as used() counts it"
    assert window.used(110.0) == 9, "what is a span old is past"
    assert window.used(110.0, until_s=20.0) == 1 and window.used(110.0, until_s=19.9) == 9
    assert window.used(10.0) == 0 and window.newest_s(10.0) is None
    window.shift(-900.0)
    assert window.newest_s(100.0) == 100.0 and window.used(100.0) == 4
    assert window.used(100.0) == 4 and window.used(200.0) == 0


def test_earlier_use_keeps_a_day_before_the_newest_record() -> None:
    earlier = EarlierUse()
    assert earlier.used(0.0, DAY_S) == 0 and earlier.newest_s(0.0, DAY_S) is None
    earlier.shift(5.0)
    earlier.begin([(DAY_S, 1), (0.0, 2), (1.0, 4)], DAY_S)
    assert earlier.used(DAY_S, DAY_S) == 5 and earlier.used(DAY_S + 1.0, DAY_S) == 1
    assert earlier.used(1.0, DAY_S) == 4 and earlier.newest_s(1.0, DAY_S) == 1.0
    assert earlier.newest_s(2 * DAY_S - 0.1, DAY_S) == DAY_S and earlier.newest_s(2 * DAY_S, DAY_S) is None
    assert earlier.used(DAY_S - AHEAD_S, DAY_S) == 5 and earlier.used(DAY_S - AHEAD_S - 0.1, DAY_S) == 4


def test_a_record_that_is_half_a_second_ahead_is_moved_by_that_and_no_more() -> None:
    earlier = EarlierUse()
    earlier.begin([(99.0, 2), (100.5, 1)], 100.0)
    assert earlier.newest_s(100.0, DAY_S) == 100.0
    earlier.begin([(99.0, 2)], 100.0)
    assert earlier.newest_s(100.0, DAY_S) == 99.0
