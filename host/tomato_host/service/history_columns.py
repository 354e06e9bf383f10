"""Columns of a chart: rows thinned to what a screen shows, each point with the extremes of what it stands for.

A line through every n-th reading of a week is a comb: it shows whichever moment the step happens to hit. Rows that
share a point are averaged here, and their extremes go with them as an envelope, so a spike stays visible at any span.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Value = float | None
HistoryRow = tuple[Value, ...]

MOST_POINTS = 1_500
"""No chart draws more points."""


class Thinned(NamedTuple):
    """Columns over a common time axis; `low` and `high` are empty where each point is one row."""

    t: list[float]
    mean: list[list[Value]]
    low: list[list[Value]]
    high: list[list[Value]]


def thinned(times: Sequence[float], rows: Sequence[HistoryRow], width: int, most: int = MOST_POINTS) -> Thinned:
    """At most `most` points of `width` columns, from rows in the order of their times (Unix time, s)."""
    step = max(1, -(-len(times) // most))
    if step == 1:
        return Thinned(list(times), [[row[n] for row in rows] for n in range(width)], [], [])
    starts = range(0, len(times), step)
    out = Thinned([], [[] for _ in range(width)], [[] for _ in range(width)], [[] for _ in range(width)])
    for start in starts:
        group = rows[start : start + step]
        out.t.append(times[min(start + step // 2, len(times) - 1)])
        for n in range(width):
            known = [value for row in group if (value := row[n]) is not None]
            out.mean[n].append(round(sum(known) / len(known), 4) if known else None)
            out.low[n].append(min(known) if known else None)
            out.high[n].append(max(known) if known else None)
    return out


def as_csv(header: Sequence[str], times: Iterable[str], rows: Iterable[Sequence[Value]]) -> Iterable[str]:
    """Lines of a CSV file (RFC 4180): the header, then a time and its values; unknown is empty."""
    yield ",".join(("time", *header)) + "\r\n"
    for moment, row in zip(times, rows, strict=True):
        yield ",".join((moment, *("" if value is None else f"{value:.6g}" for value in row))) + "\r\n"
