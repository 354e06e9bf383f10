"""The host's session by the millisecond: greeting, pings, clock, repeats, acknowledgement, backfill, reopening.

The board is scripted here, for what is tested is when the host sends what. test_session.py runs the same session
against the board's own code.
"""

from __future__ import annotations

from typing import Any

import pytest
from tomato_host.board import session as sessions
from tomato_host.board.events import (
    BoardEvent,
    Connected,
    Disconnected,
    Health,
    LinkEvent,
    Mismatch,
    ProtocolFault,
    Result,
    Sample,
)
from tomato_host.board.protocol import calm_session
from tomato_host.errors import TomatoError

from shared_schemas.wire import SCHEMA_HASH
from tests.board.scripted import HELLO, ScriptedBoard

START = 1_000
"""When the boards of these tests answer."""


@pytest.fixture
def board() -> ScriptedBoard:
    ready = ScriptedBoard()
    ready.connect(START)
    return ready


def times(board: ScriptedBoard, name: str, start_ms: int, end_ms: int, step_ms: int = 100) -> list[int]:
    """When messages of that name are sent while the board says nothing."""
    seen = []
    for now_ms in range(start_ms, end_ms + 1, step_ms):
        board.poll(now_ms)
        seen += [now_ms] * len(board.sent(name))
    return seen


def alive(board: ScriptedBoard, now_ms: int) -> list[LinkEvent]:
    """One poll in which something arrives, so that the link does not count as silent."""
    board.say("TIME", t1_ms=now_ms, t2_ms=now_ms, t3_ms=now_ms)
    return board.poll(now_ms)


def test_it_greets_at_once_and_once_a_second_and_sends_nothing_else() -> None:
    board = ScriptedBoard()
    board.poll(0)
    assert board.sent() == [("HELLO", {"schema_hash": SCHEMA_HASH})]
    assert times(board, "", 0, 3_500) == [1_000, 2_000, 3_000]
    assert board.session.protocol.session == calm_session(7) and not board.session.up


def test_it_connects_once_and_says_whether_the_boot_is_new(board: ScriptedBoard) -> None:
    assert board.session.up and board.session.hello is not None and board.session.hello.boot_id == 5
    board.say("HELLO", **HELLO)
    assert board.poll(1_200) == []
    fresh = ScriptedBoard()
    assert [(type(e), e.new_boot) for e in fresh.connect(START)] == [(Connected, True)]  # type: ignore[union-attr]
    fresh.lost = "read"
    assert fresh.poll(2_000) == [Disconnected("unplugged")]
    fresh.lost = ""
    fresh.poll(2_500)
    fresh.say("HELLO", **HELLO)
    (again,) = fresh.poll(2_600)
    assert isinstance(again, Connected) and not again.new_boot


def test_another_schema_is_no_connection_and_is_asked_again_later() -> None:
    board = ScriptedBoard()
    board.poll(0)
    board.say("HELLO", **(HELLO | {"schema_hash": b"12345678"}))
    (other,) = board.poll(100)
    assert isinstance(other, Mismatch) and "3132333435363738" in other.text and "firmware 1.0" in other.text
    assert not board.session.up
    board.received.clear()
    assert times(board, "HELLO", 200, 12_000) == [11_100]


def test_a_board_that_does_not_know_the_session_was_reset_and_is_greeted_at_once(board: ScriptedBoard) -> None:
    board.say("HELLO", session=0, **HELLO)
    assert board.poll(1_500) == [Disconnected("the board was reset")]
    assert [name for name, _ in board.sent()] == ["HELLO"]
    board.say("HELLO", session=0, **HELLO)
    assert board.poll(1_600) == [], "said once"
    assert [name for name, _ in board.sent()] == ["HELLO"]


def test_answers_to_another_session_or_before_the_greeting_count_for_nothing(board: ScriptedBoard) -> None:
    other = ScriptedBoard()
    other.poll(0)
    other.sample(0)
    assert other.poll(10) == []
    board.say("SAMPLE", session=99, seq=0, t_ms=0, values=[], outputs=0, state=0)
    board.say("TIME", session=99, t1_ms=0, t2_ms=0, t3_ms=0)
    assert board.poll(2_000) == []
    assert [e for e in (board.poll(18_001), board.poll(18_100)) if e] == [[Disconnected("no answer for 17 s")]]


def test_silence_is_pinged_after_12_s_and_given_up_after_17(board: ScriptedBoard) -> None:
    pings = times(board, "HEALTH", 1_100, 18_000)
    assert pings == [13_100], "two pings would need 5 s between them"
    assert board.session.up
    assert board.poll(18_001) == [Disconnected("no answer for 17 s")] and not board.session.up
    board.received.clear()
    assert times(board, "HELLO", 18_010, 19_500) == [18_010, 19_010]


def test_a_ping_is_repeated_after_five_seconds_of_silence(board: ScriptedBoard) -> None:
    alive(board, 1_500)
    board.received.clear()
    assert times(board, "HEALTH", 13_400, 18_500, 1) == [13_501]
    ready = ScriptedBoard()
    ready.connect(START)
    ready.poll(13_001)
    assert len(ready.sent("HEALTH")) == 1
    alive(ready, 13_002)
    assert times(ready, "HEALTH", 25_000, 25_010, 1) == [25_003]


def test_four_clock_exchanges_in_quick_succession_then_one_a_minute() -> None:
    board = ScriptedBoard()
    board.poll(START)
    board.say("HELLO", **HELLO)
    asked = []
    for now_ms in [*range(START, START + 200, 10), *range(2_000, 130_000, 1_000)]:
        if now_ms >= 2_000:
            alive(board, now_ms)
        else:
            board.poll(now_ms)
            board.poll(now_ms)
        asked += [fields["t1_ms"] for _, fields in board.sent("TIME")]
    assert asked == [1_000, 1_010, 1_020, 1_030, 62_000, 122_000]


def test_the_clock_is_known_roughly_from_the_greeting_and_well_from_an_exchange(board: ScriptedBoard) -> None:
    assert board.session.clock.board_from_host_ms(1_500) == 10_500
    assert board.session.host_ms(10_200) == 1_000.0, "never later than now"
    board.say("TIME", t1_ms=1_100, t2_ms=11_105, t3_ms=11_107)
    board.poll(1_112)
    assert board.session.clock.board_from_host_ms(1_112) == pytest.approx(11_112.0)
    assert board.session.host_ms(11_000) == pytest.approx(1_000.0)
    lone = ScriptedBoard()
    lone.poll(700)
    assert lone.session.host_ms(5) == 700.0, "without a clock all happened just now"


def test_a_command_names_its_deadline_in_the_boards_time(board: ScriptedBoard) -> None:
    first = board.session.pulse("light", 60_000)
    second = board.session.pulse("water_pump", 50)
    ((_, light), (_, pump)) = board.sent("PULSE")
    assert light == {"cmd_id": first, "output": 0, "amount": 60_000, "not_after_ms": 20_000}
    assert pump == {"cmd_id": second, "output": 5, "amount": 50, "not_after_ms": 20_000}
    assert second == first + 1 and first == board.session.protocol.session * 16_384 + 1
    assert board.session.awaiting == 2


def test_stops_and_sampling_have_no_deadline(board: ScriptedBoard) -> None:
    ids = [board.session.stop("light"), board.session.stop_all(1_100), board.session.set_sampling(10_000)]
    assert board.sent() == [
        ("STOP", {"cmd_id": ids[0], "output": 0}),
        ("STOP_ALL", {"cmd_id": ids[1]}),
        ("SET_SAMPLING", {"cmd_id": ids[2], "period_ms": 10_000}),
    ]


def test_settings_and_faults_go_by_name(board: ScriptedBoard) -> None:
    board.session.configure("survival_enabled", 0)
    board.session.configure("pump_ul_per_s", None)
    board.session.clear_fault("no_flow")
    (_, write), (_, read), (_, clear) = board.sent()
    assert (write["config_key"], write["config_value"]) == (15, 0)
    assert read["config_key"] == 5 and "config_value" not in read
    assert clear["fault"] == 3 and clear["not_after_ms"] == 20_000
    with pytest.raises(TomatoError, match="no board setting 'nonsense'") as wrong:
        board.session.configure("nonsense", 1)
    assert wrong.value.code == "E-CONFIG-KEY" and "sample_period_ms, soil_p1_dry_raw" in wrong.value.next_step
    with pytest.raises(TomatoError, match="no fault 'nonsense'") as wrong:
        board.session.clear_fault("nonsense")
    assert wrong.value.code == "E-FAULT-NAME" and "leak, over_temp" in wrong.value.next_step
    assert board.session.awaiting == 3


def test_a_deadline_is_never_negative() -> None:
    board = ScriptedBoard()
    board.connect(50_000, uptime_ms=0)
    board.session._now_ms = 0  # the clock of the host stood back
    board.session.pulse("light", 1_000)
    assert board.sent("PULSE")[0][1]["not_after_ms"] == 10_000


def test_lease_and_health_are_plain_requests(board: ScriptedBoard) -> None:
    board.session.renew_lease(1_100)
    board.session.ask_health(1_100)
    assert board.sent() == [("LEASE", {"lease_ms": 5_000}), ("HEALTH", {})]


def test_an_unanswered_command_is_repeated_every_second_and_given_up_after_20(board: ScriptedBoard) -> None:
    command = board.session.pulse("light", 60_000)
    board.received.clear()
    sent, reported = [], []
    for now_ms in range(1_100, 21_500, 100):
        reported += [(now_ms, e) for e in alive(board, now_ms)]
        sent += [(now_ms, fields["cmd_id"], fields["not_after_ms"]) for _, fields in board.sent("PULSE")]
    assert sent[:2] == [(2_000, command, 20_000), (3_000, command, 20_000)] and len(sent) == 20
    assert reported == [(21_100, Result(command, "REJECTED", "no_answer", 0.0))]
    assert board.session.awaiting == 0


def test_an_accepted_pulse_is_asked_for_five_seconds_after_its_end(board: ScriptedBoard) -> None:
    command = board.session.pulse("light", 60_000)
    board.result(command, 0)
    assert board.poll(1_200) == [Result(command, "ACCEPTED", "none", 0.0)]
    board.result(command, 0)
    assert board.poll(1_250) == [], "said once"
    board.received.clear()
    asked = []
    for now_ms in range(1_300, 80_000, 100):
        assert not [e for e in alive(board, now_ms) if isinstance(e, Result)], "an accepted one is never given up"
        asked += [now_ms] * len(board.sent("PULSE"))
    assert asked[0] == 66_200 and asked[1] - asked[0] == 5_000
    board.result(command, 2, delivered=59_990)
    assert board.poll(80_000) == [Result(command, "DONE", "none", 59_990.0)] and board.session.awaiting == 0
    board.result(command, 2, delivered=59_990)
    assert board.poll(80_100) == [], "an answer to nothing"


def test_a_pump_may_last_as_long_as_its_row_says(board: ScriptedBoard) -> None:
    command = board.session.pulse("water_pump", 50)
    board.result(command, 0)
    board.poll(1_200)
    board.received.clear()
    asked = []
    for now_ms in range(1_300, 40_000, 100):
        alive(board, now_ms)
        asked += [now_ms] * len(board.sent("PULSE"))
    assert asked[0] == 1_200 + 30_000 + 5_000


def test_results_carry_value_reason_and_status_by_name(board: ScriptedBoard) -> None:
    command = board.session.configure("sample_period_ms", None)
    board.result(command, 2, config_value=10_000)
    refused = board.session.pulse("light", 5)
    board.result(refused, 1, reason=11)
    board.say("RESULT", status=1, reason=8, delivered=0, t_ms=0)
    assert board.poll(1_200) == [
        Result(command, "DONE", "none", 0.0, 10_000),
        Result(refused, "REJECTED", "min_pause", 0.0),
    ], "a RESULT without cmd_id belongs to no command"


def test_while_the_link_is_down_a_command_waits_and_is_sent_when_it_is_up() -> None:
    board = ScriptedBoard()
    command = board.session.pulse("light", 1_000)
    board.poll(0)
    assert [name for name, _ in board.sent()] == ["HELLO"]
    board.say("HELLO", **HELLO)
    events = board.poll(1_000)
    assert Result(command, "ABORTED", "reset", 0.0) in events, "it was asked of another boot"


def test_a_new_boot_ends_all_commands_and_begins_the_numbers_anew(board: ScriptedBoard) -> None:
    command = board.session.pulse("light", 1_000)
    board.sample(3)
    board.poll(1_100)
    board.say("HELLO", session=0, **(HELLO | {"boot_id": 6}))
    board.poll(1_200)
    board.say("HELLO", **(HELLO | {"boot_id": 6, "uptime_ms": 100}))
    events = board.poll(1_300)
    assert events[0] == Result(command, "ABORTED", "reset", 0.0)
    assert isinstance(events[1], Connected) and events[1].new_boot
    assert board.session.clock.board_from_host_ms(1_300) == 100
    board.sample(0, t_ms=50)
    (sample,) = board.poll(1_400)
    assert isinstance(sample, Sample) and (sample.boot_id, sample.seq, sample.host_ms) == (6, 0, 1_250.0)


def test_the_same_boot_keeps_commands_and_numbers(board: ScriptedBoard) -> None:
    command = board.session.pulse("light", 1_000)
    board.sample(0)
    board.poll(1_100)
    board.lost = "read"
    board.poll(1_200)
    board.lost = ""
    board.connect(2_000)
    assert board.session.awaiting == 1
    board.sample(0)
    assert board.poll(2_100) == [], "known already"
    board.result(command, 2)
    assert board.poll(2_200) == [Result(command, "DONE", "none", 0.0)]


def test_a_sample_in_units_with_its_time_and_why(board: ScriptedBoard) -> None:
    board.sample(0, 10_050, values=[2_412, 6_550, None], why={2: 4, 99: 1}, state=4)
    (got,) = board.poll(1_200)
    assert isinstance(got, Sample)
    assert (got.boot_id, got.seq, got.t_ms, got.host_ms, got.outputs) == (5, 0, 10_050, 1_050.0, 5)
    assert (got.values["air_temp_c"], got.values["rh_pct"], got.values["co2_ppm"]) == (24.12, 65.5, None)
    assert got.values["leak"] is None and got.why == {"co2_ppm": "out_of_range"}
    assert got.state == "SURVIVAL" and not got.backlog


def test_an_event_comes_once_and_one_that_the_line_lost_comes_later(board: ScriptedBoard) -> None:
    def event(seq: int, code: int = 2) -> list[LinkEvent]:
        board.say("EVENT", seq=seq, t_ms=10_100, event=code, a=1, b=-2)
        return board.poll(1_200)

    assert event(0) == [BoardEvent(5, 0, 10_100, 1_100.0, "pulse_start", 1, -2)]
    assert event(0) == [] and len(event(2)) == 1 and len(event(1)) == 1 and event(1) == event(2) == []
    assert event(3, 200) == [BoardEvent(5, 3, 10_100, 1_100.0, "code_200", 1, -2)]


def test_what_was_stored_before_is_not_handed_out_again() -> None:
    board = ScriptedBoard(is_stored=lambda item: item.seq == 0)
    board.connect(START)
    board.sample(0)
    board.sample(1)
    for seq in (0, 1):
        board.say("EVENT", seq=seq, t_ms=0, event=0, a=0, b=0)
    assert [(type(e), e.seq) for e in board.poll(1_100)] == [(Sample, 1), (BoardEvent, 1)]  # type: ignore[union-attr]


HEALTH: dict[str, Any] = {
    "t_ms": 77,
    "state": 2,
    "outputs": 3,
    "faults": 0b1001,
    "lease_ms": 4_000,
    "heap_free": 100_000,
    "tick_worst_us": 900,
    "rx_bad": 1,
    "tx_dropped": 2,
    "retained": 3,
    "lost": 4,
    "events_lost": 5,
    "hour_used": [1, 2],
    "day_used": [3, 4],
    "writes_today": 6,
    "weakened": 0b101,
}


def test_health_by_name(board: ScriptedBoard) -> None:
    board.say("HEALTH", **HEALTH)
    assert board.poll(1_100) == [
        Health(
            *(77, "READY", 3, ("leak", "no_flow"), 4_000, 100_000, 900, (1, 2), (3, 4), 1, 2, 3, 4, 6),
            ("flow_watch", "survival_light"),
        )
    ]


def fill(board: ScriptedBoard, first: int, last: int, now_ms: int) -> list[LinkEvent]:
    for seq in range(first, last + 1):
        board.sample(seq)
    return board.poll(now_ms)


def test_six_samples_are_acknowledged_when_an_earlier_poll_returned_them(board: ScriptedBoard) -> None:
    fill(board, 0, 5, 1_100)
    assert board.sent("ACK_UPTO") == [], "only now returned"
    board.poll(1_200)
    assert board.sent("ACK_UPTO") == [("ACK_UPTO", {"up_to": 5})]
    board.poll(1_300)
    assert board.sent("ACK_UPTO") == []
    fill(board, 6, 10, 1_400)
    board.poll(1_500)
    assert board.sent("ACK_UPTO") == [], "five are too few"
    fill(board, 11, 11, 1_600)
    assert board.sent("ACK_UPTO") == [("ACK_UPTO", {"up_to": 10})], "the sixth is only returned now"


def test_events_are_acknowledged_each_time_there_is_a_new_one(board: ScriptedBoard) -> None:
    for seq in range(2):
        board.say("EVENT", seq=seq, t_ms=0, event=0, a=0, b=0)
        board.poll(1_100)
        assert board.sent("ACK_UPTO") == []
        board.poll(1_200)
        assert board.sent("ACK_UPTO") == [("ACK_UPTO", {"events_up_to": seq})]
        board.poll(1_300)
        assert board.sent("ACK_UPTO") == []


def events_told(board: ScriptedBoard, *numbers: int) -> list[dict[str, int]]:
    """Some events arrive in one poll; what is acknowledged by the next."""
    for seq in numbers:
        board.say("EVENT", seq=seq, t_ms=0, event=0, a=0, b=0)
    board.poll(1_100)
    board.poll(1_200)
    return [fields for _, fields in board.sent("ACK_UPTO")]


def test_nothing_behind_an_event_that_the_line_lost_is_acknowledged(board: ScriptedBoard) -> None:
    """It would be lost for good: the board forgets what is acknowledged and all before it."""
    assert events_told(board, 0, 2, 3) == [{"events_up_to": 0}]
    assert events_told(board, 1, 2, 3) == [{"events_up_to": 3}], "the next round fills the gap"


def test_events_that_the_board_no_longer_has_are_given_up_when_a_second_round_begins_behind_them(
    board: ScriptedBoard,
) -> None:
    assert events_told(board, 4, 5) == [], "the first frames of this round may have been lost"
    assert events_told(board, 4, 5) == [{"events_up_to": 5}]
    assert events_told(board, 6) == [{"events_up_to": 6}]


def test_a_lost_acknowledgement_is_repeated(board: ScriptedBoard) -> None:
    assert events_told(board, 0, 1) == [{"events_up_to": 1}]
    assert events_told(board, 0, 1) == [{"events_up_to": 1}], "told again, so it was not heard"
    assert events_told(board) == []


def test_nothing_is_acknowledged_while_it_may_not_be_or_before_it_is_safe() -> None:
    allowed = [False]
    board = ScriptedBoard(may_acknowledge=lambda: allowed[0], samples_safe_after_ms=5_000, events_safe_after_ms=2_000)
    board.connect(START)
    board.say("EVENT", seq=0, t_ms=0, event=0, a=0, b=0)
    fill(board, 0, 6, 1_100)
    for now_ms in range(1_200, 9_000, 100):
        alive(board, now_ms)
    assert board.sent("ACK_UPTO") == []
    allowed[0] = True
    board.poll(9_000)
    assert board.sent("ACK_UPTO") == [("ACK_UPTO", {"up_to": 6, "events_up_to": 0})]
    slow = ScriptedBoard(samples_safe_after_ms=5_000, events_safe_after_ms=2_000)
    slow.connect(START)
    slow.say("EVENT", seq=0, t_ms=0, event=0, a=0, b=0)
    fill(slow, 0, 6, 1_100)
    acks = []
    for now_ms in range(1_200, 9_000, 100):
        alive(slow, now_ms)
        acks += [(now_ms, fields) for _, fields in slow.sent("ACK_UPTO")]
    assert acks == [(3_200, {"events_up_to": 0}), (6_200, {"up_to": 6})]


def test_a_new_boot_is_never_acknowledged_by_the_numbers_of_the_last() -> None:
    board = ScriptedBoard(samples_safe_after_ms=5_000, events_safe_after_ms=5_000)
    board.connect(START)
    for _ in range(2):
        board.say("EVENT", seq=9, t_ms=0, event=0, a=0, b=0)
    fill(board, 0, 9, 1_100)
    board.poll(1_200)
    board.poll(6_200)
    assert board.sent("ACK_UPTO") == [("ACK_UPTO", {"up_to": 9, "events_up_to": 9})]
    board.say("HELLO", session=0, **(HELLO | {"boot_id": 6}))
    board.poll(6_300)
    board.connect(6_400, boot_id=6)
    board.say("EVENT", seq=0, t_ms=0, event=0, a=0, b=0)
    fill(board, 0, 5, 6_500)
    acks = []
    for now_ms in range(6_600, 12_000, 100):
        alive(board, now_ms)
        acks += [(now_ms, fields) for _, fields in board.sent("ACK_UPTO")]
    assert acks == [(11_600, {"up_to": 5, "events_up_to": 0})]


def test_a_gap_is_asked_for_and_again_every_three_seconds(board: ScriptedBoard) -> None:
    fill(board, 0, 1, 1_100)
    board.sample(5)
    board.poll(1_200)
    assert board.sent("BACKFILL") == [("BACKFILL", {"first_seq": 2, "limit": 64})]
    asked = []
    for now_ms in range(1_300, 7_300, 100):
        alive(board, now_ms)
        asked += [now_ms] * len(board.sent("BACKFILL"))
    assert asked == [4_200, 7_200]


def test_old_samples_come_as_backlog_and_close_the_gap(board: ScriptedBoard) -> None:
    board.sample(3)
    board.poll(1_100)
    events = fill(board, 0, 2, 1_200)
    assert [(e.seq, e.backlog) for e in events] == [(0, True), (1, True), (2, True)]  # type: ignore[union-attr]
    board.received.clear()
    board.poll(9_000)
    assert board.sent("BACKFILL") == []


def test_what_the_board_no_longer_has_is_given_up(board: ScriptedBoard) -> None:
    """It sent two of four; the missing ones are lost for good, and the watermark moves on over them."""
    board.sample(4)
    board.poll(1_100)
    board.sample(1)
    board.sample(3)
    board.say("BACKFILL", first_seq=0, last_seq=3, count=2)
    board.poll(1_200)
    board.received.clear()
    fill(board, 5, 9, 1_300)
    board.poll(1_400)
    assert board.sent("BACKFILL") == [] and board.session._receipt._samples.whole_up_to == 9


@pytest.mark.parametrize(
    ("got", "first", "count", "moved"),
    [((1,), 0, 2, False), ((1, 3), 2, 1, False), ((1, 3), 0, 2, True), ((1, 3), 0, 1, True), ((), 0, 0, True)],
)
def test_a_lost_answer_of_a_backfill_loses_no_sample(
    board: ScriptedBoard, got: tuple[int, ...], first: int, count: int, moved: bool
) -> None:
    """The board says that it sent `count` from `first` on. Had one of them been lost on the line, it is asked again."""
    board.sample(4)
    board.poll(1_100)
    for seq in got:
        board.sample(seq)
    board.say("BACKFILL", first_seq=first, last_seq=3, count=count)
    board.received.clear()
    board.poll(1_200)
    asked = board.sent("BACKFILL")
    assert (asked == []) is moved
    assert moved or asked[0][1]["first_seq"] == 0


def test_the_newest_sample_counts_when_a_backfill_repeats_it(board: ScriptedBoard) -> None:
    board.sample(4)
    board.poll(1_100)
    board.sample(2)
    board.sample(4)
    board.say("BACKFILL", first_seq=0, last_seq=4, count=2)
    board.received.clear()
    board.poll(1_200)
    assert board.sent("BACKFILL") == []


def test_a_backfill_that_covers_more_than_there_is_stops_at_the_newest(board: ScriptedBoard) -> None:
    board.sample(4)
    board.poll(1_100)
    board.say("BACKFILL", first_seq=0, last_seq=100, count=0)
    board.poll(1_200)
    assert board.session._receipt._samples.whole_up_to == 4
    board.sample(5)
    assert len(board.poll(1_300)) == 1


def test_a_port_that_does_not_open_is_tried_after_half_a_second_one_two_five_and_ten() -> None:
    board = ScriptedBoard()
    board.absent = True
    for now_ms in range(0, 40_000, 100):
        assert board.poll(now_ms) == []
    assert board.opened_at == [0, 500, 1_500, 3_500, 8_500, 18_500, 28_500, 38_500]
    board.absent = False
    board.poll(48_500)
    assert [name for name, _ in board.sent()] == ["HELLO"], "greeted at once"


def test_a_lost_port_is_closed_reported_once_and_opened_after_half_a_second(board: ScriptedBoard) -> None:
    board.lost = "read"
    board.absent = True
    assert board.poll(2_000) == [Disconnected("unplugged")]
    assert board.ports[0].closed == 1 and not board.session.up
    for now_ms in range(2_100, 6_000, 100):
        assert board.poll(now_ms) == []
    assert board.opened_at[1:] == [2_500, 3_500, 5_500]
    board.lost, board.absent = "", False
    board.connect(10_500)
    assert board.session.up
    board.lost, board.absent = "read", True
    board.poll(11_000)
    board.poll(11_500)
    board.poll(12_400)
    board.poll(12_500)
    assert board.opened_at[-2:] == [11_500, 12_500], "the wait begins anew after a success"


def test_a_port_lost_before_the_greeting_is_no_disconnection() -> None:
    board = ScriptedBoard()
    board.poll(0)
    board.lost = "read"
    assert board.poll(100) == [] and board.ports[0].closed == 1


def test_a_write_that_fails_is_met_again_when_reading(board: ScriptedBoard) -> None:
    board.lost = "write"
    board.session.renew_lease(1_100)
    assert board.session.up
    board.lost = "read"
    assert board.poll(1_200) == [Disconnected("unplugged")]
    board.session.renew_lease(1_300)
    board.session.close()
    board.session.close()
    assert board.ports[0].closed == 1


def test_close_ends_the_session(board: ScriptedBoard) -> None:
    board.session.close()
    assert not board.session.up and board.ports[0].closed == 1
    ready = ScriptedBoard()
    ready.session.open_now()
    assert len(ready.ports) == 1
    ready.poll(0)
    assert len(ready.ports) == 1, "the open port is used"
    ready.absent = True
    with pytest.raises(TomatoError):
        ScriptedBoard.open(ready)


def test_each_poll_pushes_out_what_waits_and_reads_all_there_is(board: ScriptedBoard) -> None:
    before = board.ports[0].flushed
    board.poll(1_100)
    assert board.ports[0].flushed == before + 1
    board.arriving = b"\x07garbage\0"
    (fault,) = board.poll(1_200)
    assert isinstance(fault, ProtocolFault) and fault.text.startswith("8 bytes discarded: ")


def test_waiting_is_the_ports_and_short_without_one(board: ScriptedBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    assert board.session.wait(0.5) is False and board.ports[0].waited == [0.5]
    board.arriving = b"\0"
    assert board.session.wait(0.5) is True
    board.lost = "wait"
    assert board.session.wait(0.5) is True, "poll finds out"
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    lone = ScriptedBoard()
    assert lone.session.wait(0.1) is False and lone.session.wait(0.25) is False and lone.session.wait(2.0) is True
    assert slept == [0.1, 0.25, 0.25]


def test_the_numbers_of_the_page_are_the_ones_in_force() -> None:
    assert (sessions.PING_MS, sessions.SILENT_MS, sessions.BACKOFF_MS) == (
        12_000,
        17_000,
        (500, 1_000, 2_000, 5_000, 10_000),
    )
