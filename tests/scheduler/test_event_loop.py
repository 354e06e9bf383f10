"""The scheduler: order, cadence, catch-up after a stall, one-shots, event-driven runs, a graceful end."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from tomato_host.loop.clock import RealClock, SimClock
from tomato_host.loop.scheduler import Run, Scheduler

START = datetime(2026, 2, 14, 0, 0, tzinfo=UTC)
HOUR_MS = 3_600_000


def scheduler(scale: float = 0.0) -> tuple[SimClock, Scheduler]:
    clock = SimClock(START, scale)
    return clock, Scheduler(clock)


def test_periodic_task_execution_order() -> None:
    clock, sched = scheduler()
    seen: list[tuple[int, str]] = []

    def note(run: Run) -> None:
        assert run.now_ms == run.due_ms == clock.monotonic_ms()
        seen.append((run.now_ms, run.name))

    sched.every("log", 2_000, note, priority=50)
    sched.every("act", 1_000, note, priority=20)
    sched.every("guard", 2_000, note, priority=10)
    sched.every("also", 2_000, note, priority=10)
    sched.run(until_ms=4_000)
    # At equal times: by priority, then by order of registration.
    tick = ["guard", "also", "act", "log"]
    expected = [(0, n) for n in tick] + [(1_000, "act")] + [(2_000, n) for n in tick] + [(3_000, "act")]
    assert seen == expected
    assert clock.monotonic_ms() == 4_000


@pytest.mark.parametrize("scale", [0.0, 1_000_000.0, 5_000_000.0])
def test_two_hour_logical_cycle_completion(scale: float) -> None:
    clock, sched = scheduler(scale)
    cycles: list[int] = []
    states: list[int] = []
    sched.every("state", HOUR_MS // 2, lambda run: states.append(run.now_ms), priority=10)
    sched.every("cycle", 2 * HOUR_MS, lambda run: cycles.append(run.now_ms), priority=20)
    sched.run(until_ms=24 * HOUR_MS)
    assert cycles == [n * 2 * HOUR_MS for n in range(12)]
    assert states == [n * HOUR_MS // 2 for n in range(48)]
    assert clock.monotonic_ms() == 24 * HOUR_MS
    assert sched.counts() == {"state": (48, 0), "cycle": (12, 0)}


def test_graceful_shutdown() -> None:
    clock, sched = scheduler()
    seen: list[str] = []

    def stopper(run: Run) -> None:
        seen.append("begin")
        sched.stop()
        seen.append("end")

    sched.every("work", 1_000, lambda run: seen.append("work"), first_after_ms=0)
    sched.once("stop", 2_500, stopper)
    sched.once("never", 2_500, lambda run: seen.append("never"), priority=200)
    sched.run(until_ms=HOUR_MS)
    # The task in hand ends, nothing after it begins, time stands where it was.
    assert seen == ["work", "work", "work", "begin", "end"]
    assert clock.monotonic_ms() == 2_500 and sched.stopping


def test_a_stop_from_outside_ends_a_real_wait_soon() -> None:
    sched = Scheduler(RealClock())
    sched.every("rare", HOUR_MS, lambda run: None, first_after_ms=HOUR_MS)
    threading.Timer(0.05, sched.stop).start()
    begin = time.monotonic()
    sched.run()
    assert time.monotonic() - begin < 30.0


def test_a_stop_before_the_run_is_not_forgotten() -> None:
    _, sched = scheduler()
    sched.every("work", 1_000, lambda run: pytest.fail("ran after stop"))
    sched.stop()
    sched.run(until_ms=10_000)


def test_after_a_stall_a_task_runs_once_and_the_missed_runs_are_counted() -> None:
    clock, sched = scheduler()
    runs: list[Run] = []
    sched.every("sample", 10_000, runs.append)
    sched.run_pending()
    clock.advance_to_ms(57_000)
    sched.run_pending()
    sched.run(until_ms=75_000)
    assert [(r.due_ms, r.now_ms, r.missed) for r in runs] == [
        (0, 0, 0),
        (10_000, 57_000, 4),
        (60_000, 60_000, 0),
        (70_000, 70_000, 0),
    ]
    assert sched.counts()["sample"] == (4, 4)


def test_one_shots_run_once_and_free_their_name() -> None:
    _, sched = scheduler()
    seen: list[int] = []

    def again(run: Run) -> None:
        seen.append(run.now_ms)
        if len(seen) < 3:
            sched.once("shot", 1_000, again)

    sched.once("shot", 500, again)
    sched.run()
    assert seen == [500, 1_500, 2_500]


def test_period_can_change_and_tasks_can_be_cancelled() -> None:
    _, sched = scheduler()
    seen: list[int] = []
    sched.every("sample", 10_000, lambda run: seen.append(run.now_ms))
    sched.once("denser", 20_000, lambda run: sched.set_period("sample", 5_000), priority=200)
    sched.once("enough", 33_000, lambda run: sched.cancel("sample"))
    sched.run(until_ms=60_000)
    assert seen == [0, 10_000, 20_000, 25_000, 30_000]


def test_a_suspended_task_misses_its_moments_uncounted_and_goes_on_at_the_next_of_its_grid() -> None:
    clock, sched = scheduler()
    seen: list[int] = []
    sched.every("watch", 1_000, lambda run: seen.append(run.now_ms))
    sched.run(until_ms=1_500)
    sched.suspend("watch")
    sched.suspend("watch")
    assert sched.next_due_ms() is None, "nothing wakes for it"
    sched.run(until_ms=4_200)
    sched.resume("watch")
    sched.resume("watch")
    sched.run(until_ms=6_500)
    assert seen == [0, 1_000, 5_000, 6_000]
    assert sched.counts()["watch"] == (4, 0)
    sched.suspend("watch")
    clock.wait_until_ms(8_000)
    sched.resume("watch")
    sched.run(until_ms=8_500)
    assert seen[4:] == [8_000], "the moment of the resumption itself is one of the grid"


def test_a_task_that_suspends_itself_does_not_run_again() -> None:
    _, sched = scheduler()
    seen: list[int] = []

    def once(run: Run) -> None:
        seen.append(run.now_ms)
        sched.suspend("once")

    sched.every("once", 100, once)
    sched.every("other", 1_000, lambda run: None)
    sched.run(until_ms=2_500)
    assert seen == [0]


def test_a_raising_task_keeps_the_cadence() -> None:
    _, sched = scheduler()
    seen: list[int] = []

    def flaky(run: Run) -> None:
        seen.append(run.now_ms)
        if len(seen) == 2:
            raise OSError("the port vanished")

    sched.every("flaky", 1_000, flaky)
    with pytest.raises(OSError, match="vanished"):
        sched.run(until_ms=4_000)
    sched.run(until_ms=4_000)
    assert seen == [0, 1_000, 2_000, 3_000]


def test_waking_bytes_are_handed_on_and_do_not_move_the_schedule() -> None:
    clock = RealClock()
    sched = Scheduler(clock)
    woken: list[int] = []

    class Bytes:
        left = 3

        def wait(self, timeout_s: float) -> bool:
            if self.left:
                self.left -= 1
                return True
            time.sleep(min(timeout_s, 0.005))
            return False

    sched.run(until_ms=clock.monotonic_ms() + 40, wake=Bytes(), on_wake=woken.append)
    assert len(woken) == 3


def test_names_and_periods_are_checked() -> None:
    _, sched = scheduler()
    sched.every("a", 1_000, lambda run: None)
    with pytest.raises(ValueError, match="registered already"):
        sched.every("a", 1_000, lambda run: None)
    with pytest.raises(ValueError, match="positive"):
        sched.every("b", 0, lambda run: None)


def test_two_schedulers_with_the_same_tasks_take_the_same_steps() -> None:
    def trace() -> list[tuple[str, int]]:
        _, sched = scheduler()
        seen: list[tuple[str, int]] = []
        for order, period in enumerate((700, 1_100, 300, 1_100, 500)):
            name = f"t{order}"
            sched.every(name, period, lambda run: seen.append((run.name, run.now_ms)), priority=order % 2)
        sched.run(until_ms=60_000)
        return seen

    first = trace()
    assert first == trace() and len(first) > 500
