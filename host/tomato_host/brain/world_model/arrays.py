"""Array types of the world model, and arrays that two models may hold at once: copied by whoever writes first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""A float array; shapes are given in each docstring."""

Mask = NDArray[np.bool_]
"""A boolean array."""

Index = NDArray[np.int64]
"""Hours as positions in a table, or hours since 1970-01-01 00:00 UTC."""

Scalar = TypeVar("Scalar", bound=np.generic)


FEW = 12
"""Futures up to which a recursion through the hours takes Python's floats: numpy's calls cost ten times as much there.
Both take the same operations in the same order, so the results are the same to the bit."""


class Arithmetic(NamedTuple):
    """What a law of one hour needs beside + and *: written once, it serves floats and arrays.

    The first argument may be NaN, which is then the result, with Python's functions as with numpy's.
    """

    minimum: Callable[[Any, float], Any]
    maximum: Callable[[Any, float], Any]


OF_FLOATS = Arithmetic(min, max)
OF_ARRAYS = Arithmetic(np.minimum, np.maximum)


def zero_if_unknown(values: Array) -> Array:
    """NaN as 0. Everything else stays; `np.nan_to_num` takes four times as long on arrays of this size."""
    return np.where(np.isnan(values), 0.0, values)


def own(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array itself while it is not shared, else a copy to write to."""
    return array if array.flags.writeable else array.copy()


def share(array: NDArray[Any]) -> None:
    """Let another model hold this array, too: a write that forgets `own` raises ValueError from now on."""
    array.flags.writeable = False
