"""Light hours on ordinary days, and on the two days of the year when the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tomato_host.brain.control.photoperiod import is_light, light_seconds, share_of_day, window

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.mark.parametrize(
    "day",
    [
        datetime(2026, 1, 10, 12, tzinfo=UTC),
        datetime(2026, 3, 29, 12, tzinfo=UTC),
        datetime(2026, 6, 1, 12, tzinfo=UTC),
        datetime(2026, 10, 25, 12, tzinfo=UTC),
    ],
)
def test_starts_by_the_wall_clock_and_lasts_its_hours(day: datetime) -> None:
    start, stop = window(day, VIENNA, 6.0, 16.0)
    assert (start.astimezone(VIENNA).hour, start.astimezone(VIENNA).minute) == (6, 0)
    assert stop - start == timedelta(hours=16)


def test_every_day_of_the_year_has_its_light_and_not_more() -> None:
    for first in (datetime(2026, 3, 27, 23, tzinfo=UTC), datetime(2026, 10, 23, 22, tzinfo=UTC)):
        for day in range(4):
            begin = first + timedelta(days=day)
            lit = sum(is_light(begin + timedelta(minutes=10 * n), VIENNA, 6.0, 16.0) for n in range(144))
            assert 90 <= lit <= 102  # 16 h are 96 stretches of ten minutes; a jump moves at most one hour of them


def test_past_midnight() -> None:
    assert is_light(datetime(2026, 6, 1, 0, 30, tzinfo=VIENNA), VIENNA, 12.0, 16.0)
    assert not is_light(datetime(2026, 6, 1, 5, 0, tzinfo=VIENNA), VIENNA, 12.0, 16.0)


def test_seconds_of_light_ahead() -> None:
    before = datetime(2026, 6, 1, 5, 0, tzinfo=VIENNA)
    assert light_seconds(before, 7200.0, VIENNA, 6.0, 16.0) == (3600.0, 3600.0)
    assert light_seconds(before, 1800.0, VIENNA, 6.0, 16.0) == (1800.0, 0.0)
    assert light_seconds(before, 7200.0, VIENNA, 6.0, 0.0) == (7200.0, 0.0), "light of no length never starts"
    end = datetime(2026, 6, 1, 21, 30, tzinfo=VIENNA)
    assert light_seconds(end, 7200.0, VIENNA, 6.0, 16.0) == (0.0, 1800.0)
    over = datetime(2026, 6, 1, 22, 0, tzinfo=VIENNA)
    assert light_seconds(over, 7200.0, VIENNA, 6.0, 16.0) == (7200.0, 0.0)
    assert light_seconds(over, 14_400.0, VIENNA, 1.0, 16.0) == (10_800.0, 3600.0), "tomorrow's light"


def test_share_of_the_day() -> None:
    assert share_of_day(datetime(2026, 6, 1, 5, 0, tzinfo=VIENNA), VIENNA, 6.0, 16.0) == 0.0
    assert share_of_day(datetime(2026, 6, 1, 14, 0, tzinfo=VIENNA), VIENNA, 6.0, 16.0) == 0.5
    assert share_of_day(datetime(2026, 6, 1, 23, 0, tzinfo=VIENNA), VIENNA, 6.0, 16.0) == 1.0
