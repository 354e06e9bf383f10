"""Which samples and events of the board have arrived, what may be acknowledged, and what must be asked for again.

Both are numbered, and the board keeps each until it is acknowledged. That happens only when it is safe on disk:
returned to the loop by an earlier poll, written by the storage, and old enough to have been synced. A gap in the
numbers of the samples is closed by BACKFILL, one in those of the events by the board's next round of them
(`event_tracker.py`); what the board no longer has is lost, and the watermark moves on.
Duplicates, from repeats or from a process that was killed before it acknowledged, are dropped by number. One object
serves one session; a new boot of the board starts the numbers anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tomato_host.board import decoding
from tomato_host.board.delayed_watermark import DelayedWatermark
from tomato_host.board.event_tracker import EventTracker
from tomato_host.board.events import BoardEvent, Sample

ACK_EVERY = 6
"""Samples between two acknowledgements."""
BACKFILL_LIMIT = 64
"""Samples asked for at once."""
BACKFILL_RETRY_MS = 3_000


class RecordReceipt:
    """Receives numbered records; sends nothing itself."""

    def __init__(
        self,
        is_stored: Callable[[Sample | BoardEvent], bool],
        may_acknowledge: Callable[[], bool],
        samples_safe_after_ms: int,
        events_safe_after_ms: int,
    ) -> None:
        """`is_stored` knows what an earlier process has put away; it is acknowledged and not told again.

        While `may_acknowledge` is false (what `poll` returned is not in its file yet) nothing is acknowledged, so the
        board keeps its copy; nor before the file has surely been synced, which takes the two spans.
        """
        self._samples = decoding.SampleTracker()
        self._is_stored = is_stored
        self._may_acknowledge = may_acknowledge
        self._handed_out = DelayedWatermark(samples_safe_after_ms)
        """What earlier calls of `poll` returned and is safe on disk by now: only that may be acknowledged."""
        self._events_handed_out = DelayedWatermark(events_safe_after_ms)
        self._events = EventTracker()
        self._events_acked = -1
        self._unacked = 0
        self._backfill_ms: int | None = None
        self._seen_since: set[int] = set()
        """Samples out of the ring since the running BACKFILL was asked for, known ones included."""

    def begin_poll(self, now_ms: int) -> None:
        """What has arrived until now was returned by earlier polls."""
        self._handed_out.update(self._samples.whole_up_to, now_ms)
        self._events_handed_out.update(self._events.whole_up_to, now_ms)

    def begin_connection(self, new_boot: bool) -> None:
        """The link is up (again). After a reset of the board the numbers begin anew."""
        if new_boot:
            self._samples = decoding.SampleTracker()
            self._events = EventTracker()
            self._events_acked = -1
            self._handed_out.clear()
            self._events_handed_out.clear()
        self._backfill_ms = None
        self._seen_since.clear()

    def on_sample(self, fields: dict[str, Any], boot_id: int, host_ms: float) -> Sample | None:
        """The sample of a SAMPLE message if it is new."""
        seq = fields["seq"]
        backlog = seq < self._samples.newest
        if seq <= self._samples.newest:
            # A live sample does not count: it may not be in the ring that BACKFILL walks through.
            self._seen_since.add(seq)
        if not self._samples.add(seq):
            return None
        self._unacked += 1
        item = decoding.sample(fields, boot_id, host_ms, backlog)
        return None if self._is_stored(item) else item

    def on_event(self, fields: dict[str, Any], boot_id: int, host_ms: float) -> BoardEvent | None:
        """The event of an EVENT message if it is new."""
        seq = fields["seq"]
        if seq <= self._events_acked:
            self._events_acked = -1  # told again although acknowledged: the acknowledgement was lost on the line
        if not self._events.add(seq):
            return None
        item = decoding.board_event(fields, boot_id, host_ms)
        return None if self._is_stored(item) else item

    def on_backfill_end(self, fields: dict[str, Any]) -> None:
        """The board has sent all it still had in that range. If all of it arrived, the rest is lost for good."""
        first, last = fields["first_seq"], fields["last_seq"]
        arrived = sum(first <= seq <= last for seq in self._seen_since)
        if arrived >= fields["count"] and first <= self._samples.whole_up_to + 1:
            self._samples.mark_covered(min(last, self._samples.newest))
        self._backfill_ms = None

    def pop_acknowledgement(self) -> dict[str, int]:
        """The fields of the ACK_UPTO that is due; empty when none is. It counts as sent."""
        acks: dict[str, int] = {}
        if not self._may_acknowledge():
            return acks
        if self._unacked >= ACK_EVERY and self._handed_out.value >= 0:
            acks["up_to"] = self._handed_out.value
            self._unacked = 0
        if self._events_handed_out.value > self._events_acked:
            acks["events_up_to"] = self._events_acked = self._events_handed_out.value
        return acks

    def pop_backfill(self, now_ms: int) -> dict[str, int]:
        """The fields of the BACKFILL that is due; empty when none is. It counts as sent."""
        if not self._samples.gap or (self._backfill_ms is not None and now_ms - self._backfill_ms < BACKFILL_RETRY_MS):
            return {}
        self._backfill_ms = now_ms
        self._seen_since.clear()
        return {"first_seq": self._samples.whole_up_to + 1, "limit": BACKFILL_LIMIT}
