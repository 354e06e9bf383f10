"""The error shown to a user: a code, what happened, and what to do next."""

from __future__ import annotations


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
