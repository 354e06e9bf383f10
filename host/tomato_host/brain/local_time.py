"""Local wall time without traps: the moment of a wall time on a day, in the gap and in the fold."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from datetime import time as wall_time
from functools import lru_cache


def local_moment(day: date, at: wall_time, zone: tzinfo) -> datetime:
    """The UTC moment of wall time `at` on `day` in `zone`: first of two in a fold, end of the gap in a gap."""
    local = datetime.combine(day, at, tzinfo=zone)
    moment = local.astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return moment
    # In a gap fold=0 gives the offset before the change: as many minutes past the gap's end as `at` is past
    # its begin. The gap's end itself is the change of offset.
    before = local.utcoffset()
    after = local.replace(fold=1).utcoffset()
    assert before is not None and after is not None
    begin, end = moment - (after - before), moment
    while end - begin > timedelta(seconds=1):
        middle = begin + (end - begin) / 2
        begin, end = (begin, middle) if middle.astimezone(zone).utcoffset() == after else (middle, end)
    return end.replace(microsecond=0)


def stamped(moment: datetime, zone: tzinfo) -> datetime:
    """The same moment in the local time of `zone`, with a fixed offset.

    Records carry local time, and everybody reckons with it. With a zone attached Python would reckon by the wall:
    ten seconds before 02:00:05 of the doubled hour it would see the first 01:59:55 for the second. With the offset
    attached it reckons by elapsed time, exactly as a replay does that has read the offset from a file.
    """
    # Only moments in UTC are looked up: in a zone with a doubled hour two different moments compare as equal.
    return _with_offset(moment, zone) if moment.tzinfo is UTC else _with_offset.__wrapped__(moment, zone)


@lru_cache(maxsize=8)  # the records of one moment ask for it one after the other
def _with_offset(moment: datetime, zone: tzinfo) -> datetime:
    local = moment.astimezone(zone)
    offset = local.utcoffset()
    assert offset is not None
    return local.replace(tzinfo=timezone(offset), fold=0)


def hours_since(at: wall_time, now: datetime, zone: tzinfo) -> float:
    """Elapsed hours (not wall hours) since wall time `at` last came round; 0 to just under 25."""
    today = now.astimezone(zone).date()
    moment = local_moment(today, at, zone)
    if moment > now:
        moment = local_moment(today - timedelta(days=1), at, zone)
    return (now - moment) / timedelta(hours=1)
