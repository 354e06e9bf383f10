"""Times as growers' logs write them: which format a column has, and the SQL that turns it into UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo

from tomato_host.errors import TomatoError
from tomato_host.importing.engine import text

_ISO = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*(Z|UTC|[+-]\d{2}:?(\d{2})?)?")
_HAS_OFFSET = r"(Z|UTC|:\d{2}[.0-9]*\s*[+-]\d{2}(:?\d{2})?)$"
_WITH_TIME = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]\d{1,2}:\d{2}"
_DAY_FIRST = (
    "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%d.%m.%y %H:%M:%S", "%d.%m.%y %H:%M", "%d.%m.%Y",
    "%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y, %H:%M",
)  # fmt: skip
_SLASHED = (
    "/%Y %H:%M:%S", "/%Y %H:%M", "/%Y %I:%M:%S %p", "/%Y %I:%M %p", "/%Y, %I:%M:%S %p", "/%Y, %I:%M %p",
    "/%y %H:%M:%S", "/%y %H:%M", "/%y %I:%M %p", "/%Y, %H:%M:%S", "/%Y",
)  # fmt: skip
_NAMED = (
    "%b %d, %Y %I:%M:%S %p", "%b %d, %Y %I:%M %p", "%b %d, %Y, %I:%M:%S %p", "%b %d, %Y %H:%M:%S", "%b %d, %Y %H:%M",
    "%d %b %Y %H:%M:%S", "%d %b %Y %H:%M", "%d-%b-%Y %H:%M:%S", "%d-%b-%y %H:%M", "%Y%m%d %H%M%S", "%Y%m%d%H%M%S",
    "%Y-%m-%d %I:%M:%S %p", "%Y-%m-%d %I:%M %p", "%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M",
)  # fmt: skip
_EXCEL = (20_000.0, 80_000.0)
"""Days since 1899-12-30: 1954 to 2119."""

_FIRST, _LAST, _SEARCH_STEP = datetime(1900, 1, 1), datetime(2100, 1, 1), timedelta(days=6)
"""Changes of a zone are searched between these; two that lie closer together than a step would be missed."""

_FOLD_S = 3_600

PATTERNS = (*_DAY_FIRST, *_NAMED)


def format_of(samples: list[str]) -> str | None:
    """`iso`, `unix`, `excel` or a pattern that fits at least nine of ten samples; None where nothing does.

    Raises TomatoError E-IMPORT-TIME where day and month cannot be told apart.
    """
    seen = [sample for sample in samples if sample][:500]
    if not seen:
        return None
    least = 0.9 * len(seen)
    if sum(bool(_ISO.fullmatch(one)) for one in seen) >= least:
        return "iso"
    numbers = [number for one in seen if (number := _number(one)) is not None]
    if len(numbers) >= least:
        middle = sorted(numbers)[len(numbers) // 2]
        if _EXCEL[0] < middle < _EXCEL[1]:
            return "excel"
        return "unix" if 1e9 <= middle < 4e18 else None
    for pattern in PATTERNS:
        if sum(_fits(one, pattern) for one in seen) >= least:
            return pattern
    return _slashed(seen, least)


def _slashed(seen: list[str], least: float) -> str | None:
    fitting = []
    for tail in _SLASHED:
        for head in ("%d/%m", "%m/%d"):
            if sum(_fits(one, head + tail) for one in seen) >= least:
                fitting.append(head + tail)
        if fitting:
            break
    if len(fitting) < 2:
        return fitting[0] if fitting else None
    steps = [_unevenness(seen, pattern) for pattern in fitting]
    if steps[0] == steps[1]:
        raise TomatoError(
            "E-IMPORT-TIME",
            f"{seen[0]!r} may be day/month or month/day.",
            f'Write time_format = "{fitting[0]}" or "{fitting[1]}" into the mapping.',
        )
    return fitting[0] if steps[0] < steps[1] else fitting[1]


def _unevenness(seen: list[str], pattern: str) -> float:
    """The longest step between neighbours, in s: the wrong order of day and month jumps by months."""
    times = [datetime.strptime(one, pattern) for one in seen if _fits(one, pattern)]
    return max((abs((b - a).total_seconds()) for a, b in pairwise(times)), default=0.0)


def _number(cell: str) -> float | None:
    try:
        return float(cell.replace(",", "."))
    except ValueError:
        return None


def _fits(cell: str, pattern: str) -> bool:
    try:
        datetime.strptime(cell, pattern)
    except ValueError:
        return False
    return True


def local_and_utc_sql(cell: str, time_format: str) -> tuple[str, str]:
    """SQL of the local time (of cells without an offset) and of UTC (of cells with one), both TIMESTAMP or NULL."""
    if time_format == "iso":
        plain = f"regexp_replace(replace({cell}, ',', '.'), '(\\.\\d{{6}})\\d+', '\\1')"
        has_offset = f"regexp_matches({cell}, {text(_HAS_OFFSET)})"
        aware = f"timezone('UTC', TRY_CAST({plain} AS TIMESTAMPTZ))"
        whole = f"regexp_matches({cell}, {text(_WITH_TIME)})"  # a line that was cut off in its date is no midnight
        return (
            f"CASE WHEN {whole} AND NOT {has_offset} THEN TRY_CAST({plain} AS TIMESTAMP) END",
            f"CASE WHEN {has_offset} THEN {aware} END",
        )
    if time_format == "unix":
        number = f"TRY_CAST(replace({cell}, ',', '.') AS DOUBLE)"
        micros = (
            f"CASE WHEN {number} < 1e8 OR {number} > 4e18 THEN NULL WHEN {number} < 1e11 THEN {number} * 1e6"
            f" WHEN {number} < 1e14 THEN {number} * 1e3 WHEN {number} < 1e17 THEN {number} ELSE {number} / 1e3 END"
        )
        return "NULL::TIMESTAMP", f"make_timestamp(({micros})::BIGINT)"
    if time_format == "excel":
        days = f"TRY_CAST(replace({cell}, ',', '.') AS DOUBLE)"
        sane = f"CASE WHEN {days} BETWEEN {_EXCEL[0]} AND {_EXCEL[1]} THEN {days} END"
        return f"make_timestamp((round(({sane} - 25569.0) * 86400.0) * 1e6)::BIGINT)", "NULL::TIMESTAMP"
    parsed = f"try_strptime({cell}, {text(time_format)})"
    if "%z" in time_format:
        return "NULL::TIMESTAMP", f"timezone('UTC', {parsed})"
    return parsed, "NULL::TIMESTAMP"


def plain_times_sql(cell: str, time_format: str) -> tuple[str, str]:
    """As `local_and_utc_sql` of an untrimmed cell, of the commonest spellings only and many times faster; else NULL.

    Those are `2025-03-01 12:00:00` and, with `T` too, the same with up to six decimals and `Z` or `+00:00`.
    """
    if time_format != "iso":
        return "NULL::TIMESTAMP", "NULL::TIMESTAMP"
    digit = f"{cell} >= '0' AND {cell} < ':'"
    moment = f"TRY_CAST({cell} AS TIMESTAMP)"
    bare = f"strlen({cell}) = 19 AND {cell} LIKE '____-__-_____:__:__' AND NOT suffix({cell}, 'Z')"
    zero = f"(suffix({cell}, '+00:00') OR suffix({cell}, ':00Z') OR suffix({cell}, '000Z'))"
    aware = f"strlen({cell}) BETWEEN 20 AND 32 AND {zero} AND {cell} LIKE '____-__-_____:__:__%'"
    return f"CASE WHEN {digit} AND {bare} THEN {moment} END", f"CASE WHEN {digit} AND {aware} THEN {moment} END"


def to_utc_sql(local: str, zone: tzinfo) -> tuple[str, str]:
    """SQL of UTC of a local TIMESTAMP, and of whether the clock shows that hour twice (then it is the first).

    A local time that the clock leaves out in spring counts by the offset before. The offset is found by halving the
    zone's changes from 1900 to 2100; before and after, the first and the last of them hold.
    """
    if not isinstance(zone, ZoneInfo):
        offset = datetime(2000, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset() or timedelta(0)
        return f"{local} - to_seconds({offset.total_seconds():.0f})", "false"
    pieces = _pieces(zone)
    offset_s = _halving(local, [(begin, str(seconds)) for begin, seconds, _ in pieces])
    twice = _halving(local, [(begin, str(fold).lower()) for begin, _, fold in pieces])
    return f"{local} - to_seconds({offset_s})", f"coalesce({twice}, false)"


@cache
def _pieces(zone: ZoneInfo) -> tuple[tuple[datetime, int, bool], ...]:
    """Local times from which another offset holds, that offset in s, and whether the clock shows that hour twice."""
    changes = _changes(zone)
    found = [(datetime.min, changes[0][1], False)]
    for (_, before), (when, after) in pairwise(changes):
        begin, end = sorted((when + timedelta(seconds=before), when + timedelta(seconds=after)))
        if before - after == _FOLD_S:
            found.append((begin, before, True))
        found.append((begin if before > after and before - after != _FOLD_S else end, after, False))
    return tuple(found)


def _changes(zone: ZoneInfo) -> list[tuple[datetime, int]]:
    """UTC times (naive) and the offset in s that holds from then; the first holds before as well."""

    def offset_s(when: datetime) -> int:
        offset = when.replace(tzinfo=UTC).astimezone(zone).utcoffset()
        return round(offset.total_seconds()) if offset else 0

    when, found = _FIRST, [(_FIRST, offset_s(_FIRST))]
    while when < _LAST:
        later = when + _SEARCH_STEP
        after = offset_s(later)
        if after != found[-1][1]:
            early, late = when, later
            while late - early > timedelta(seconds=1):
                middle = early + timedelta(seconds=(late - early) // timedelta(seconds=2))
                early, late = (middle, late) if offset_s(middle) == found[-1][1] else (early, middle)
            found.append((late, offset_s(late)))
        when = later
    return found


def _halving(local: str, pieces: list[tuple[datetime, str]]) -> str:
    """SQL of a step function of a local time: nested comparisons, as many as halvings."""
    if len({value for _, value in pieces}) == 1:
        return pieces[0][1]
    half = len(pieces) // 2
    below, above = _halving(local, pieces[:half]), _halving(local, pieces[half:])
    return f"CASE WHEN {local} < TIMESTAMP '{pieces[half][0]}' THEN {below} ELSE {above} END"
