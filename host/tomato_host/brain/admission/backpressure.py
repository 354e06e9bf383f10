"""What happens to one intent too many, and how a flood of refusals is recorded without filling the disk.

| policy | the new intent | the oldest that waits |
|---|---|---|
| `defer` | refused; its client waits and submits it again | stays |
| `shed_oldest` | waits | refused: for an agent whose newest intent is the one that counts |
| `drop_newest` | refused; its client is not asked to repeat it | stays |

A stop is never refused and never shed. So that stops cannot fill the memory either, a newer stop of the same kind takes
the place of an older one of the same agent: what has to be off will be off.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tomato_host.brain.admission.case import AdmissionCase
from tomato_host.brain.admission.fairness import FairQueue
from tomato_host.brain.admission.refusals import Refusal

RETRY_S = 1.0
MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Overflow:
    """What to do about a full queue: refuse the new intent, or take out one that waits."""

    refused: Refusal | None = None
    shed: AdmissionCase | None = None
    shed_why: Refusal | None = None


ROOM = Overflow()


def backpressure(case: AdmissionCase, queue: FairQueue) -> Overflow:
    """Apply the agent's policy to one more intent."""
    waiting, most = queue.waiting(case.source), case.agent.queue_most
    if case.exempt or waiting < most:
        return ROOM
    if case.stops:
        older = next((one for one in queue.of(case.source) if one.stops and one.kind == case.kind), None)
        why = Refusal("CANCELLED", f"replaced by the newer stop {case.id}")
        return ROOM if older is None else Overflow(shed=older, shed_why=why)
    policy = case.agent.backpressure
    if policy == "shed_oldest":
        oldest = next((one for one in queue.of(case.source) if not one.stops), None)
        if oldest is not None:
            return Overflow(shed=oldest, shed_why=_full(waiting, most, "shed for a newer one", RETRY_S))
    return Overflow(_full(waiting, most, "waiting already", RETRY_S if policy != "drop_newest" else None))


def _full(waiting: int, most: int, text: str, retry_after_s: float | None) -> Refusal:
    return Refusal("BACKPRESSURE", f"intents {text}", float(waiting), float(most), retry_after_s)


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """How many intents of an agent were refused for one reason within one minute."""

    agent: str
    code: str
    minute_s: int
    """Start of the minute, seconds of the world's clock."""
    count: int


class RefusalTally:
    """Counts refusals by quota and backpressure: each is answered, one record an agent, code and minute is written."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, str, str]] = Counter()

    def add(self, agent: str, code: str, now_s: float) -> None:
        """Count one refusal."""
        minute_s = int(now_s // MINUTE_S) * MINUTE_S
        self._counts[minute_s, agent, code] += 1

    def pop_closed(self, now_s: float) -> list[RefusalCount]:
        """The counts of minutes that are over, oldest first; they are then forgotten here."""
        closed = sorted(key for key in self._counts if key[0] + MINUTE_S <= now_s)
        return [
            RefusalCount(agent, code, minute, self._counts.pop((minute, agent, code))) for minute, agent, code in closed
        ]
