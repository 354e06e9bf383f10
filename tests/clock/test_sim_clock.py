"""Simulated time: scaled against the wall, exact on every deadline, at once with scale 0."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tomato_host.loop.clock import SimClock

START = datetime(2026, 2, 14, 8, 0, tzinfo=UTC)


class FakeWall:
    """A wall whose sleeper moves it: scaled waits can be measured without waiting."""

    def __init__(self) -> None:
        self.ns = 1_000
        self.fires_after_s: float | None = None

    def wait(self, timeout_s: float) -> bool:
        if self.fires_after_s is not None and self.fires_after_s < timeout_s:
            self.ns += round(self.fires_after_s * 1e9)
            return True
        self.ns += round(timeout_s * 1e9) + 1
        return False


@pytest.mark.parametrize("scale", [1.0, 60.0, 120.0, 7_200.0])
def test_sim_clock_advances_by_scale(scale: float) -> None:
    wall = FakeWall()
    clock = SimClock(START, scale, real_monotonic_ns=lambda: wall.ns)
    begin_ns = wall.ns
    for deadline_ms in (600_000, 1_800_000, 7_200_000):
        clock.wait_until_ms(deadline_ms, wall)
        assert clock.monotonic_ms() == deadline_ms
        assert clock.now() == START + timedelta(milliseconds=deadline_ms)
    assert (wall.ns - begin_ns) / 1e9 == pytest.approx(7_200.0 / scale, rel=1e-6)


def test_scale_against_the_real_wall() -> None:
    import time

    clock = SimClock(START, 36_000.0)
    begin = time.monotonic()
    clock.wait_until_ms(3_600_000)
    assert 0.1 <= time.monotonic() - begin < 10.0


def test_scale_zero_jumps_at_once() -> None:
    import time

    clock = SimClock(START, 0)
    begin = time.monotonic()
    clock.wait_until_ms(365 * 86_400_000)
    assert time.monotonic() - begin < 10.0
    assert clock.now() == START + timedelta(days=365)


def test_work_between_waits_does_not_slow_the_day_down() -> None:
    wall = FakeWall()
    clock = SimClock(START, 100.0, real_monotonic_ns=lambda: wall.ns)
    clock.wait_until_ms(100_000, wall)
    begin_ns = wall.ns
    wall.ns += 400_000_000  # 0.4 s of work
    clock.wait_until_ms(200_000, wall)
    assert (wall.ns - begin_ns) / 1e9 == pytest.approx(1.0, abs=1e-3)


def test_a_wake_lands_between_deadlines() -> None:
    wall = FakeWall()
    clock = SimClock(START, 10.0, real_monotonic_ns=lambda: wall.ns)
    wall.fires_after_s = 0.5
    clock.wait_until_ms(60_000, wall)
    assert clock.monotonic_ms() == 5_000


def test_with_scale_zero_waiting_bytes_hold_time() -> None:
    wall = FakeWall()
    wall.fires_after_s = -1.0
    clock = SimClock(START, 0)
    clock.wait_until_ms(60_000, wall)
    assert clock.monotonic_ms() == 0


def test_time_never_goes_back() -> None:
    clock = SimClock(START, 0)
    clock.wait_until_ms(5_000)
    clock.wait_until_ms(1_000)
    clock.advance_to_ms(2_000)
    assert clock.monotonic_ms() == 5_000
    clock.advance_to_ms(9_000)
    assert clock.monotonic_ms() == 9_000


def test_start_is_kept_in_utc_and_must_be_aware() -> None:
    clock = SimClock(datetime(2026, 2, 14, 9, 0, tzinfo=timezone(timedelta(hours=1))), 0)
    assert clock.now() == START and clock.now().tzinfo is UTC
    with pytest.raises(ValueError, match="aware"):
        SimClock(datetime(2026, 2, 14, 9, 0), 0)
    with pytest.raises(ValueError, match="time_scale"):
        SimClock(START, -1)
