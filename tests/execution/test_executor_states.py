"""Every state of a job and every way out of it, by exact moments and amounts. Line and ledger only write down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tomato_host.brain.execution.executor import (
    MAX_REFUSALS,
    NEVER_MS,
    RENEW_BEFORE_MS,
    RETRY_MS,
    RETRY_SOON_MS,
)
from tomato_host.brain.execution.output_job import (
    DUTY_SLOT_MS,
    EXPIRED,
    Segment,
    plan_segments,
)

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionType, ActionV1
from tests.execution.bench import START, Bench, asked, at, light, water

LIGHT, PUMP, MIST = OUTPUT_BY_NAME["light"], OUTPUT_BY_NAME["water_pump"], OUTPUT_BY_NAME["humidifier"]
PAUSE_MS = PUMP.min_off_ms


@pytest.fixture
def bench() -> Bench:
    return Bench()


# -- laying an action out in time ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (light(600.0), [Segment(1_000, 600_000)]),
        (asked("SET_LIGHT", state="ON", seconds=6_840.0, period_s=7_200.0), [Segment(1_000, 6_840_000)]),
        (asked("SET_LIGHT", state="ON", seconds=0.0001), []),
        (water(100.0), [Segment(1_000, 100)]),
        (water(100.0, pulses=3), [Segment(1_000, 34), Segment(61_000, 33), Segment(121_000, 33)]),
        (water(500.0, pulses=1), [Segment(1_000, 250), Segment(61_000, 250)]),
        (water(501.0), [Segment(1_000, 167), Segment(61_000, 167), Segment(121_000, 167)]),
        (water(2.0, pulses=3), [Segment(1_000, 1), Segment(61_000, 1)]),
        (water(90.0, pulses=3, period_s=300.0), [Segment(1_000, 30), Segment(101_000, 30), Segment(201_000, 30)]),
    ],
)
def test_an_action_laid_out_in_time(action: ActionV1, expected: list[Segment]) -> None:
    assert plan_segments(action, PUMP if action.type is ActionType.WATER else LIGHT, 1_000) == expected


@pytest.mark.parametrize(
    ("seconds", "pulses", "strokes"),
    [(2_400.0, 20, 8), (2_401.0, 20, 9), (2_880.0, 10, 10), (3_000.0, 20, 10), (3_001.0, 20, 11), (3_001.0, 4, 4)],
)
def test_more_strokes_than_slots_only_where_the_longest_pulses_need_them(
    seconds: float, pulses: int, strokes: int
) -> None:
    """Eight slots in two hours; the board's pulse of mist lasts 300 s."""
    mist = asked("SET_HUMIDIFIER", state="ON", seconds=seconds, period_s=7_200.0, pulses=pulses)
    segments = plan_segments(mist, MIST, 0)
    assert len(segments) == strokes and sum(s.left for s in segments) == seconds * 1_000
    assert segments[1].start_ms == 7_200_000 // strokes


@pytest.mark.parametrize(("period_s", "slots"), [(900.0, 1), (100.0, 1), (1_349.0, 1), (1_351.0, 2), (7_200.0, 8)])
def test_a_duty_is_spread_in_slots_of_a_quarter_of_an_hour(period_s: float, slots: int) -> None:
    segments = plan_segments(asked("SET_LIGHT", state="ON", seconds=80.0, period_s=period_s), LIGHT, 0)
    step_ms = round(period_s * 1_000) // slots
    assert [s.start_ms for s in segments] == [n * step_ms for n in range(slots)]
    assert sum(s.left for s in segments) == 80_000 and max(s.left for s in segments) - segments[-1].left <= 1
    assert DUTY_SLOT_MS == 900_000


def test_a_job_says_when_its_last_segment_is_over(bench: Bench) -> None:
    bench.start(asked("SET_EXHAUST_FAN", "e", state="ON", seconds=1_800.0, period_s=3_600.0), 5_000)
    job = bench.executor.jobs["exhaust_fan"]
    assert len(job.segments) == 4 and job.end_ms == 5_000 + 2_700_000 + 450_000
    bench.start(light(60.0), 7_000)
    assert bench.executor.jobs["light"].end_ms == 67_000
    bench.tick(67_000)
    assert bench.executor.jobs["light"].end_ms == 0, "nothing is left but the last answer"
    assert len(plan_segments(asked("SET_LIGHT", state="ON", seconds=6_839.0, period_s=7_200.0), LIGHT, 0)) == 8


# -- holding a renewable output --------------------------------------------------------------------------------


def test_a_hold_is_renewed_at_the_last_moments_of_each_pulse_and_draws_the_extension(bench: Bench) -> None:
    bench.start(light(2_000.0))
    assert bench.pulses == [(900_000, 0)] and bench.ledger.of("allocate") == [("l", 900.0, 900.0)]
    assert bench.executor.next_due_ms() == 900_000 - RENEW_BEFORE_MS
    bench.result(1, 1, "ACCEPTED")
    bench.tick(2_400, 900_000 - RENEW_BEFORE_MS - 1)
    assert len(bench.pulses) == 1
    bench.tick(900_000 - RENEW_BEFORE_MS)
    assert bench.pulses[1:] == [(900_000, 885_000)]
    assert bench.ledger.of("allocate")[1:] == [("l", 885.0, 885.0)]
    bench.result(885_001, 2, "ACCEPTED")
    bench.result(885_002, 1, "DONE", delivered=885_000)
    assert bench.ledger.of("settle") == [("l", 900.0, 885.0)]
    bench.tick(1_770_000)
    assert bench.pulses[2:] == [(230_000, 1_770_000)], "no longer than the action"
    assert bench.ledger.of("allocate")[2:] == [("l", 215.0, 215.0)]
    assert bench.executor.next_due_ms() == 2_000_000
    bench.result(1_770_001, 2, "DONE", delivered=885_000)
    bench.tick(1_999_999)
    assert bench.executor.jobs and len(bench.pulses) == 3
    assert len(bench.ledger.of("allocate")) == 3, "what runs reaches to the end: nothing more is drawn"
    bench.tick(2_000_000)
    assert bench.executor.jobs and bench.executor.next_due_ms() == NEVER_MS, "the last command is not answered"
    bench.result(2_000_010, 3, "DONE", delivered=230_000)
    outcome = bench.outcome()
    assert (outcome.status, outcome.delivered_s, outcome.delivered_ml) == ("DONE", 2_000.0, None)
    assert (outcome.cmd_ids, outcome.reason, outcome.finished_ts) == ((1, 2, 3), "", at(2_000_010))
    assert bench.ledger.of("release") == [("l", 0.0, 0.0)] and not bench.executor.jobs
    assert bench.executor.next_due_ms() == NEVER_MS


def test_a_pulse_that_has_run_out_unanswered_is_followed_by_a_whole_one(bench: Bench) -> None:
    bench.start(light())
    bench.tick(901_000)
    assert bench.pulses[1:] == [(900_000, 901_000)] and bench.ledger.of("allocate")[1:] == [("l", 900.0, 900.0)]


def test_a_duty_waits_for_its_slots(bench: Bench) -> None:
    bench.start(asked("SET_EXHAUST_FAN", "e", state="ON", seconds=360.0, period_s=3_600.0))
    assert bench.pulses == [(90_000, 0)]
    bench.result(90_000, 1, "DONE", delivered=90_000)
    assert bench.executor.next_due_ms() == 900_000
    bench.tick(899_999)
    assert len(bench.pulses) == 1
    bench.tick(900_000)
    assert bench.pulses[1:] == [(90_000, 900_000)]


def test_what_the_ledger_grants_is_all_that_is_asked_for(bench: Bench) -> None:
    bench.ledger.most = lambda amount: min(amount, 100.0)
    bench.start(light(2_000.0))
    assert bench.pulses == [(100_000, 0)] and bench.executor.next_due_ms() == 100_000 - RENEW_BEFORE_MS
    bench.tick(85_000)
    assert bench.pulses[1:] == [(115_000, 85_000)], "what runs, and as much again as was granted"


def test_without_a_budget_it_is_tried_again_and_given_up_after_five_times(bench: Bench) -> None:
    bench.ledger.most = lambda amount: 0.0
    bench.start(light())
    for n in range(1, MAX_REFUSALS):
        assert bench.executor.next_due_ms() == n * RETRY_MS and not bench.ended()
        bench.tick(n * RETRY_MS - 1, n * RETRY_MS)
        assert len(bench.ledger.of("allocate")) == n + 1
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_s) == ("REJECTED_BY_BOARD", "budget", 0.0)
    assert not bench.pulses and MAX_REFUSALS == 5


def test_a_refused_hold_is_tried_again_until_it_is_accepted(bench: Bench) -> None:
    bench.start(light())
    bench.result(10, 1, "REJECTED", "over_temp")
    assert bench.ledger.of("refund") == [("l", 900.0, 0.0)]
    assert bench.executor.next_due_ms() == 10 + RETRY_MS
    bench.tick(9 + RETRY_MS)
    assert len(bench.pulses) == 1
    bench.tick(10 + RETRY_MS)
    assert bench.pulses[1:] == [(900_000, 10 + RETRY_MS)], "a fresh pulse, not an extension"
    bench.result(40_000, 2, "ACCEPTED")
    assert bench.executor.jobs["light"].refusals == 0, "an accepted pulse forgives the refusals before"


def test_a_refused_renewal_is_tried_again_while_the_pulse_before_runs_out(bench: Bench) -> None:
    bench.start(light())
    bench.result(1, 1, "ACCEPTED")
    bench.tick(885_000)
    bench.result(885_001, 2, "REJECTED", "busy")
    assert bench.executor.next_due_ms() == 885_001 + RETRY_MS, "not at the end of what was refused"
    bench.tick(885_001 + RETRY_MS)
    assert bench.pulses[2:] == [(900_000, 915_001)] and bench.ledger.of("allocate")[2:] == [("l", 900.0, 900.0)]


def test_a_hold_that_is_cut_while_its_renewal_is_open_is_tried_again_soon(bench: Bench) -> None:
    bench.start(light())
    bench.tick(885_000)
    bench.result(885_010, 1, "ABORTED", "over_temp", 885_000)
    assert bench.executor.next_due_ms() == 885_010 + RETRY_MS


def test_what_has_ended_had_begun_also_where_its_acceptance_was_lost(bench: Bench) -> None:
    bench.start(light(patience_s=20.0))
    bench.result(900_000, 1, "DONE", delivered=900_000)
    assert bench.pulses[1:] == [(900_000, 900_000)]


@pytest.mark.parametrize("reason", ["saving", "no_lease"])
def test_what_passes_in_a_second_is_tried_again_soon(bench: Bench, reason: str) -> None:
    bench.start(light())
    bench.result(10, 1, "REJECTED", reason)
    assert bench.executor.next_due_ms() == 10 + RETRY_SOON_MS == 2_010


def test_a_hold_that_the_board_cuts_goes_on_when_its_cause_may_have_passed(bench: Bench) -> None:
    bench.start(light(1_200.0))
    bench.result(1, 1, "ACCEPTED")
    bench.result(100_000, 1, "ABORTED", "over_temp", 100_000)
    assert bench.ledger.of("settle") == [("l", 900.0, 100.0)]
    assert bench.executor.next_due_ms() == 100_000 + RETRY_MS
    bench.tick(100_000 + RETRY_MS)
    assert bench.pulses[1:] == [(900_000, 130_000)]
    bench.result(130_001, 2, "ABORTED", "estop", 1_000)
    bench.tick(1_200_000)
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_s) == ("ABORTED", "over_temp", 101.0)


def test_a_mist_pulse_is_given_piece_by_piece_as_the_board_takes_it(bench: Bench) -> None:
    """A relay that is not renewable: no longer than one pulse, its pause between, what is refused stays to be given."""
    bench.start(asked("SET_HUMIDIFIER", "m", state="ON", seconds=400.0))
    assert bench.pulses == [(300_000, 0)]
    assert bench.executor.next_due_ms() == NEVER_MS, "only a result can change it"
    bench.result(5, 1, "REJECTED", "rh_high")
    bench.tick(5 + RETRY_MS)
    assert bench.pulses[1:] == [(300_000, 30_005)], "a relay's cause may pass"
    bench.result(330_005, 2, "DONE", delivered=300_000)
    assert bench.executor.next_due_ms() == 330_005 + MIST.min_off_ms
    bench.tick(330_004 + MIST.min_off_ms)
    assert len(bench.pulses) == 2
    bench.tick(330_005 + MIST.min_off_ms)
    assert bench.pulses[2:] == [(100_000, 390_005)]
    bench.result(490_005, 3, "DONE", delivered=100_000)
    assert bench.outcome().delivered_s == 400.0


# -- doses -----------------------------------------------------------------------------------------------------


def test_a_dose_is_one_pulse_after_the_other_with_the_pump_s_pause(bench: Bench) -> None:
    bench.start(water(300.0, pulses=3))
    assert bench.pulses == [(100, 0)] and bench.ledger.of("allocate") == [("w", 100.0, 100.0)]
    bench.tick(60_000, 120_000)
    assert len(bench.pulses) == 1, "the first is not answered"
    assert bench.result(130_000, 1, "DONE", delivered=98.0) == "water_pump"
    assert bench.executor.next_due_ms() == 130_000 + PAUSE_MS
    bench.tick(189_999)
    assert len(bench.pulses) == 1
    bench.tick(190_000)
    bench.result(200_000, 2, "DONE", delivered=101.0)
    bench.tick(260_000)
    bench.result(270_000, 3, "DONE", delivered=99.5)
    outcome = bench.outcome()
    assert (outcome.status, outcome.delivered_ml, outcome.delivered_s) == ("DONE", 298.5, None)
    assert [move[1:] for move in bench.ledger.of("settle")] == [(100.0, 98.0), (100.0, 101.0), (100.0, 99.5)]


def test_a_pulse_of_a_dose_is_as_large_as_the_ledger_grants(bench: Bench) -> None:
    bench.ledger.most = lambda amount: min(amount, 60.5)
    bench.start(water(100.0))
    assert bench.pulses == [(60, 0)]
    bench.result(1_000, 1, "DONE", delivered=60)
    bench.tick(61_000)
    assert bench.pulses[1:] == [(40, 61_000)]
    bench.ledger.most = lambda amount: 0.0
    bench.start(water(100.0, "x"), 200_000)
    assert bench.executor.next_due_ms() == NEVER_MS, "the older dose's pulse is open"


@pytest.mark.parametrize("reason", ["saving", "no_lease", "min_pause", "busy", "group_excluded"])
def test_a_dose_waits_for_what_passes(bench: Bench, reason: str) -> None:
    bench.start(water(100.0))
    bench.result(10, 1, "REJECTED", reason)
    assert not bench.ended() and bench.ledger.of("refund") == [("w", 100.0, 0.0)]
    bench.tick(10 + RETRY_MS)
    assert bench.pulses[1:] == [(100, 10 + RETRY_MS)], "all of it again"


def test_a_dose_without_a_budget_is_given_up(bench: Bench) -> None:
    bench.ledger.most = lambda amount: 0.0
    bench.start(water(100.0))
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, len(bench.pulses)) == ("REJECTED_BY_BOARD", "budget", 0)


def test_one_millilitre_is_a_pulse(bench: Bench) -> None:
    bench.start(water(2.0, pulses=2))
    assert bench.pulses == [(1, 0)]
    bench.result(10, 1, "REJECTED", "saving")
    assert bench.executor.next_due_ms() == 10 + RETRY_SOON_MS
    bench.ledger.most = lambda amount: 0.001
    bench.start(light(), 20)
    assert bench.pulses[1:] == [(1, 20)], "a millisecond as well"


@pytest.mark.parametrize("end", ["leak", EXPIRED])
def test_what_gave_a_drop_was_no_refusal(bench: Bench, end: str) -> None:
    bench.start(water(200.0, patience_s=10.0, pulses=2))
    bench.result(1_000, 1, "DONE", delivered=0.5)
    bench.tick(61_000 if end == "leak" else 71_001)
    if end == "leak":
        bench.result(61_010, 2, "REJECTED", "leak")
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_ml) == ("ABORTED", end, 0.5)


@pytest.mark.parametrize("kind", ["WATER", "CO2_INJECT"])
def test_a_dose_takes_any_other_no_as_final(bench: Bench, kind: str) -> None:
    amount: dict[str, Any] = {"ml": 100.0} if kind == "WATER" else {"seconds": 5.0}
    bench.start(asked(kind, **amount))
    bench.result(10, 1, "REJECTED", "leak")
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.cmd_ids) == ("REJECTED_BY_BOARD", "leak", (1,))
    assert (outcome.delivered_ml, outcome.delivered_s) == ((0.0, None) if kind == "WATER" else (None, 0.0))


def test_a_refusal_after_a_first_pulse_leaves_what_came(bench: Bench) -> None:
    bench.start(water(200.0, pulses=2))
    bench.result(10_000, 1, "DONE", delivered=100)
    bench.tick(70_000)
    bench.result(70_010, 2, "REJECTED", "day_budget")
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_ml) == ("ABORTED", "day_budget", 100.0)


def test_a_dose_cut_short_is_not_repeated(bench: Bench) -> None:
    bench.start(water(200.0, pulses=2))
    bench.result(5_000, 1, "ABORTED", "no_flow", 12.0)
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_ml) == ("ABORTED", "no_flow", 12.0)
    bench.tick(200_000)
    assert len(bench.pulses) == 1 and bench.ledger.of("settle") == [("w", 100.0, 12.0)]


def test_a_new_dose_waits_for_the_last_pulse_of_the_old(bench: Bench) -> None:
    bench.start(water(200.0, "old", pulses=2))
    bench.start(water(50.0, "new"), 1_000)
    bench.tick(2_400)
    assert bench.pulses == [(100, 0)] and not bench.line.stops, "a pulse under way ends by itself"
    bench.result(10_000, 1, "DONE", delivered=100)
    assert bench.pulses[1:] == [(50, 10_000)]
    assert [(key, o.status, o.delivered_ml, o.reason) for key, o in bench.ended()] == [
        ("old", "DONE", 100.0, "replaced")
    ]


# -- not_after -------------------------------------------------------------------------------------------------


def test_a_dose_does_not_begin_after_its_not_after(bench: Bench) -> None:
    """Seen: water began 4 s after its own not_after, because the refused pulse was tried again without looking."""
    bench.start(water(100.0, patience_s=60.0))
    bench.result(10, 1, "REJECTED", "min_pause")
    bench.tick(30_010)
    bench.result(30_020, 2, "REJECTED", "min_pause")
    bench.tick(60_020)
    outcome = bench.outcome()
    assert len(bench.pulses) == 2 and (outcome.status, outcome.reason) == ("EXPIRED", EXPIRED)
    assert outcome.delivered_ml == 0.0 and bench.ledger.of("release") == [("w", 0.0, 0.0)]


@pytest.mark.parametrize(("late_ms", "begins"), [(0, True), (1, False)])
def test_at_the_moment_itself_it_may_still_begin(bench: Bench, late_ms: int, begins: bool) -> None:
    bench.start(water(100.0, patience_s=2.0))
    bench.result(0, 1, "REJECTED", "saving")
    bench.tick(2_000 + late_ms)
    assert (len(bench.pulses) == 2) is begins


def test_what_has_passed_before_the_start_never_begins(bench: Bench) -> None:
    bench.start(water(100.0, patience_s=-0.001))
    assert not bench.pulses and bench.outcome().status == "EXPIRED"


def test_each_pulse_of_a_dose_must_begin_as_soon_as_the_first_had_to(bench: Bench) -> None:
    bench.start(water(300.0, patience_s=20.0, pulses=3))
    bench.result(10_000, 1, "DONE", delivered=100)
    bench.tick(70_000)
    assert bench.pulses[1:] == [(100, 70_000)], "long after not_after, and as planned"
    bench.result(80_000, 2, "DONE", delivered=100)
    bench.tick(160_001)
    outcome = bench.outcome()
    assert len(bench.pulses) == 2, "20 s after it was due"
    assert (outcome.status, outcome.reason, outcome.delivered_ml) == ("ABORTED", EXPIRED, 200.0)


def test_a_dose_that_waits_for_an_older_one_expires_too(bench: Bench) -> None:
    bench.start(water(100.0, "old"))
    bench.start(water(50.0, "new", patience_s=5.0, at_ms=1_000), 1_000)
    bench.result(9_000, 1, "DONE", delivered=100)
    assert bench.pulses == [(100, 0)]
    assert {key: o.status for key, o in bench.ended()} == {"old": "DONE", "new": "EXPIRED"}


def test_a_hold_that_never_began_expires_one_that_has_begun_goes_on(bench: Bench) -> None:
    bench.start(light(patience_s=20.0))
    bench.result(10, 1, "REJECTED", "over_temp")
    bench.tick(10 + RETRY_MS)
    assert bench.outcome().status == "EXPIRED"
    bench.start(light(key="m", patience_s=20.0, at_ms=100_000), 100_000)
    bench.result(100_001, 2, "ACCEPTED")
    bench.tick(985_000)
    assert bench.pulses[2:] == [(900_000, 985_000)], "a renewal is no try"
    bench.executor.on_link_lost(990_000, at(990_000))
    bench.tick(1_500_000)
    assert bench.pulses[3:] == [(900_000, 1_500_000)], "nor is going on after a lost link"


def test_a_clock_that_is_set_makes_nothing_late(bench: Bench) -> None:
    bench.start(water(100.0, patience_s=60.0))
    bench.result(10, 1, "REJECTED", "min_pause")
    ahead = at(30_010) + timedelta(hours=1)
    bench.executor.tick(30_010, ahead)
    assert bench.pulses[1:] == [(100, 30_010)]


# -- others, OFF, stopping -------------------------------------------------------------------------------------


def test_no_action_does_nothing(bench: Bench) -> None:
    bench.start(ActionV1(schema_version="action_v1", ts=START, type=ActionType.NO_ACTION, id="n"))
    assert not bench.ended() and not bench.ledger.moves


def test_what_is_preempted_is_stopped_on_the_board(bench: Bench) -> None:
    bench.start(asked("CO2_INJECT", "g", seconds=30.0))
    bench.start(asked("SET_EXHAUST_FAN", "e", state="ON", seconds=60.0), 1_000, ("exhaust_fan", "co2_solenoid"))
    assert bench.line.stops == ["co2_solenoid"], "the output itself is only asked for a new pulse"
    bench.result(1_010, 1, "ABORTED", "stopped", 1_000)
    ((key, outcome),) = bench.ended()
    assert (key, outcome.status, outcome.reason, outcome.delivered_s) == ("g", "ABORTED", "preempted", 1.0)


def test_a_preempted_output_without_a_job_is_stopped_all_the_same(bench: Bench) -> None:
    bench.start(asked("SET_EXHAUST_FAN", "e", state="ON", seconds=60.0), 0, ("co2_solenoid",))
    assert bench.line.stops == ["co2_solenoid"] and not bench.ended()


def test_off_is_done_at_once_and_releases(bench: Bench) -> None:
    bench.start(asked("SET_LIGHT", "off", state="OFF"))
    assert bench.line.stops == ["light"] and not bench.executor.jobs
    outcome = bench.outcome()
    assert (outcome.status, outcome.delivered_s, outcome.finished_ts, outcome.cmd_ids) == ("DONE", None, START, ())
    assert bench.ledger.of("release") == [("off", 0.0, 0.0)]


def test_a_replaced_hold_ends_with_what_it_gave(bench: Bench) -> None:
    bench.start(light(key="old"))
    bench.start(light(key="new"), 10_000, ("light",))
    assert bench.line.stops == [] and bench.pulses == [(900_000, 0), (900_000, 10_000)]
    bench.result(10_001, 1, "DONE", delivered=10_000)
    ((key, outcome),) = bench.ended()
    assert (key, outcome.status, outcome.reason, outcome.delivered_s) == ("old", "DONE", "replaced", 10.0)
    assert set(bench.executor.jobs) == {"light"} and bench.executor.jobs["light"].action.id == "new"


@pytest.mark.parametrize(("gave_ms", "status"), [(0, "ABORTED"), (1, "DONE")])
def test_a_hold_replaced_before_it_gave_anything_was_aborted(bench: Bench, gave_ms: int, status: str) -> None:
    bench.start(light(key="old"))
    bench.start(light(key="new"), 10)
    bench.result(11, 1, "DONE", delivered=gave_ms)
    ((_, outcome),) = bench.ended()
    assert (outcome.status, outcome.reason) == (status, "replaced")


def test_switching_off_ends_the_jobs_that_there_are(bench: Bench) -> None:
    bench.start(light())
    bench.executor.switch_off(("light", "humidifier"), "leak", 5_000, at(5_000))
    assert bench.line.stops == ["light"] and not bench.executor.jobs and not bench.ended()
    bench.result(5_010, 1, "ABORTED", "stopped", 5_000)
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_s) == ("ABORTED", "leak", 5.0)
    bench.start(light(key="x"), 9_000)
    bench.result(9_001, 3, "REJECTED", "estop")
    bench.executor.switch_off(("light",), "leak", 9_002, at(9_002))
    assert bench.outcome().status == "REJECTED_BY_BOARD", "nothing is open, so it ends at once"


def test_stopping_all_waits_for_the_answers(bench: Bench) -> None:
    bench.start(light())
    bench.start(water(100.0))
    stop = ActionV1(schema_version="action_v1", ts=START, type=ActionType.STOP_ALL, id="s")
    bench.start(stop, 1_000)
    assert [(key, o.status) for key, o in bench.ended()] == [("s", "DONE")]
    assert bench.line.stops == ["all"] and not bench.executor.jobs, "the board is told, once"
    bench.result(1_010, 1, "ABORTED", "stopped", 1_000)
    bench.result(1_020, 2, "ABORTED", "stopped", 3.0)
    assert [(key, o.status, o.reason) for key, o in bench.ended()] == [
        ("l", "ABORTED", "stop_all"),
        ("w", "ABORTED", "stop_all"),
    ]


def test_stopping_all_ends_at_once_what_has_nothing_open(bench: Bench) -> None:
    bench.start(light())
    bench.result(10, 1, "REJECTED", "estop")
    bench.executor.stop_all("shutdown", 20, at(20))
    assert (bench.outcome().status, bench.executor.jobs) == ("REJECTED_BY_BOARD", {})


def test_results_of_other_commands_are_nobody_s(bench: Bench) -> None:
    assert bench.result(0, 7, "DONE") is None
    bench.start(light())
    assert bench.result(1, 1, "ACCEPTED") == "light" and bench.result(2, 7, "DONE", delivered=5) is None
    bench.result(3, 1, "DONE", delivered=3)
    assert bench.result(4, 1, "DONE", delivered=3) is None, "answered once"
    assert bench.ledger.of("settle") == [("l", 900.0, 0.003)]


# -- a lost link, an ending process ----------------------------------------------------------------------------


def test_a_lost_link_settles_in_full_and_leaves_a_dose_unconfirmed(bench: Bench) -> None:
    bench.start(water(200.0, pulses=2))
    bench.result(10_000, 1, "DONE", delivered=98)
    bench.tick(70_000)
    bench.executor.on_link_lost(75_000, at(75_000))
    assert bench.ledger.of("settle")[1:] == [("w", 100.0, 100.0)] and not bench.ended()
    assert not bench.line.stops, "there is no line to stop it by"
    (dose,) = bench.executor.pop_unconfirmed()
    assert (dose.action.id, dose.delivered, dose.reason) == ("w", 98.0, "link lost")
    assert bench.ledger.of("release") == [("w", 0.0, 0.0)] and not bench.executor.pop_unconfirmed()


def test_a_dose_between_two_pulses_ends_with_what_is_known(bench: Bench) -> None:
    bench.start(water(200.0, pulses=2))
    bench.result(10_000, 1, "DONE", delivered=98)
    bench.executor.on_link_lost(20_000, at(20_000))
    outcome = bench.outcome()
    assert (outcome.status, outcome.reason, outcome.delivered_ml) == ("ABORTED", "link lost", 98.0)
    assert not bench.executor.pop_unconfirmed()


def test_a_replaced_dose_whose_pulse_was_lost_is_unconfirmed_under_its_own_reason(bench: Bench) -> None:
    bench.start(water(100.0, "old"))
    bench.start(water(50.0, "new"), 1_000)
    bench.executor.on_link_lost(2_000, at(2_000))
    (dose,) = bench.executor.pop_unconfirmed()
    assert (dose.action.id, dose.reason) == ("old", "replaced")
    assert [(key, o.status, o.delivered_ml) for key, o in bench.ended()] == [("new", "ABORTED", 0.0)]


def test_a_hold_goes_on_at_once_after_a_lost_link(bench: Bench) -> None:
    bench.start(light())
    bench.executor.on_link_lost(100_000, at(100_000))
    assert bench.executor.next_due_ms() == 100_000
    bench.tick(100_000)
    assert bench.pulses[1:] == [(900_000, 100_000)], "a fresh pulse: nothing runs on the board"
    bench.executor.switch_off(("light",), "x", 200_000, at(200_000))
    bench.executor.on_link_lost(200_001, at(200_001))
    outcome = bench.outcome()
    assert outcome.delivered_s == 0.0, "a relay's time is what was confirmed"


def test_a_mist_pulse_lost_with_the_link_is_unconfirmed_in_seconds(bench: Bench) -> None:
    bench.start(asked("SET_HUMIDIFIER", "m", state="ON", seconds=400.0))
    bench.result(300_000, 1, "DONE", delivered=300_000)
    bench.tick(360_000)
    bench.executor.on_link_lost(361_000, at(361_000))
    (mist,) = bench.executor.pop_unconfirmed()
    assert (mist.delivered, mist.reason) == (300.0, "link lost")
    assert bench.ledger.of("settle")[1:] == [("m", 100.0, 100.0)]


def test_a_process_that_ends_closes_everything(bench: Bench) -> None:
    bench.start(light())
    bench.start(water(100.0))
    bench.start(asked("SET_EXHAUST_FAN", "e", state="ON", seconds=60.0))
    bench.executor.switch_off(("exhaust_fan",), "cold", 10, at(10))
    bench.result(20, 2, "REJECTED", "busy")
    bench.executor.abandon("shutdown", at(30))
    found = {key: (o.status, o.reason, o.delivered_s, o.delivered_ml) for key, o in bench.ended()}
    assert found == {
        "l": ("ABORTED", "shutdown", 0.0, None),
        "w": ("REJECTED_BY_BOARD", "shutdown", None, 0.0),
        "e": ("ABORTED", "cold", 0.0, None),
    }
    assert bench.ledger.of("settle") == [("l", 900.0, 900.0), ("e", 60.0, 60.0)]
    assert not bench.executor.jobs and bench.result(40, 1, "DONE", delivered=1) is None
    bench.executor.abandon("again", at(50))
    assert not bench.ended()


def test_an_open_dose_of_a_process_that_ends_has_no_known_amount(bench: Bench) -> None:
    bench.start(water(100.0))
    bench.executor.abandon("shutdown", at(30))
    assert bench.outcome().delivered_ml is None


# -- when it has something to do -------------------------------------------------------------------------------


def test_the_first_job_that_is_due_decides(bench: Bench) -> None:
    assert bench.executor.next_due_ms() == NEVER_MS
    bench.start(light())
    bench.start(asked("SET_EXHAUST_FAN", "e", state="ON", seconds=60.0))
    assert bench.executor.next_due_ms() == 60_000
    bench.start(water(100.0))
    assert bench.executor.next_due_ms() == 60_000
    bench.result(50, 3, "REJECTED", "saving")
    assert bench.executor.next_due_ms() == 50 + RETRY_SOON_MS


def test_a_retry_does_not_outlast_the_action(bench: Bench) -> None:
    bench.start(light(20.0))
    bench.result(10, 1, "REJECTED", "over_temp")
    assert bench.executor.next_due_ms() == 20_000
    bench.tick(20_000)
    assert bench.outcome().status == "REJECTED_BY_BOARD" and len(bench.pulses) == 1
