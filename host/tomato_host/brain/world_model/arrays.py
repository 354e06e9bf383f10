"""Array types of the world model, and arrays that two models may hold at once: copied by whoever writes first."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""A float array; shapes are given in each docstring."""

Mask = NDArray[np.bool_]
"""A boolean array."""

Index = NDArray[np.int64]
"""Hours as positions in a table, or hours since 1970-01-01 00:00 UTC."""

Scalar = TypeVar("Scalar", bound=np.generic)


def own(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array itself while it is not shared, else a copy to write to."""
    return array if array.flags.writeable else array.copy()


def share(array: NDArray[Any]) -> None:
    """Let another model hold this array, too: a write that forgets `own` raises ValueError from now on."""
    array.flags.writeable = False
