"""Commands under way, the clock of the board, names for codes, and which samples have arrived: the session's parts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.board import decoding
from tomato_host.board.clock_sync import ClockSync, Exchange
from tomato_host.board.delayed_watermark import DelayedWatermark
from tomato_host.board.events import Result
from tomato_host.board.pending_commands import COMMANDS_PER_SESSION, PendingCommands, longest_ms


def test_ids_hold_the_session_and_begin_anew_without_a_zero() -> None:
    commands = PendingCommands(3)
    ids = [commands.new("STOP", {}, 0).cmd_id for _ in range(COMMANDS_PER_SESSION)]
    assert ids[0] == 3 * 16_384 + 1 and ids[-2] == 3 * 16_384 + 16_383 and ids[-1] == ids[0]
    assert len(set(ids)) == COMMANDS_PER_SESSION - 1


def test_how_long_a_pulse_may_last() -> None:
    assert longest_ms({"output": 5, "amount": 50}) == 30_000
    assert longest_ms({"output": 0, "amount": 60_000}) == 60_000


def test_a_command_is_due_a_second_after_it_was_sent() -> None:
    commands = PendingCommands(1)
    command = commands.new("STOP", {"output": 0}, 100)
    assert (command.asked_ms, command.sent_ms, command.accepted) == (100, 100, False)
    assert commands.due(1_099) == [] and commands.due(1_100) == [command] and commands.due(1_100) == []
    assert commands.due(2_099) == [] and commands.due(2_100) == [command]
    assert PendingCommands(1).due(5_000) == [] and PendingCommands(1).pop_unanswered(90_000) == []


def test_an_accepted_command_is_due_five_seconds_after_its_end() -> None:
    commands = PendingCommands(1)
    pulse, other = commands.new("PULSE", {"output": 0, "amount": 3_000}, 0), commands.new("CONFIG", {}, 0)
    for command in (pulse, other):
        assert commands.on_result(Result(command.cmd_id, "ACCEPTED", "none", 0.0), 500)
    assert commands.due(5_499) == [] and commands.due(5_500) == [other]
    assert commands.due(8_499) == [] and commands.due(8_500) == [pulse]
    assert commands.due(13_499) == [other] and commands.due(13_500) == [pulse]


def test_only_the_unanswered_are_given_up_after_20_s() -> None:
    commands = PendingCommands(1)
    accepted, lost = commands.new("PULSE", {"output": 0, "amount": 3_000}, 0), commands.new("STOP", {}, 0)
    commands.on_result(Result(accepted.cmd_id, "ACCEPTED", "none", 0.0), 0)
    assert commands.pop_unanswered(20_000) == []
    assert commands.pop_unanswered(20_001) == [Result(lost.cmd_id, "REJECTED", "no_answer", 0.0)]
    assert list(commands.open) == [accepted.cmd_id]
    assert commands.close_all("reset") == [Result(accepted.cmd_id, "ABORTED", "reset", 0.0)] and not commands.open


def test_an_answer_to_no_open_command_is_none() -> None:
    commands = PendingCommands(1)
    command = commands.new("STOP", {}, 0)
    assert not commands.on_result(Result(command.cmd_id + 1, "DONE", "none", 0.0), 1)
    assert commands.on_result(Result(command.cmd_id, "DONE", "none", 0.0), 1)
    assert not commands.on_result(Result(command.cmd_id, "DONE", "none", 0.0), 1)


def exchange(host_ms: float, offset_ms: float, there_ms: float = 1.0, back_ms: float = 1.0) -> Exchange:
    """The board answers at once; its clock stands `offset_ms` from the host's."""
    board_ms = host_ms + there_ms + offset_ms
    return Exchange(host_ms, board_ms, board_ms, host_ms + there_ms + back_ms)


def test_offset_and_delay_are_those_of_rfc_5905() -> None:
    seen = Exchange(100.0, 1_110.0, 1_115.0, 125.0)
    assert (seen.delay_ms, seen.offset_ms) == (20.0, 1_000.0)


def test_a_seed_is_rough_and_never_replaces_an_exchange() -> None:
    clock = ClockSync()
    assert not clock.known and clock.error_ms == float("inf") and clock.drift_ppm == 0.0
    clock.seed(100.0, 5_100.0)
    assert clock.known and clock.board_from_host_ms(200.0) == 5_200.0 and clock.host_from_board_ms(5_200.0) == 200.0
    clock.seed(100.0, 6_100.0)
    assert clock.board_from_host_ms(200.0) == 6_200.0
    assert clock.add(exchange(1_000.0, 4_000.0, 3.0, 3.0))
    clock.seed(100.0, 9_100.0)
    assert clock.board_from_host_ms(200.0) == 4_200.0 and clock.error_ms == 3.0
    clock.reset()
    assert not clock.known and clock.error_ms == float("inf")


@pytest.mark.parametrize(
    "wrong",
    [Exchange(0, 0, 10, 9), Exchange(10, 100, 100, 9), Exchange(0, 100, 99, 50)],
    ids=["delay", "host", "board"],
)
def test_times_that_run_backwards_are_no_exchange(wrong: Exchange) -> None:
    clock = ClockSync()
    assert not clock.add(wrong) and not clock.known
    assert clock.add(Exchange(0, 5, 5, 0)) and clock.add(Exchange(0, 5, 15, 10)), "no delay at all is possible"


def test_only_exchanges_near_the_shortest_round_trip_count() -> None:
    clock = ClockSync()
    clock.add(exchange(0.0, 100.0, 1.0, 1.0))
    clock.add(exchange(1_000.0, 101.0, 2.0, 2.0))
    assert clock.board_from_host_ms(0.0) == pytest.approx(100.5), "within 2 ms of the shortest"
    clock.add(exchange(2_000.0, 500.0, 2.1, 2.0))
    assert clock.board_from_host_ms(0.0) == pytest.approx(100.5)
    clock.add(exchange(3_000.0, 90.0, 0.1, 0.1))
    assert clock.board_from_host_ms(0.0) == pytest.approx((100.0 + 90.0) / 2.0)
    assert clock.error_ms == pytest.approx(0.1)


def test_a_drift_is_fitted_once_the_exchanges_span_ten_minutes() -> None:
    for span_ms, fitted in ((599_000.0, False), (600_000.0, True)):
        clock = ClockSync()
        clock.add(exchange(0.0, 1_000.0))
        clock.add(exchange(span_ms, 1_000.0 + span_ms * 100e-6))
        assert clock.drift_ppm == (pytest.approx(100.0, rel=1e-6) if fitted else 0.0)
    later = 3_600_000.0
    assert clock.board_from_host_ms(later) == pytest.approx(later + 1_000.0 + later * 100e-6, abs=0.1)
    assert clock.host_from_board_ms(clock.board_from_host_ms(later)) == pytest.approx(later, abs=1e-6)


@pytest.mark.parametrize(("ppm", "believed"), [(900.0, 500.0), (-900.0, -500.0), (-300.0, -300.0), (500.0, 500.0)])
def test_no_crystal_drifts_more_than_500_ppm(ppm: float, believed: float) -> None:
    clock = ClockSync()
    for minute in range(12):
        clock.add(exchange(minute * 60_000.0, minute * 60_000.0 * ppm * 1e-6))
    assert clock.drift_ppm == pytest.approx(believed, rel=1e-3)


def test_the_last_32_exchanges_are_remembered() -> None:
    clock = ClockSync()
    for n in range(33):
        clock.add(exchange(n * 1_000.0, 0.0 if n == 0 else 10.0, *((0.5, 0.5) if n == 0 else (9.0, 9.0))))
    assert clock.board_from_host_ms(0.0) == pytest.approx(10.0), "the first and shortest has left the window"


@given(st.floats(-1e6, 1e6), st.floats(-450.0, 450.0), st.floats(0.0, 1e7))
def test_board_and_host_time_are_each_others_inverse(offset: float, ppm: float, moment: float) -> None:
    clock = ClockSync()
    for minute in range(15):
        clock.add(exchange(minute * 60_000.0, offset + minute * 60_000.0 * ppm * 1e-6))
    assert clock.drift_ppm == pytest.approx(ppm, abs=0.1)
    assert clock.host_from_board_ms(clock.board_from_host_ms(moment)) == pytest.approx(moment, abs=1e-3)


def test_codes_have_names_and_unknown_ones_a_number() -> None:
    assert [decoding.name_of(("a", "b"), code) for code in (0, 1, 2, -1)] == ["a", "b", "code_2", "code_-1"]


def sample_fields(**changes: Any) -> dict[str, Any]:
    return {"seq": 1, "t_ms": 2, "values": [100, None], "outputs": 3, "state": 0} | changes


def test_a_sample_has_every_sensor_and_its_units() -> None:
    got = decoding.sample(sample_fields(), 7, 9.5, True)
    assert (got.boot_id, got.seq, got.t_ms, got.host_ms, got.outputs, got.state, got.backlog) == (
        7,
        1,
        2,
        9.5,
        3,
        "BOOT",
        True,
    )
    assert got.values["air_temp_c"] == 1.0 and got.values["rh_pct"] is None and got.values["door_open"] is None
    assert len(got.values) == 14 and got.why == {}
    full = decoding.sample(
        sample_fields(values=list(range(100, 120)), why={13: 10, 14: 1, -1: 1, 0: 99}), 7, 0.0, False
    )
    assert full.values["door_open"] == 113.0 and full.why == {"door_open": "unplugged", "air_temp_c": "code_99"}


def test_samples_count_once_and_the_watermark_is_the_end_of_the_whole() -> None:
    tracker = decoding.SampleTracker()
    assert (tracker.newest, tracker.whole_up_to, tracker.gap) == (-1, -1, False)
    assert tracker.add(0) and not tracker.add(0) and tracker.whole_up_to == 0 and not tracker.gap
    assert tracker.add(3) and not tracker.add(3) and tracker.gap and (tracker.newest, tracker.whole_up_to) == (3, 0)
    assert tracker.add(1) and tracker.whole_up_to == 1 and tracker.newest == 3
    assert tracker.add(2) and tracker.whole_up_to == 3 and not tracker.gap


def test_what_is_covered_is_passed_over_with_what_lies_behind_it() -> None:
    tracker = decoding.SampleTracker()
    for seq in (2, 5, 6, 9):
        tracker.add(seq)
    tracker.mark_covered(4)
    assert tracker.whole_up_to == 6 and tracker.gap and not tracker.add(3) and not tracker.add(5)
    tracker.mark_covered(1)
    assert tracker.whole_up_to == 6, "never back"
    assert tracker.add(8) and tracker.add(7) and tracker.whole_up_to == 9


@given(st.lists(st.integers(0, 40)))
def test_in_any_order_each_sample_is_new_once(seqs: list[int]) -> None:
    tracker, seen = decoding.SampleTracker(), set[int]()
    for seq in seqs:
        assert tracker.add(seq) == (seq not in seen)
        seen.add(seq)
        assert tracker.newest == max(seen)
        assert all(n in seen for n in range(tracker.whole_up_to + 1)) and tracker.whole_up_to + 1 not in seen


def test_a_watermark_waits_for_each_step_by_itself() -> None:
    mark = DelayedWatermark(1_000)
    for reached, now_ms, value in (
        (1, 0, -1),
        (2, 500, -1),
        (2, 999, -1),
        (2, 1_000, 1),
        (2, 1_499, 1),
        (2, 1_500, 2),
        (3, 1_600, 2),
    ):
        mark.update(reached, now_ms)
        assert mark.value == value
    mark.update(3, 9_000)
    assert mark.value == 3
