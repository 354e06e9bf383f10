"""Daily tasks by the wall of Vienna: both change days, steps of the clock, long stalls."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tomato_host.brain.local_time import hours_since, local_moment, stamped
from tomato_host.loop.clock import RealClock, SimClock
from tomato_host.loop.scheduler import Scheduler

VIENNA = ZoneInfo("Europe/Vienna")
DAY_MS = 86_400_000


def local_runs(start: datetime, days: int, at: str) -> list[str]:
    clock = SimClock(start, 0)
    sched = Scheduler(clock)
    seen: list[str] = []
    sched.daily("nightly", at, VIENNA, lambda run: seen.append(f"{clock.now().astimezone(VIENNA):%m-%d %H:%M %z}"))
    sched.run(until_ms=days * DAY_MS)
    return seen


def test_daily_task_keeps_local_time_over_both_changes() -> None:
    spring = local_runs(datetime(2026, 3, 27, 12, tzinfo=UTC), 4, "00:10")
    assert spring == ["03-28 00:10 +0100", "03-29 00:10 +0100", "03-30 00:10 +0200", "03-31 00:10 +0200"]
    autumn = local_runs(datetime(2026, 10, 23, 12, tzinfo=UTC), 4, "00:10")
    assert autumn == ["10-24 00:10 +0200", "10-25 00:10 +0200", "10-26 00:10 +0100", "10-27 00:10 +0100"]


def test_a_time_in_the_gap_runs_when_the_gap_ends() -> None:
    assert local_runs(datetime(2026, 3, 28, 12, tzinfo=UTC), 2, "02:30") == ["03-29 03:00 +0200", "03-30 02:30 +0200"]


def test_a_doubled_time_runs_once_at_the_first() -> None:
    assert local_runs(datetime(2026, 10, 24, 12, tzinfo=UTC), 2, "02:30") == ["10-25 02:30 +0200", "10-26 02:30 +0100"]


def test_local_moment_is_plain_on_plain_days() -> None:
    assert local_moment(date(2026, 7, 1), time(6, 0), VIENNA) == datetime(2026, 7, 1, 4, 0, tzinfo=UTC)


def test_elapsed_hours_are_not_wall_hours() -> None:
    # 20:00 to 10:00 of the next wall day is 13 h over the spring change and 15 h over the autumn one.
    assert hours_since(time(20), datetime(2026, 3, 29, 8, tzinfo=UTC), VIENNA) == 13.0
    assert hours_since(time(20), datetime(2026, 10, 25, 9, tzinfo=UTC), VIENNA) == 15.0
    assert hours_since(time(6), datetime(2026, 7, 1, 4, tzinfo=UTC), VIENNA) == 0.0


def test_a_stamp_reckons_by_elapsed_time_through_the_doubled_hour() -> None:
    moment = datetime(2026, 10, 25, 1, 0, 5, tzinfo=UTC)  # 02:00:05 for the second time
    stamp = stamped(moment, VIENNA)
    assert stamp.isoformat() == "2026-10-25T02:00:05+01:00" and stamp == moment
    assert stamp - timedelta(seconds=10) == moment - timedelta(seconds=10)
    assert stamped(stamp - timedelta(seconds=10), VIENNA).isoformat() == "2026-10-25T02:59:55+02:00"
    # With a zone attached the same reckoning goes an hour wrong: this is what the stamp is for.
    zoned = moment.astimezone(VIENNA) - timedelta(seconds=10)
    assert zoned.astimezone(UTC) != moment - timedelta(seconds=10)


class SetClock:
    """A wall clock that a person sets, beside a monotonic count that goes on."""

    def __init__(self, start: datetime) -> None:
        self.wall = start
        self.ns = 0

    def pass_s(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.ns += round(seconds * 1e9)


def set_clock_scheduler(start: datetime) -> tuple[SetClock, Scheduler, list[str]]:
    body = SetClock(start)
    sched = Scheduler(RealClock(wall=lambda: body.wall, monotonic_ns=lambda: body.ns))
    seen: list[str] = []
    sched.daily("nightly", "00:10", VIENNA, lambda run: seen.append(f"{body.wall.astimezone(VIENNA):%m-%d %H:%M}"))
    return body, sched, seen


def run_hours(body: SetClock, sched: Scheduler, hours: float) -> None:
    for _ in range(round(hours * 60)):
        body.pass_s(60)
        sched.run_pending()


def test_a_clock_set_forward_brings_the_daily_task_forward() -> None:
    body, sched, seen = set_clock_scheduler(datetime(2026, 6, 1, 8, tzinfo=UTC))
    body.wall += timedelta(hours=12)
    run_hours(body, sched, 4)
    assert seen == ["06-02 00:10"]


def test_a_clock_set_back_does_not_repeat_the_day() -> None:
    body, sched, seen = set_clock_scheduler(datetime(2026, 6, 1, 21, 55, tzinfo=UTC))
    run_hours(body, sched, 1)
    body.wall -= timedelta(hours=2)
    run_hours(body, sched, 26)
    assert seen == ["06-02 00:10", "06-03 00:10"]


def test_days_that_a_stall_swallowed_are_counted() -> None:
    body, sched, seen = set_clock_scheduler(datetime(2026, 6, 1, 12, tzinfo=UTC))
    body.pass_s(3 * 86_400)
    sched.run_pending()
    assert seen == ["06-04 14:00"] and sched.counts()["nightly"] == (1, 2)
    run_hours(body, sched, 24)
    assert seen[1:] == ["06-05 00:10"]


def test_a_run_delayed_past_midnight_does_not_cost_the_next_day() -> None:
    clock = SimClock(datetime(2026, 6, 1, 12, tzinfo=UTC), 0)
    sched = Scheduler(clock)
    seen: list[datetime] = []
    sched.daily("late", "23:50", VIENNA, lambda run: seen.append(clock.now().astimezone(VIENNA)))
    clock.advance_to_ms(11 * 3_600_000)
    sched.run_pending()
    sched.run(until_ms=2 * DAY_MS)
    assert [f"{t:%m-%d %H:%M}" for t in seen] == ["06-02 01:00", "06-02 23:50"]
