"""What the disk holds and takes, for the status and the metrics."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import monotonic as machine_monotonic

from tomato_host.brain.brain import StepResult
from tomato_host.loop.status import Status
from tomato_host.storage.budgeted import BudgetedStore
from tomato_host.storage.retention import stored_bytes

LOOK_EVERY_S = 60.0


class DiskWatch:
    """An extension of the deciding loop; one look takes well under a millisecond."""

    def __init__(
        self,
        store: BudgetedStore,
        status: Status,
        data_dir: Path,
        monotonic: Callable[[], float] = machine_monotonic,
    ) -> None:
        self._store = store
        self._status = status
        self._data_dir = data_dir
        self._monotonic = monotonic
        self._look_at_s = float("-inf")

    def start(self) -> None:
        """Nothing to begin."""

    def on_decision(self, taken: StepResult, now: datetime) -> None:
        """Nothing to do with decisions."""

    def tick(self, now: datetime) -> None:
        """Look now and then."""
        now_s = self._monotonic()
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_EVERY_S
        tally = self._store.tally
        try:
            free, stored = shutil.disk_usage(self._data_dir).free, stored_bytes(self._data_dir / "private")
        except OSError:
            return  # a disk that cannot even be looked at is told about by the records it refuses
        self._status.disk = {
            "free_bytes": free,
            "stored_bytes": stored,
            "written_bytes": tally.written_bytes,
            "thinned": tally.thinned,
            "let_go": tally.let_go,
            "is_thinning": int(tally.is_thinning),
        }

    def stop(self) -> None:
        """Nothing to end."""
