"""Small logs as growers' devices write them: values by a formula, so that a test knows what must be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from math import sin
from pathlib import Path
from zoneinfo import ZoneInfo

BEGIN = datetime(2026, 2, 14, 0, 0, tzinfo=UTC)
VIENNA = ZoneInfo("Europe/Vienna")
ROWS = 60


def moments(count: int = ROWS, minutes: int = 10) -> list[datetime]:
    """UTC times of the rows."""
    return [BEGIN + timedelta(minutes=minutes * k) for k in range(count)]


def celsius(k: int) -> float:
    """Air temperature of row k."""
    return round(21.0 + 4.0 * sin(k / 9.0), 2)


def humidity(k: int) -> float:
    """Relative humidity of row k, in %."""
    return round(60.0 + 15.0 * sin(k / 7.0), 1)


def moisture(k: int) -> float:
    """Water content of row k, in %."""
    return round(35.0 - 0.05 * k, 2)


def write(path: Path, rows: Iterable[str], encoding: str = "utf-8", newline: str = "\n") -> Path:
    """Write lines."""
    path.write_bytes((newline.join(rows) + newline).encode(encoding))
    return path


def table(
    path: Path,
    header: str,
    row: Callable[[int, datetime], str],
    *,
    count: int = ROWS,
    encoding: str = "utf-8",
    before: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    newline: str = "\n",
) -> Path:
    """A table whose rows are made by `row(k, time)`, with lines before the header and after the last row."""
    rows = [row(k, ts) for k, ts in enumerate(moments(count))]
    return write(path, (*before, header, *rows, *after), encoding, newline)


def local(ts: datetime, pattern: str) -> str:
    """The time on a clock in Vienna."""
    return ts.astimezone(VIENNA).strftime(pattern)
