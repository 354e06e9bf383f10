"""The last 48 hours of estimated values in one flat block of memory.

Rows are written one after the other; when the block is full the kept ones move to its front, once in an eighth of
the capacity (2 MB every six hours). So every window of the past is one contiguous view, and reading copies nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SPARE_SHARE = 8
"""The block is longer than what is kept by one part in so many: room to write before the kept rows move."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Statistics of one column over a window, in the column's own unit. NaN rows do not count.

    `slope_per_h` is the least-squares slope per hour, NaN with fewer than two values.
    """

    count: int
    mean: float
    std: float
    lowest: float
    highest: float
    first: float
    last: float
    slope_per_h: float


class RingBuffer:
    """Fixed number of rows `(t_s, value per column)`; the newest row replaces the oldest."""

    __slots__ = ("_block", "_index", "_next", "_rows", "capacity", "columns")

    def __init__(self, columns: Sequence[str], capacity: int) -> None:
        """`columns` names the values of a row; `capacity` rows are kept. ValueError on nonsense."""
        if capacity < 1:
            raise ValueError(f"capacity {capacity} must be at least 1 row")
        if len(set(columns)) != len(columns):
            raise ValueError("two columns have the same name")
        self.columns = tuple(columns)
        self.capacity = capacity
        self._index = {name: i + 1 for i, name in enumerate(self.columns)}
        room = capacity + max(1, capacity // SPARE_SHARE)
        # Zeros are never read and take memory only when a row is written to them.
        self._block: Floats = np.zeros((room, len(self.columns) + 1))
        self._next = 0
        self._rows = 0

    def __len__(self) -> int:
        return self._rows

    @property
    def nbytes(self) -> int:
        """Memory held by the rows, in bytes; the same from the first row on."""
        return int(self._block.nbytes)

    def append(self, row: Sequence[float]) -> None:
        """Append one row `(t_s, *values)`; unknown values are NaN. `t_s` must grow. ValueError otherwise."""
        if self._rows and row[0] <= self._block[self._next - 1, 0]:
            raise ValueError(f"time {row[0]} s is not later than the newest row")
        self._put(row)

    def _put(self, row: Sequence[float]) -> None:
        if self._next == len(self._block):
            kept = self.capacity - 1
            self._block[:kept] = self._block[self._next - kept :]
            self._next = kept
        self._block[self._next] = row
        self._next += 1
        self._rows = min(self._rows + 1, self.capacity)

    def rows(self) -> Floats:
        """All rows, oldest first, as a read-only view `[rows, 1 + columns]`; column 0 is `t_s`."""
        view = self._block[self._next - self._rows : self._next]
        view.flags.writeable = False
        return view

    def last_n_hours(self, hours: float) -> Floats:
        """Rows not older than `hours` before the newest one, oldest first; a read-only view until the next append."""
        if not hours > 0.0:
            raise ValueError(f"hours {hours} must be positive")
        rows = self.rows()
        if not len(rows):
            return rows
        return rows[rows[:, 0].searchsorted(rows[-1, 0] - hours * 3600.0) :]

    def column(self, name: str, hours: float) -> Floats:
        """One column of the last `hours`, oldest first. KeyError names an unknown column."""
        return self.last_n_hours(hours)[:, self._index[name]]

    def means(self, names: Sequence[str], hours: float) -> dict[str, float]:
        """Mean of what is known of several columns over the last `hours`; a column of which nothing is, is left out."""
        block = self.last_n_hours(hours)[:, [self._index[name] for name in names]].T.copy()
        count = block.shape[1]
        sums = np.add.reduce(block, axis=1).tolist()
        if count and all(map(isfinite, sums)):  # what is unknown is NaN, and so is every sum with it
            return {name: total / count for name, total in zip(names, sums, strict=True)}
        found = {}
        known = np.isfinite(block)
        for name, values, here in zip(names, block, known, strict=True):
            if here.any():
                found[name] = float(values[here].sum()) / int(here.sum())
        return found

    def stats(self, name: str, hours: float) -> Stats:
        """Statistics of one column over the last `hours`."""
        window = self.last_n_hours(hours)
        values = window[:, self._index[name]]
        known = ~np.isnan(values)
        values = values[known]
        if not len(values):
            nan = float("nan")
            return Stats(0, nan, nan, nan, nan, nan, nan, nan)
        return Stats(
            count=len(values),
            mean=float(values.mean()),
            std=float(values.std()),
            lowest=float(values.min()),
            highest=float(values.max()),
            first=float(values[0]),
            last=float(values[-1]),
            slope_per_h=_slope_per_h(window[known, 0], values),
        )


def _slope_per_h(t_s: Floats, values: Floats) -> float:
    """Least-squares slope per hour."""
    if len(values) < 2:
        return float("nan")
    hours = (t_s - t_s[0]) / 3600.0
    centred = hours - hours.mean()
    return float(centred @ (values - values.mean()) / (centred @ centred))
