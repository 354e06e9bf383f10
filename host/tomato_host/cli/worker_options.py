"""Options that say where many tasks run, and the progress over all of their workers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tomato_host.terminal.progress import Progress

Jobs = Annotated[int, typer.Option("-j", "--jobs", min=1, max=256, help="Processes on this machine.")]
Scheduler = Annotated[str, typer.Option(help="Run on a Dask cluster: tcp://host:8786 (extra [cluster]).")]


class TaskCounts:
    """How many tasks are done, and by whom."""

    def __init__(self, shown: Progress, total: int, done: int = 0) -> None:
        """`done` of the `total` tasks were done before."""
        self._shown, self._total, self._done = shown, total, done
        self.by_worker = Counter[str]()
        """Tasks done by each worker."""
        shown.share(done / max(1, total))

    def add(self, worker: str) -> None:
        """One task more, done by `worker`."""
        self._done += 1
        self.by_worker[worker] += 1
        of = f" on {len(self.by_worker)} workers" if len(self.by_worker) > 1 else ""
        self._shown.share(self._done / self._total, f"{self._done}/{self._total}{of}")
