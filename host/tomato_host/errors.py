"""The error shown to a user: a code, what happened, and what to do next."""

from __future__ import annotations

from typing import Any


class TomatoError(Exception):
    """An error shown to the user. `code` is listed in docs/errors.md; `next_step` says what to do."""

    def __init__(self, code: str, message: str, next_step: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.next_step = next_step

    def __reduce__(self) -> tuple[type[TomatoError], tuple[str, str, str]]:
        # Crosses from a worker process; by default an exception is rebuilt from its message alone.
        return type(self), (self.code, self.message, self.next_step)

    def __str__(self) -> str:
        return f"{self.code}: {self.message} Next: {self.next_step}"


def first_reason(error: ValueError) -> str:
    """What is wrong first, in one line: of a record that breaks its contract the field, and what is allowed."""
    listed: Any = getattr(error, "errors", None)
    if not callable(listed):
        return " ".join(str(error).split())
    first = listed()[0]
    place = ".".join(str(part) for part in first["loc"])
    text = " ".join(str(first["msg"]).removeprefix("Value error, ").split())
    return f"{place}: {text}" if place else text
