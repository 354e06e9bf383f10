"""The process: one night of learning after the brain has learned its own, again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from tomato_host.errors import TomatoError
from tomato_host.learn.nightly import LearningLoop
from tomato_host.service.process_priority import lower_priority

NIGHT = timedelta(minutes=20)
"""00:20 local time; the brain learns its day at 00:10."""

_LOOK_S = 30.0
_SAME_NIGHT = timedelta(hours=12)


def next_night(now: datetime, zone: ZoneInfo) -> datetime:
    """The next 00:20 local time after `now`, in UTC; change days included."""
    local = now.astimezone(zone)
    midnight = datetime(local.year, local.month, local.day, tzinfo=zone)
    for days in (0, 1):
        found = (midnight + timedelta(days=days) + NIGHT).astimezone(UTC)
        if found > now:
            return found
    return found


def _wait(
    last: datetime | None, zone: ZoneInfo, now: Callable[[], datetime], sleep: Callable[[float], None]
) -> datetime:
    """Sleep until the next night after `last` is due; returns it."""
    due = datetime.max.replace(tzinfo=UTC)
    while True:
        moment = now()
        fresh = next_night(moment, zone)
        # A clock set back over the night that was just learned; set back further, the clock of then was wrong.
        if last is not None and timedelta(0) <= last - fresh < _SAME_NIGHT:
            fresh = next_night(last, zone)
        due = min(due, fresh)  # a clock set back brings an earlier night
        if moment >= due:
            return due
        sleep(min(_LOOK_S, (due - moment).total_seconds()))


def run_every_night(
    loop: LearningLoop,
    time_zone: str,
    show: Callable[[str], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
    nights: int | None = None,
) -> None:
    """Learn every night, `nights` of them or for ever. A night that fails is shown; the next one tries again.

    The wall clock is looked at every 30 s, so that a clock that is set meanwhile neither skips nor doubles a night.
    """
    lower_priority()
    zone, done, last = ZoneInfo(time_zone), 0, None
    while nights is None or done < nights:
        last = _wait(last, zone, now, sleep)
        try:
            found = loop.night()
            show(f"epoch {found.epoch}: {found.train_s:.1f} s, boundary {found.boundary_ms:.1f} ms")
        except (TomatoError, OSError) as error:
            show(f"this night was not learned: {error}")
        done += 1
