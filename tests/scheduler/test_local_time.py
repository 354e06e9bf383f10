"""Local time of Vienna on plain days and on both change days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tomato_host.brain.local_time import hours_since, local_moment, stamped

VIENNA = ZoneInfo("Europe/Vienna")


def test_both_hours_of_the_doubled_one_keep_their_offset() -> None:
    """In a zone the two compare as equal; looked up one after the other they must not be taken for one."""
    for fold, hours in ((0, 2), (1, 1), (0, 2)):
        moment = datetime(2026, 10, 25, 2, 30, tzinfo=VIENNA, fold=fold)
        assert stamped(moment, VIENNA).utcoffset() == timedelta(hours=hours)


def test_local_moment_is_plain_on_plain_days() -> None:
    assert local_moment(date(2026, 7, 1), time(6, 0), VIENNA) == datetime(2026, 7, 1, 4, 0, tzinfo=UTC)


def test_a_time_in_the_gap_is_the_first_moment_after_it() -> None:
    assert local_moment(date(2026, 3, 29), time(2, 30), VIENNA) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_a_doubled_time_is_its_first_occurrence() -> None:
    assert local_moment(date(2026, 10, 25), time(2, 30), VIENNA) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


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
