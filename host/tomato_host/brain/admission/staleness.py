"""Staleness: how often what an intent has read has changed, as the agent could see it, since the view it rests on.

The count runs over changes of the agent's own view. A change that its policy hides has no number in that view, so it
can neither make an intent stale nor be inferred from a refusal. Only changes below a pointer of the *read set* count:
a tent samples every 10 s, and if every change counted, no agent would ever be fresh.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.refusals import Refusal

REMEMBERED = 256
"""Changes of a view that are remembered; what rests on an older view is stale."""


def touches(changed: str, read: str) -> bool:
    """Whether a change at one pointer is a change of what stands at or below another."""
    if changed == read:
        return True
    shorter, longer = (changed, read) if len(changed) < len(read) else (read, changed)
    return longer.startswith(shorter) and longer[len(shorter)] == "/"


class ViewChanges:
    """The newest changes of one agent's view, by their number."""

    __slots__ = ("_changes", "seq")

    def __init__(self, seq: int = 0) -> None:
        self.seq = seq
        """Number of the newest view. A process begins behind every number that an earlier one has given."""
        self._changes: deque[tuple[int, tuple[str, ...]]] = deque(maxlen=REMEMBERED)

    def add(self, pointers: Iterable[str]) -> int:
        """Record one change of the view; returns its number."""
        self.seq += 1
        self._changes.append((self.seq, tuple(pointers)))
        return self.seq

    def newer(self, context_seq: int, reads: tuple[str, ...]) -> int | None:
        """How many views after `context_seq` changed something read; None when that view is not remembered."""
        if context_seq == self.seq:
            return 0
        if context_seq > self.seq or not self._changes or self._changes[0][0] > context_seq + 1:
            return None
        return sum(
            1
            for seq, pointers in self._changes
            if seq > context_seq and any(touches(pointer, read) for pointer in pointers for read in reads)
        )


def staleness(case: AdmissionCase, changes: ViewChanges | None) -> Refusal | None:
    """Refuse an intent that rests on a view older than its agent's threshold allows."""
    if case.stops or case.context_seq is None or changes is None:
        return None
    limit = case.agent.stale_after
    count = changes.newer(case.context_seq, case.reads)
    if count is None:
        return Refusal("STALE_CONTEXT", f"view {case.context_seq} is none of the remembered ones", None, float(limit))
    if count <= limit:
        return None
    text = f"{count} changes of what it has read since view {case.context_seq}; view {changes.seq} is the newest"
    return Refusal("STALE_CONTEXT", text, float(count), float(limit))
