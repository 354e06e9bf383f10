"""Progress of a long command: one line on standard error of a terminal; nothing in a pipe, a log or with `--json`.

It appears after a second, so that what is quick shows nothing, and is gone when the work is done. What knows how much
is left reports its share and gets a bar with the time remaining; the rest shows that it works, and for how long.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

APPEARS_AFTER_S = 1.0
LOG_LINES = 20
Report = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""
_Item = TypeVar("_Item")


class Progress:
    """What a command reports into. Without a terminal all of it does nothing."""

    def __init__(self, line: _Line | _LogLines | None) -> None:
        self._line = line

    def share(self, done: float, detail: str | None = None) -> None:
        """Report the share that is done, 0 to 1, and what was done last."""
        if self._line is not None:
            self._line.update(done, detail)

    def text(self, detail: str) -> None:
        """Show what is being worked on."""
        if self._line is not None:
            self._line.update(None, detail)

    def over(self, items: Iterable[_Item], count: int) -> Iterator[_Item]:
        """The `count` items as they are; each one that was worked on adds to the share."""
        for done, item in enumerate(items, start=1):
            yield item
            self.share(done / max(1, count))


@contextmanager
def progress(label: str, quiet: bool = False, *, log_lines: bool = False) -> Iterator[Progress]:
    """Show that `label` is being done. `quiet`: with `--json`, and wherever nobody reads along.

    `log_lines`: for work of hours; without a terminal a line after every twentieth of it.
    """
    if quiet or not (sys.stderr.isatty() or log_lines):
        yield Progress(None)
        return
    line = _Line(label) if sys.stderr.isatty() else _LogLines(label)
    try:
        yield Progress(line)
    finally:
        line.end()


class _LogLines:
    """Lines on standard error of what has no terminal: one after every twentieth of the work."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._begun_s = time.monotonic()
        self._first: float | None = None
        self._shown = 0

    def update(self, share: float | None, detail: str | None) -> None:
        if share is None:
            return
        if self._first is None:
            self._first = share
            return
        part = int(share * LOG_LINES + 1e-9)
        if part > self._shown and share > self._first:
            self._shown = part
            left_s = (time.monotonic() - self._begun_s) / (share - self._first) * (1.0 - share)
            print(f"{self._label} {detail or f'{share:.0%}'}, about {left_s / 60.0:.0f} min left", file=sys.stderr)

    def end(self) -> None:
        """Nothing to close."""


class _Line:
    """The line on the terminal. A timer draws it first; whoever works only sets numbers."""

    def __init__(self, label: str) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bar

        # What the command itself prints passes above the line, but only where it goes to the same terminal.
        redirect = sys.stdout.isatty()
        self._bar = Bar(
            SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(bar_width=24),
            TaskProgressColumn(), TimeElapsedColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True, redirect_stdout=redirect, redirect_stderr=redirect,
        )  # fmt: skip
        self._label = label
        self._task = self._bar.add_task(label, total=None)
        self._lock = threading.Lock()
        self._ended = False
        self._timer = threading.Timer(APPEARS_AFTER_S, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def _begin(self) -> None:
        with self._lock:
            if not self._ended:
                self._bar.start()

    def update(self, share: float | None, detail: str | None) -> None:
        if share is not None:
            self._bar.update(self._task, total=1.0, completed=min(max(share, 0.0), 1.0))
        if detail is not None:
            self._bar.update(self._task, description=f"{self._label}: {detail}" if detail else self._label)

    def end(self) -> None:
        self._timer.cancel()
        with self._lock:
            self._ended = True
            self._bar.stop()
