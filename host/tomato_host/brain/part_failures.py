"""Parts that the tent can do without: when one of them fails, the simpler one stands in, and the record tells.

The world model's learning, its forecast and the planner are numerical code over what a tent happens to bring. An error
there must not end the process that waters: it would be started again, meet the same moment and fail again, with the
board alone in the meantime. So each call of such a part goes through `attempt`. The rules need none of them; they are
not caught, for nothing simpler stands behind them. Told are changes only, not each failure: a part that fails at every
decision would drown the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

Part = Literal["learning", "forecast", "planner"]
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class PartChange:
    """A part has failed, or works again."""

    part: Part
    error: str
    """What went wrong and where; empty: it works again."""


class PartFailures:
    """Which parts fail at the moment, and what of it has not been told yet."""

    def __init__(self) -> None:
        self._failing: set[Part] = set()
        self._changes: list[PartChange] = []

    def attempt(self, part: Part, call: Callable[[], Result]) -> Result | None:
        """What `call` returns; None when it raised, which the next `pop_changes` tells if it did not fail before."""
        try:
            result = call()
        except Exception as error:
            if part not in self._failing:
                self._changes.append(PartChange(part, _described(error)))
            self._failing.add(part)
            return None
        if part in self._failing:
            self._failing.discard(part)
            self._changes.append(PartChange(part, ""))
        return result

    def pop_changes(self) -> tuple[PartChange, ...]:
        """Changes since the last call, in order."""
        changes, self._changes = tuple(self._changes), []
        return changes


def _described(error: Exception) -> str:
    """The error with the place that raised it, for whoever reports it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = "" if at is None else f" ({at.tb_frame.f_globals.get('__name__', '?')}, line {at.tb_lineno})"
    return f"{type(error).__name__}: {error}{place}"
