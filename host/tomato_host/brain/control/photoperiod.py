"""Light hours by the wall clock of the plant's place, right through the changes of summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)


def window(day_of: datetime, zone: ZoneInfo, start_local_h: float, hours: float) -> tuple[datetime, datetime]:
    """The light window (UTC) of the local day of `day_of`: starts by wall clock, lasts `hours` of elapsed time.

    The start is a wall-clock moment, the length is real time: on a day of 23 or 25 hours the plant still gets the
    same light. A start inside the hour that spring skips is moved on by that hour, as the clock is.
    """
    return _window_of(day_of.astimezone(zone).date(), zone, start_local_h, hours)


@lru_cache(maxsize=64)
def _window_of(day: date, zone: ZoneInfo, start_local_h: float, hours: float) -> tuple[datetime, datetime]:
    """The window of one local day; asked for many times a day, and the same each time."""
    minutes = round(start_local_h * 60)
    start = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, tzinfo=zone).astimezone(UTC)
    return start, start + timedelta(hours=hours)


@lru_cache(maxsize=64)
def _windows_around(
    today: date, zone: ZoneInfo, start_local_h: float, hours: float
) -> tuple[tuple[datetime, datetime], ...]:
    """The windows of yesterday, today and tomorrow, by wall days: 24 h before a quarter past midnight is the day before
    yesterday after the spring change."""
    return tuple(_window_of(day, zone, start_local_h, hours) for day in (today - ONE_DAY, today, today + ONE_DAY))


def light_seconds(
    now: datetime, span_s: float, zone: ZoneInfo, start_local_h: float, hours: float
) -> tuple[float, float]:
    """(seconds until light starts, seconds of light) inside [now, now + span_s]; the first stretch only.

    Yesterday's window counts too, for a photoperiod that runs past midnight.
    """
    here = now.astimezone(UTC)
    end = here + timedelta(seconds=span_s)
    for start, stop in _windows_around(now.astimezone(zone).date(), zone, start_local_h, hours):
        if stop <= here or end <= start:  # two windows of three
            continue
        first, last = max(start, here), min(stop, end)
        if first < last:
            return (first - here).total_seconds(), (last - first).total_seconds()
    return span_s, 0.0


def is_light(now: datetime, zone: ZoneInfo, start_local_h: float, hours: float) -> bool:
    """Whether `now` lies in a light window."""
    wait, length = light_seconds(now, 1.0, zone, start_local_h, hours)
    return wait == 0.0 and length > 0.0


def share_of_day(now: datetime, zone: ZoneInfo, start_local_h: float, hours: float) -> float:
    """How much of today's light window has passed, 0..1; the night after it counts as 1."""
    start, stop = window(now, zone, start_local_h, hours)
    passed = (now - start).total_seconds() / (stop - start).total_seconds()
    return min(1.0, max(0.0, passed))
