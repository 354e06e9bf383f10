"""The executor: bounded pulses, renewal before the end, honest outcomes. Line and guardrails are plain recorders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.brain.execution.executor import RENEW_BEFORE_MS, Executor
from tomato_host.brain.execution.output_job import plan_segments

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionType, ActionV1
from shared_schemas.records.action_v1 import Params

START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
TICK_MS = 2_400


@dataclass(frozen=True)
class Word:
    """A RESULT as the board would send it."""

    cmd_id: int
    status: str
    reason: str = ""
    delivered: float = 0.0


class RecordedLine:
    """Stands for the link: keeps what was asked."""

    def __init__(self) -> None:
        self.pulses: list[tuple[int, str, int, int]] = []
        self.stops: list[str] = []
        self._next = 0

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        self._next += 1
        self.pulses.append((self._next, output, amount, now_ms))
        return self._next

    def stop(self, output: str, now_ms: int) -> int:
        self._next += 1
        self.stops.append(output)
        return self._next

    def stop_all(self, now_ms: int) -> int:
        self._next += 1
        self.stops.append("all")
        return self._next


class GenerousDoor:
    """Stands for the guardrails' second phase: grants all, keeps the ledger."""

    def __init__(self) -> None:
        self.drawn = 0.0
        self.delivered = 0.0
        self.released: list[str | None] = []

    def allocate(self, action: ActionV1, amount: float, now: datetime) -> float:
        self.drawn += amount
        return amount

    def settle(self, action: ActionV1, drawn: float, delivered: float, now: datetime) -> None:
        self.drawn -= drawn
        self.delivered += delivered

    def refund(self, action: ActionV1, drawn: float) -> None:
        self.drawn -= drawn

    def release(self, action: ActionV1) -> None:
        self.released.append(action.id)


def action(kind: ActionType, **params: Any) -> ActionV1:
    return ActionV1(schema_version="action_v1", ts=START, type=kind, params=Params(**params), id=f"a-{kind.value}")


def at(now_ms: int) -> datetime:
    return START + timedelta(milliseconds=now_ms)


@pytest.fixture
def line() -> RecordedLine:
    return RecordedLine()


@pytest.fixture
def guardrails() -> GenerousDoor:
    return GenerousDoor()


@pytest.fixture
def executor(line: RecordedLine, guardrails: GenerousDoor) -> Executor:
    return Executor(line, guardrails)


def run_hold(executor: Executor, line: RecordedLine, until_ms: int) -> None:
    """Play a board that ends or supersedes each pulse as the protocol says."""
    open_pulse: tuple[int, int, int] | None = None
    seen = 0
    for now_ms in range(0, until_ms, TICK_MS):
        if open_pulse and now_ms >= open_pulse[1]:
            executor.on_result(Word(open_pulse[0], "DONE", delivered=open_pulse[1] - open_pulse[2]), now_ms, at(now_ms))
            open_pulse = None
        executor.tick(now_ms, at(now_ms))
        for command, _, amount, asked_ms in line.pulses[seen:]:
            seen += 1
            if open_pulse:
                executor.on_result(
                    Word(open_pulse[0], "DONE", delivered=asked_ms - open_pulse[2]), asked_ms, at(asked_ms)
                )
            open_pulse = (command, asked_ms + amount, asked_ms)
            executor.on_result(Word(command, "ACCEPTED"), asked_ms, at(asked_ms))


def test_a_long_light_is_renewed_before_each_pulse_ends(executor: Executor, line: RecordedLine) -> None:
    executor.start(action(ActionType.SET_LIGHT, state="ON", seconds=3600.0), (), 0, START)
    run_hold(executor, line, 3_620_000)
    row = OUTPUT_BY_NAME["light"]
    ends = [asked + amount for _, _, amount, asked in line.pulses]
    gaps = [end - asked for end, (_, _, _, asked) in zip(ends, line.pulses[1:], strict=False)]
    assert all(0 < gap <= RENEW_BEFORE_MS for gap in gaps), "never dark between two pulses"
    assert all(amount <= row.max_on_ms for _, _, amount, _ in line.pulses)
    assert abs(ends[-1] - 3_600_000) <= TICK_MS
    (done,) = executor.pop_finished()
    assert done.outcome is not None and done.outcome.status == "DONE"
    assert done.outcome.delivered_s == pytest.approx(3600.0, abs=2.5)


def test_the_ledger_of_a_renewed_light_balances(
    executor: Executor, line: RecordedLine, guardrails: GenerousDoor
) -> None:
    executor.start(action(ActionType.SET_LIGHT, state="ON", seconds=7200.0), (), 0, START)
    run_hold(executor, line, 7_220_000)
    assert guardrails.drawn == pytest.approx(0.0, abs=1e-6)
    assert guardrails.delivered == pytest.approx(7200.0, abs=2.5)
    assert guardrails.released == ["a-SET_LIGHT"]


def test_a_large_dose_is_split_and_reported_whole(executor: Executor, line: RecordedLine) -> None:
    executor.start(action(ActionType.WATER, ml=400.0, pulses=1), (), 0, START)
    executor.on_result(Word(1, "DONE", delivered=200), 12_000, at(12_000))
    executor.tick(30_000, at(30_000))
    assert len(line.pulses) == 1, "the pause between two pulses is kept"
    executor.tick(72_000, at(72_000))
    executor.on_result(Word(2, "DONE", delivered=198), 90_000, at(90_000))
    (done,) = executor.pop_finished()
    assert [amount for _, _, amount, _ in line.pulses] == [200, 200]
    assert done.outcome is not None
    assert (done.outcome.status, done.outcome.delivered_ml) == ("DONE", 398.0)


def test_a_dose_refused_by_the_board_is_not_repeated(executor: Executor, line: RecordedLine) -> None:
    executor.start(action(ActionType.WATER, ml=100.0), (), 0, START)
    executor.on_result(Word(1, "REJECTED", "leak"), 50, at(50))
    executor.tick(120_000, at(120_000))
    (done,) = executor.pop_finished()
    assert len(line.pulses) == 1
    assert done.outcome is not None
    assert (done.outcome.status, done.outcome.reason) == ("REJECTED_BY_BOARD", "leak")


def test_what_passes_by_itself_is_waited_for(executor: Executor, line: RecordedLine, guardrails: GenerousDoor) -> None:
    executor.start(action(ActionType.WATER, ml=100.0), (), 0, START)
    executor.on_result(Word(1, "REJECTED", "saving"), 50, at(50))
    executor.tick(2_400, at(2_400))
    executor.on_result(Word(2, "DONE", delivered=100), 8_000, at(8_000))
    (done,) = executor.pop_finished()
    assert [amount for _, _, amount, _ in line.pulses] == [100, 100]
    assert done.outcome is not None and done.outcome.status == "DONE"
    assert (guardrails.drawn, guardrails.delivered) == (0.0, 100.0)


def test_a_lost_link_ends_doses_counts_them_whole_and_resumes_holds(
    executor: Executor, line: RecordedLine, guardrails: GenerousDoor
) -> None:
    executor.start(action(ActionType.WATER, ml=100.0), (), 0, START)
    executor.start(action(ActionType.SET_LIGHT, state="ON", seconds=600.0), (), 0, START)
    executor.on_link_lost(5_000, at(5_000))
    assert executor.pop_finished() == [], "how the dose ended, only the board can tell"
    (dose,) = executor.pop_unconfirmed()
    assert dose.action.type is ActionType.WATER and (dose.reason, dose.delivered) == ("link lost", 0.0)
    assert executor.pop_unconfirmed() == []
    assert guardrails.delivered == pytest.approx(100.0 + 600.0), "what was under way counts as delivered"
    executor.tick(10_000, at(10_000))
    assert line.pulses[-1][1] == "light", "the light goes on after the reconnect"


def test_off_stops_the_output_and_closes_the_old_action(executor: Executor, line: RecordedLine) -> None:
    executor.start(action(ActionType.SET_EXHAUST_FAN, state="ON", seconds=600.0), (), 0, START)
    executor.start(action(ActionType.SET_EXHAUST_FAN, state="OFF"), ("exhaust_fan",), 1_000, at(1_000))
    executor.on_result(Word(1, "ABORTED", "stopped", delivered=1_000), 1_010, at(1_010))
    assert line.stops == ["exhaust_fan"]
    outcomes = {a.params.state: a.outcome for a in executor.pop_finished()}
    assert outcomes["OFF"] is not None and outcomes["OFF"].status == "DONE"
    assert outcomes["ON"] is not None and outcomes["ON"].delivered_s == 1.0


@given(
    kind=st.sampled_from([ActionType.SET_HUMIDIFIER, ActionType.SET_CIRCULATION_FAN, ActionType.CO2_INJECT]),
    seconds=st.floats(1.0, 7200.0),
    period_s=st.one_of(st.none(), st.floats(900.0, 7200.0)),
)
@settings(max_examples=60, deadline=None)
def test_segments_give_exactly_what_was_asked(kind: ActionType, seconds: float, period_s: float | None) -> None:
    seconds = min(seconds, period_s or seconds)
    state = None if kind is ActionType.CO2_INJECT else "ON"
    asked = action(kind, seconds=seconds, period_s=period_s, state=state)
    output = {"CO2_INJECT": "co2_solenoid"}.get(kind.value, kind.value.removeprefix("SET_").lower())
    segments = plan_segments(asked, OUTPUT_BY_NAME[output], 1_000)
    assert sum(segment.left for segment in segments) == round(seconds * 1000)
    assert segments == sorted(segments, key=lambda s: s.start_ms)
    if period_s is not None:
        assert segments[-1].start_ms <= 1_000 + period_s * 1000
