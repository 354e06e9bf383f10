"""The dataset as the running host fills it: within the budget of its disk, and saying so when readings are thinned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared_schemas.records import EventV1, Record
from tomato_host.logs import Log
from tomato_host.storage import retention
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.layout import RESERVE, storage_event, stream_of

LINE_BYTES = 84
"""What a line holds beyond its record, counts and hash, at most as long as 10^9 records are not reached."""
QUIET_S = 3_600.0
"""After so long without thinning it counts as over."""
INCOMPLETE_AFTER = frozenset({"raw_thinned", "raw_let_go"})
"""Events after which the dataset no longer holds every input of the brain."""
_log = Log("storage")


@dataclass(slots=True)
class StorageTally:
    """What was written and left out since the start of this run."""

    written_bytes: int = 0
    thinned: int = 0
    let_go: int = 0
    is_thinning: bool = False


class BudgetedStore:
    """Stores what fits. `record_event` receives events about it; in a running host it is the recorder's `record`.

    `now_s` counts seconds that only grow; a simulation passes its own.
    """

    def __init__(self, dataset: Dataset, now_s: Callable[[], float]) -> None:
        self._dataset = dataset
        self._settings = dataset.settings
        self._folder = dataset.root / "private"
        self._budget = WriteBudget(dataset.settings.mb_per_day * 1e6)
        self._now_s = now_s
        self._checked_at_s = float("-inf")
        self._thinned_at_s = float("-inf")
        self._thinned_before = 0
        self.tally = StorageTally()
        self.record_event: Callable[[Record], object] = dataset.offer

    def pop_unreported(self) -> list[EventV1]:
        """Alarms of the dataset itself since the last call; they are stored, and nobody was told of them."""
        alarms, self._dataset.unreported = self._dataset.unreported, []
        return alarms

    def offer(self, record: Record) -> bool:
        """Store one record, unless it is a reading beyond the day's budget. Otherwise as Dataset.offer."""
        now_s = self._now_s()
        self._check_totals_daily(record.ts, now_s)
        stream = stream_of(record.schema_version)  # type: ignore[attr-defined]  # every record names its version
        text = record.to_json()
        size = len(text) + LINE_BYTES
        if not self._budget.admits(stream, now_s, size):
            self._count_thinned(record.ts, now_s)
            return self._dataset.waiting == 0
        self._end_thinning(record.ts, now_s)
        self.tally.written_bytes += size
        return self._dataset.offer(record, text)

    # -- inside ------------------------------------------------------------------------------------------------

    def _count_thinned(self, ts: datetime, now_s: float) -> None:
        self.tally.thinned += 1
        self._thinned_at_s = now_s
        if not self.tally.is_thinning:
            self.tally.is_thinning = True
            self._thinned_before = self.tally.thinned - 1
            text = (
                f"More readings than {self._settings.mb_per_day:g} MB a day hold: they are thinned evenly. "
                "Decisions, refusals, events and alarms are kept as ever."
            )
            self.record_event(storage_event(ts, "WARNING", "raw_thinned", text))

    def _end_thinning(self, ts: datetime, now_s: float) -> None:
        if not self.tally.is_thinning or now_s - self._thinned_at_s < QUIET_S:
            return
        self.tally.is_thinning = False
        count = self.tally.thinned - self._thinned_before
        self.record_event(
            storage_event(ts, "INFO", "raw_whole", f"All readings are kept again; {count} were left out.", count=count)
        )

    def _check_totals_daily(self, ts: datetime, now_s: float) -> None:
        """Enforce the limits of all records and all photos. A disk that refuses this is reported by `offer`."""
        if now_s - self._checked_at_s < DAY_S:
            return
        self._checked_at_s = now_s
        try:
            self._delete_oldest(ts)
            self._delete_photos(ts)
        except (OSError, ValueError) as error:
            _log.error("cannot make room", why=str(error))

    def _delete_oldest(self, ts: datetime) -> None:
        retention.delete_recorded(self._folder)
        paths = retention.files_to_delete(self._folder, self._settings.mb_total * 1e6)
        if not paths:
            return
        self._dataset.flush()
        count = retention.record_deletion(self._folder, paths)
        retention.delete_recorded(self._folder)
        self.tally.let_go += count
        names = ", ".join(path.name for path in paths[:5])
        text = f"All records together passed {self._settings.mb_total:g} MB: {count} readings went ({names})."
        self.record_event(storage_event(ts, "WARNING", "raw_let_go", text, count=count))

    def _delete_photos(self, ts: datetime) -> None:
        photos = retention.old_photos(self._folder, self._settings.photos_mb_total * 1e6)
        if not photos:
            return
        retention.delete_photos(photos)
        last = photos[-1].parent.name
        text = f"All photos together passed {self._settings.photos_mb_total:g} MB: those up to {last} went."
        self.record_event(storage_event(ts, "WARNING", "photos_let_go", text, count=len(photos)))


DAY_S = 86_400.0
BURST = 1 / 8
"""Share of a day's budget that may come at once: what a board's store sends after a night without a host."""
AT_LEAST_EVERY_S = 600.0
"""However little there is: one record of a thinned stream in this time."""


class WriteBudget:
    """A token bucket of bytes. In any 24 h it admits no more than `bytes_per_day` of thinnable records.

    Records that must be stored are always admitted, if need be with a debt, which is bounded so that a day later
    everything is as it was.
    """

    def __init__(self, bytes_per_day: float) -> None:
        self._burst = bytes_per_day * BURST
        self._rate = bytes_per_day * (1.0 - BURST) / DAY_S
        self._left = self._burst
        self._now_s: float | None = None
        self._kept_at_s: dict[str, float] = {}

    def admits(self, stream: str, now_s: float, size: int) -> bool:
        """Whether a record of `size` bytes shall be written; if so it is paid for."""
        self._fill(now_s)
        share = RESERVE.get(stream)
        if share is not None and self._left - size < share * self._burst and not self._is_long_ago(stream, now_s):
            return False
        if share is not None:
            self._kept_at_s[stream] = now_s
        self._left = max(self._left - size, -self._rate * DAY_S)
        return True

    def _fill(self, now_s: float) -> None:
        if self._now_s is not None:
            self._left = min(self._burst, self._left + (now_s - self._now_s) * self._rate)
        self._now_s = now_s

    def _is_long_ago(self, stream: str, now_s: float) -> bool:
        return now_s - self._kept_at_s.get(stream, float("-inf")) >= AT_LEAST_EVERY_S
