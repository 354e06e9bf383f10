"""Arrays that two models may hold at once: read-only while shared, copied by whoever writes first."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def own(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """The array itself while nobody shares it, else a copy to write to."""
    return array if array.flags.writeable else array.copy()


def share(array: NDArray[Any]) -> None:
    """Let another model hold this array, too: a write that forgets `own` raises ValueError from now on."""
    array.flags.writeable = False
