"""The machine's own time: monotonic whatever the wall clock does, and a wait that bytes can end."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

from tomato_host.loop.clock import RealClock


class SteppedTime:
    """A wall clock that a person sets back and a monotonic clock that nobody can touch."""

    def __init__(self) -> None:
        self.wall = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
        self.ns = 5_000_000_000

    def pass_ms(self, ms: int) -> None:
        self.wall += timedelta(milliseconds=ms)
        self.ns += ms * 1_000_000


def test_real_clock_monotonicity() -> None:
    clock = RealClock()
    readings = [clock.monotonic_ms() for _ in range(10_000)]
    assert all(later >= earlier for earlier, later in itertools.pairwise(readings))
    assert clock.now().tzinfo is UTC
    assert abs((clock.now() - datetime.now(UTC)).total_seconds()) < 1.0


def test_wall_clock_steps_do_not_disturb_monotonic_time() -> None:
    time = SteppedTime()
    clock = RealClock(wall=lambda: time.wall, monotonic_ns=lambda: time.ns)
    before_ms = clock.monotonic_ms()
    time.pass_ms(1_000)
    time.wall -= timedelta(hours=3)
    assert clock.monotonic_ms() - before_ms == 1_000
    assert clock.now() == datetime(2026, 3, 1, 9, 0, 1, tzinfo=UTC)


def test_wait_ends_at_the_deadline_and_not_before() -> None:
    clock = RealClock()
    begin_ms = clock.monotonic_ms()
    clock.wait_until_ms(begin_ms + 30)
    assert 30 <= clock.monotonic_ms() - begin_ms < 10_000


def test_bytes_end_a_wait_early() -> None:
    class Ready:
        asked: list[float] = []

        def wait(self, timeout_s: float) -> bool:
            self.asked.append(timeout_s)
            return True

    clock, wake = RealClock(), Ready()
    begin_ms = clock.monotonic_ms()
    clock.wait_until_ms(begin_ms + 60_000, wake)
    assert clock.monotonic_ms() - begin_ms < 30_000
    assert 59.0 < wake.asked[0] <= 60.0


def test_a_passed_deadline_does_not_wait() -> None:
    clock = RealClock()
    begin_ms = clock.monotonic_ms()
    clock.wait_until_ms(begin_ms - 5_000)
    assert clock.monotonic_ms() - begin_ms < 4_000
