"""A part of a recording: from and to, each a moment, the number of a record, or open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from tomato_host.cli.recorded_settings import parse_local_time
from tomato_host.errors import TomatoError

LATEST = "latest"
COMPACT_DATE_DIGITS = 8
"""20200201 is a date; other whole numbers are those of records."""
LONGEST_NUMBER = 18
"""Digits of the number of a record; Python refuses to read one of thousands."""
Bound = datetime | int | None


@dataclass(frozen=True, slots=True)
class RecordingSpan:
    """Records from `begin` to before `end`; None is open on that side."""

    begin: Bound = None
    end: Bound = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left out."""
        return self.begin is None and self.end is None

    def has_begun(self, number: int, ts: datetime) -> bool:
        """Whether a record with this number and time lies at or after the begin."""
        return self.begin is None or _reached(self.begin, number, ts)

    def is_over(self, number: int, ts: datetime) -> bool:
        """Whether it lies at or after the end."""
        return self.end is not None and _reached(self.end, number, ts)

    def moments(self, recording: Path) -> tuple[datetime | None, datetime | None]:
        """The same as moments of observations. Raises TomatoError E-REPLAY-OPTION for numbers without a dataset."""
        return _moment(self.begin, recording), _moment(self.end, recording)


def read_span(begin: str | None, end: str | None, zone: ZoneInfo) -> RecordingSpan:
    """Read `--from` and `--to`. Raises TomatoError E-TIME."""
    return RecordingSpan(_bound(begin, zone), None if end == LATEST else _bound(end, zone))


def _bound(text: str | None, zone: ZoneInfo) -> Bound:
    if text is None or text == "0":
        return None
    if text.isdecimal() and len(text) != COMPACT_DATE_DIGITS and len(text) <= LONGEST_NUMBER:
        return int(text)
    return parse_local_time(text, zone, "E-TIME", "2020-02-01, 2020-02-01T06:00 or the number of a record")


def _reached(bound: datetime | int, number: int, ts: datetime) -> bool:
    return number >= bound if isinstance(bound, int) else ts >= bound


def _moment(bound: Bound, recording: Path) -> datetime | None:
    """A number as the moment of the first observation that has it or a later one; beyond the last one: never."""
    from shared_schemas.records import parse_record
    from tomato_host.storage.reader import read_all

    if not isinstance(bound, int):
        return bound
    if not recording.is_dir():
        text = f"{recording.name} has no numbered records."
        raise TomatoError("E-REPLAY-OPTION", text, "give --from and --to as times")
    for line in read_all(recording, {"sensors_raw"}):
        if line.link.n >= bound:
            return parse_record(line.link.payload).ts
    return datetime.max.replace(tzinfo=ZoneInfo("UTC"))
