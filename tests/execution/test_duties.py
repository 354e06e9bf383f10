"""A planned duty follows another one in step: however often it is decided anew, its share of time is kept."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.execution.output_job import Segment

from shared_schemas.records import ActionV1
from tests.execution.bench import Bench, asked, light


@pytest.fixture
def bench() -> Bench:
    return Bench()


def exhaust(share: float, key: str, at_ms: int = 0) -> ActionV1:
    """A duty of two hours in three strokes."""
    seconds = round(7_200.0 * share)
    return asked("SET_EXHAUST_FAN", key, at_ms=at_ms, state="ON", seconds=float(seconds), period_s=7_200.0, pulses=3)


def minutes(count: float) -> int:
    return round(count * 60_000)


def test_the_strokes_of_a_duty_that_replaces_another_stay_in_step(bench: Bench) -> None:
    """16 minutes of 40: at the half hour the fan rests, and the next stroke is due ten minutes later, not at once."""
    bench.start(exhaust(0.4, "first"))
    bench.result(minutes(16), 1, "DONE", delivered=900_000)
    bench.tick(minutes(16))
    bench.start(exhaust(0.4, "again"), minutes(30))
    assert bench.executor.next_due_ms() == minutes(40)
    bench.start(exhaust(0.2, "less"), minutes(36))
    assert bench.executor.next_due_ms() == minutes(40), "the step counts from the last stroke there was"
    bench.tick(minutes(40))
    assert bench.pulses[-1] == (minutes(8), minutes(40)) and bench.line.stops == []


def test_a_duty_of_shorter_steps_begins_as_soon_as_its_own_step_is_over(bench: Bench) -> None:
    bench.start(exhaust(0.2, "first"))
    bench.result(minutes(8), 1, "DONE", delivered=480_000)
    bench.tick(minutes(8))
    eight: dict[str, Any] = {"state": "ON", "seconds": 1_440.0, "period_s": 7_200.0, "pulses": 8}
    bench.start(asked("SET_EXHAUST_FAN", "often", **eight), minutes(20))
    assert bench.pulses[-1] == (minutes(3), minutes(20)), "a quarter of an hour has passed"


def test_a_stroke_under_way_goes_on_for_what_the_new_duty_has_left(bench: Bench) -> None:
    bench.start(exhaust(0.6, "first"))
    bench.start(exhaust(0.6, "again"), minutes(20))
    job = bench.executor.jobs["exhaust_fan"]
    assert [(s.start_ms, s.left) for s in job.segments] == [
        (minutes(0), minutes(24)),
        (minutes(40), minutes(24)),
        (minutes(80), minutes(24)),
    ]
    assert bench.pulses[-1] == (minutes(4), minutes(20)) and bench.line.stops == []


def test_a_stroke_that_was_longer_than_the_new_duty_s_ends_at_once(bench: Bench) -> None:
    bench.start(exhaust(0.6, "first"))
    bench.start(exhaust(0.2, "less"), minutes(20))
    assert bench.line.stops == ["exhaust_fan"]
    job = bench.executor.jobs["exhaust_fan"]
    assert [(s.start_ms, s.left) for s in job.segments] == [(minutes(40), minutes(8)), (minutes(80), minutes(8))]


def test_in_step_whenever_the_first_one_began(bench: Bench) -> None:
    begun = minutes(7)
    bench.start(exhaust(0.6, "first"), begun)
    bench.start(exhaust(0.6, "again"), begun)
    bench.start(exhaust(0.6, "once-more"), begun + minutes(10))
    assert bench.line.stops == [] and bench.executor.jobs["exhaust_fan"].segments[0] == Segment(begun, minutes(24))
    bench.start(exhaust(0.2, "less"), begun + minutes(20))
    bench.start(exhaust(0.2, "less-again"), begun + minutes(25))
    assert bench.line.stops == ["exhaust_fan"] and bench.executor.next_due_ms() == begun + minutes(40)


def test_a_stroke_that_was_longer_than_the_new_duty_s_step_is_none_of_its_strokes(bench: Bench) -> None:
    bench.start(exhaust(0.6, "first"), minutes(7))
    often: dict[str, Any] = {"state": "ON", "seconds": 1_440.0, "period_s": 7_200.0, "pulses": 8}
    for key, now_ms in (("at-its-end", minutes(22)), ("after-it", minutes(37))):
        bench.start(asked("SET_EXHAUST_FAN", key, **often), now_ms)
        assert bench.pulses[-1] == (minutes(3), now_ms) and bench.line.stops == []
        strokes = bench.executor.jobs["exhaust_fan"].segments
        assert [one.start_ms for one in strokes] == [now_ms + number * minutes(15) for number in range(8)]
        bench.start(exhaust(0.6, f"long-{key}"), now_ms)


def test_two_strokes_are_a_duty(bench: Bench) -> None:
    two: dict[str, Any] = {"state": "ON", "seconds": 1_440.0, "period_s": 7_200.0, "pulses": 2}
    bench.start(asked("SET_EXHAUST_FAN", "first", **two))
    bench.result(minutes(12), 1, "DONE", delivered=720_000)
    bench.tick(minutes(12))
    bench.start(asked("SET_EXHAUST_FAN", "again", **two), minutes(30))
    assert bench.executor.next_due_ms() == minutes(60)


def test_after_a_single_stroke_a_duty_begins_with_one(bench: Bench) -> None:
    bench.start(exhaust(0.4, "duty"))
    bench.result(minutes(16), 1, "DONE", delivered=960_000)
    bench.tick(minutes(16))
    bench.start(asked("SET_EXHAUST_FAN", "once", state="ON", seconds=60.0, period_s=7_200.0, pulses=1), minutes(20))
    bench.result(minutes(21), 2, "DONE", delivered=60_000)
    bench.tick(minutes(21))
    bench.start(exhaust(0.4, "duty-again"), minutes(22))
    assert bench.executor.jobs["exhaust_fan"].segments[0].start_ms == minutes(22)


def test_mist_that_is_under_way_is_given_once(bench: Bench) -> None:
    """Strokes of 6 minutes are pulses of 5 and 1: after the first pulse one minute is left, whoever decides."""
    duty: dict[str, Any] = {"state": "ON", "seconds": 1_440.0, "period_s": 7_200.0, "pulses": 4}
    bench.start(asked("SET_HUMIDIFIER", "first", **duty), minutes(7))
    bench.start(asked("SET_HUMIDIFIER", "again", **duty), minutes(10))
    assert bench.pulses == [(minutes(5), minutes(7))]
    bench.result(minutes(12), 1, "DONE", delivered=300_000)
    bench.tick(minutes(12), minutes(13))
    assert bench.pulses[1:] == [(minutes(1), minutes(12))]
    assert bench.executor.jobs["humidifier"].segments[1].start_ms == minutes(37)


def test_a_duty_that_leaves_its_strokes_open_begins_with_one(bench: Bench) -> None:
    for key, now_ms in (("first", 0), ("again", minutes(10))):
        bench.start(asked("SET_EXHAUST_FAN", key, state="ON", seconds=1_440.0, period_s=7_200.0), now_ms)
        assert bench.executor.jobs["exhaust_fan"].segments[0].start_ms == now_ms


@pytest.mark.parametrize("before", [light(key="hold"), asked("SET_EXHAUST_FAN", "hold", state="ON", seconds=7_200.0)])
def test_after_a_hold_a_duty_begins_with_a_stroke(bench: Bench, before: ActionV1) -> None:
    bench.start(before)
    bench.start(exhaust(0.4, "duty"), minutes(30))
    assert bench.executor.jobs["exhaust_fan"].segments[0].start_ms == minutes(30)


class FanOfTheBoard:
    """Carries out what the executor asks of one relay, and counts its time on."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.on_ms, self.strokes = bench, 0, 0
        self._end_ms, self._seen, self._stops = 0, 0, 0
        self._now_ms = 0

    def look(self, now_ms: int) -> None:
        """Time until now has passed; take what was asked for at this moment."""
        line = self.bench.line
        self.on_ms += max(0, min(self._end_ms, now_ms) - self._now_ms)
        is_over = self._seen and self._now_ms < self._end_ms <= now_ms
        self._now_ms = now_ms
        if is_over:
            self.bench.result(now_ms, self._seen, "DONE", delivered=1)
        if len(line.stops) > self._stops:
            self._stops, self._end_ms = len(line.stops), now_ms
            self.bench.result(now_ms, self._seen, "ABORTED", "stopped", delivered=1)
        while len(line.pulses) > self._seen:
            self._seen += 1
            self.strokes += self._end_ms <= now_ms
            self._end_ms = now_ms + line.pulses[self._seen - 1][2]
            if self._seen > 1:
                self.bench.result(now_ms, self._seen - 1, "DONE", delivered=1)


@given(
    share=st.floats(0.03, 0.9), gaps=st.lists(st.integers(1, 120), min_size=20, max_size=40), strokes=st.integers(2, 8)
)
@settings(max_examples=40, deadline=None)
def test_a_duty_is_kept_however_often_it_is_decided_anew(share: float, gaps: list[int], strokes: int) -> None:
    """The time on is never more than two strokes away from the share, and no stroke is added."""
    bench = Bench()
    fan, now_ms, seconds = FanOfTheBoard(bench), 0, float(round(7_200.0 * share))
    for number, gap in enumerate(gaps):
        bench.start(
            asked(
                "SET_EXHAUST_FAN",
                f"{number}",
                at_ms=now_ms,
                state="ON",
                seconds=seconds,
                period_s=7_200.0,
                pulses=strokes,
            ),
            now_ms,
        )
        fan.look(now_ms)
        for tick_ms in range(now_ms, now_ms + minutes(gap) + 1, 10_000):
            bench.tick(tick_ms)
            fan.look(tick_ms)
        now_ms += minutes(gap)
    stroke_ms = seconds * 1_000.0 / strokes
    assert abs(fan.on_ms - share * now_ms) <= 2 * stroke_ms + 0.01 * now_ms
    assert fan.strokes <= now_ms / (7_200_000.0 / strokes) + 2
