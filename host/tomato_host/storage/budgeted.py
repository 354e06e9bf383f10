"""The dataset as the running host fills it: within the budget of its disk, and saying so when it thins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared_schemas.records import EventV1, Record
from tomato_host.logs import Log
from tomato_host.storage import retention
from tomato_host.storage.budget import DAY_S, Budget
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.layout import stream_of

LINE_BYTES = 84
"""What a line holds beyond its record, counts and hash, at most as long as 10^9 records are not reached."""
QUIET_S = 3_600.0
"""So long nothing was thinned: it is over."""
LEAVES_OUT = frozenset({"raw_thinned", "raw_let_go"})
"""Events after which the dataset no longer holds all that the brain was told."""
_log = Log("storage")


@dataclass(slots=True)
class DiskTally:
    """What was written and left out since the start of this run."""

    written_bytes: int = 0
    thinned: int = 0
    let_go: int = 0
    is_thinning: bool = False


class BudgetedStore:
    """Keeps what fits. `tell` takes events about it; it is the recorder's `keep` in a running host.

    `now_s` counts seconds that only grow; a simulation gives its own.
    """

    def __init__(self, dataset: Dataset, now_s: Callable[[], float]) -> None:
        self._dataset = dataset
        self._settings = dataset.settings
        self._folder = dataset.root / "private"
        self._budget = Budget(dataset.settings.mb_per_day * 1e6)
        self._now_s = now_s
        self._looked_at_s = float("-inf")
        self._thinned_at_s = float("-inf")
        self._thinned_before = 0
        self.tally = DiskTally()
        self.tell: Callable[[Record], object] = dataset.offer

    def offer(self, record: Record) -> bool:
        """Keep one record, unless it is a reading that the day has no room for. Otherwise as Dataset.offer."""
        now_s = self._now_s()
        self._look_once_a_day(record.ts, now_s)
        stream = stream_of(record.schema_version)  # type: ignore[attr-defined]  # every record names its version
        size = len(record.to_json()) + LINE_BYTES
        if not self._budget.admits(stream, now_s, size):
            self._note_thinned(record.ts, now_s)
            return self._dataset.waiting == 0
        self._note_quiet(record.ts, now_s)
        self.tally.written_bytes += size
        return self._dataset.offer(record)

    # -- inside ------------------------------------------------------------------------------------------------

    def _note_thinned(self, ts: datetime, now_s: float) -> None:
        self.tally.thinned += 1
        self._thinned_at_s = now_s
        if not self.tally.is_thinning:
            self.tally.is_thinning = True
            self._thinned_before = self.tally.thinned - 1
            text = (
                f"More readings than {self._settings.mb_per_day:g} MB a day hold: they are thinned evenly. "
                "Decisions, refusals, events and alarms are kept as ever."
            )
            self.tell(_event(ts, "WARNING", "raw_thinned", text))

    def _note_quiet(self, ts: datetime, now_s: float) -> None:
        if not self.tally.is_thinning or now_s - self._thinned_at_s < QUIET_S:
            return
        self.tally.is_thinning = False
        count = self.tally.thinned - self._thinned_before
        self.tell(_event(ts, "INFO", "raw_whole", f"All readings are kept again; {count} were left out.", count=count))

    def _look_once_a_day(self, ts: datetime, now_s: float) -> None:
        """Over the budget of all days together? A disk that refuses even this is told about by what is offered."""
        if now_s - self._looked_at_s < DAY_S:
            return
        self._looked_at_s = now_s
        try:
            self._let_go(ts)
            self._let_photos_go(ts)
        except (OSError, ValueError) as error:
            _log.error("cannot make room", why=str(error))

    def _let_go(self, ts: datetime) -> None:
        retention.delete_let_go(self._folder)
        paths = retention.too_much(self._folder, self._settings.mb_total * 1e6)
        if not paths:
            return
        self._dataset.flush()
        count = retention.note_let_go(self._folder, paths)
        retention.delete_let_go(self._folder)
        self.tally.let_go += count
        names = ", ".join(path.name for path in paths[:5])
        text = f"All records together passed {self._settings.mb_total:g} MB: {count} readings went ({names})."
        self.tell(_event(ts, "WARNING", "raw_let_go", text, count=count))

    def _let_photos_go(self, ts: datetime) -> None:
        photos = retention.old_photos(self._folder, self._settings.photos_mb_total * 1e6)
        if not photos:
            return
        retention.delete_photos(photos)
        last = photos[-1].parent.name
        text = f"All photos together passed {self._settings.photos_mb_total:g} MB: those up to {last} went."
        self.tell(_event(ts, "WARNING", "photos_let_go", text, count=len(photos)))


def _event(ts: datetime, level: str, name: str, text: str, **data: int) -> EventV1:
    return EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": ts,
            "level": level,
            "kind": "storage",
            "name": name,
            "text": text,
            "data": data,
        }
    )
