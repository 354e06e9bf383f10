"""Options that say where many tasks run, and the progress over all of their workers."""

from __future__ import annotations

import sys
import time
from collections import Counter
from typing import Annotated

import typer

Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, max=256, help="Processes on this machine.")]
Scheduler = Annotated[str, typer.Option(help="Run on a Dask cluster: tcp://host:8786 (extra [cluster]).")]


class TaskProgress:
    """A bar on a terminal, else a line on stderr after every twentieth of the work; nothing when quiet."""

    def __init__(self, name: str, total: int, done: int, quiet: bool) -> None:
        """`done` of the `total` tasks were done before."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._name, self._total, self._done, self._first, self._quiet = name, total, done, done, quiet
        self.by_worker = Counter[str]()
        """Tasks done by each worker."""
        self._begun = time.monotonic()
        self._bar = Progress(
            TextColumn(name),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[last]}"),
            disable=quiet or not sys.stdout.isatty(),
        )
        self._task = self._bar.add_task("runs", total=total, completed=done, last="")

    def __enter__(self) -> TaskProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, worker: str, last: str) -> None:
        """One task more, done by `worker`."""
        self._done += 1
        self.by_worker[worker] += 1
        of = f" on {len(self.by_worker)} workers" if len(self.by_worker) > 1 else ""
        self._bar.update(self._task, advance=1, last=f"{last}{of}")
        each = max(1, self._total // 20)
        if not self._quiet and self._bar.disable and self._done % each == 0:
            left_s = (time.monotonic() - self._begun) / (self._done - self._first) * (self._total - self._done)
            typer.echo(f"{self._name} {self._done}/{self._total}{of}, about {left_s / 60.0:.0f} min left", err=True)
