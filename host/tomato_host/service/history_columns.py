"""Columns of a chart: rows thinned to what a screen shows, each point with the extremes of what it stands for.

A line through every n-th reading of a week is a comb: it shows whichever moment the step happens to hit. Rows that
share a point are averaged here, and their extremes go with them as an envelope, so a spike stays visible at any span.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

Value = float | None
HistoryRow = tuple[Value, ...]

POINT_S: tuple[tuple[float, float], ...] = (
    (6 * 3_600.0, 0.0),
    (2 * 86_400.0, 900.0),
    (8 * 86_400.0, 3_600.0),
    (40 * 86_400.0, 7_200.0),
    (float("inf"), 21_600.0),
)
"""Up to this span (s) a point of a chart stands for so much time (s); 0: every row is a point. A quarter of an hour is
the slot in which the controller spreads a fan's or humidifier's duty, so a day's mean does not show its strokes."""


def point_s(span_s: float) -> float:
    """How much time one point of a chart of this span stands for, s."""
    return next(step for most, step in POINT_S if span_s <= most)


class Thinned(NamedTuple):
    """Columns over a common time axis; `low` and `high` are empty where each point is one row."""

    t: list[float]
    mean: list[list[Value]]
    low: list[list[Value]]
    high: list[list[Value]]


def _empty(width: int) -> list[list[Value]]:
    return [[] for _ in range(width)]


def thinned(
    times: Sequence[float],
    rows: Sequence[HistoryRow],
    width: int,
    step_s: float,
    moments: Sequence[HistoryRow] | None = None,
) -> Thinned:
    """Points of `width` columns, one for each `step_s` seconds in which there are rows, in the order of their times.

    `times` are Unix times in s, ascending. With `step_s` 0 each row is a point of its own. `moments`: the first columns
    of each row as they were at its time, where the row holds means; they count for the extremes as well.
    """
    if step_s <= 0.0:
        return Thinned(list(times), [[row[n] for row in rows] for n in range(width)], [], [])
    out = Thinned([], _empty(width), _empty(width), _empty(width))
    for slot, group in groupby(range(len(times)), key=lambda i: times[i] // step_s):
        places = list(group)
        picked = [rows[i] for i in places]
        seen = [] if moments is None else [moments[i] for i in places]
        out.t.append((slot + 0.5) * step_s)
        for n in range(width):
            known = [value for row in picked if (value := row[n]) is not None]
            out.mean[n].append(round(sum(known) / len(known), 4) if known else None)
            known += [value for row in seen if n < len(row) and (value := row[n]) is not None]
            out.low[n].append(min(known) if known else None)
            out.high[n].append(max(known) if known else None)
    return out


def as_csv(header: Sequence[str], times: Iterable[str], rows: Iterable[Sequence[Value]]) -> Iterable[str]:
    """Lines of a CSV file (RFC 4180): the header, then a time and its values; unknown is empty."""
    yield ",".join(("time", *header)) + "\r\n"
    for moment, row in zip(times, rows, strict=True):
        yield ",".join((moment, *("" if value is None else f"{value:.6g}" for value in row))) + "\r\n"
