"""Disk usage and what the disk budget did, for the status and the metrics."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic as machine_monotonic

from shared_schemas.records import Record
from tomato_host.brain.step_data import StepResult
from tomato_host.loop.status import Status
from tomato_host.storage.budgeted_store import BudgetedStore
from tomato_host.storage.retention import stored_bytes

CHECK_EVERY_S = 60.0


class DiskWatch:
    """An extension of the deciding loop; one check takes well under a millisecond."""

    def __init__(
        self,
        store: BudgetedStore,
        status: Status,
        data_dir: Path,
        monotonic: Callable[[], float] = machine_monotonic,
        report: Callable[[Record], None] = lambda _: None,
    ) -> None:
        """`report` passes on what the dataset has recorded by itself: records that are lost."""
        self._store = store
        self._status = status
        self._data_dir = data_dir
        self._monotonic = monotonic
        self._report = report
        self._next_check_s = float("-inf")

    def start(self) -> None:
        """Nothing to start."""

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Nothing to do."""

    def tick(self, now: datetime) -> None:
        """Report what was lost at once; measure the disk once a minute."""
        for alarm in self._store.pop_unreported():
            self._report(alarm)
        now_s = self._monotonic()
        if now_s < self._next_check_s:
            return
        self._next_check_s = now_s + CHECK_EVERY_S
        tally = self._store.tally
        try:
            free, stored = shutil.disk_usage(self._data_dir).free, stored_bytes(self._data_dir / "private")
        except OSError:
            return  # a disk that cannot be read shows as records that it refuses
        self._status.disk = {
            "free_bytes": free,
            "stored_bytes": stored,
            "written_bytes": tally.written_bytes,
            "thinned": tally.thinned,
            "let_go": tally.let_go,
            "is_thinning": int(tally.is_thinning),
        }

    def stop(self) -> None:
        """Nothing to stop."""
