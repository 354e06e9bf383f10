"""Once only: an intent that arrives twice has one effect and one answer, also when the host is killed in between.

A client that does not hear an answer cannot know whether its intent was lost or the answer was. So it must be allowed
to send the same intent again, under the same id, as often as it likes, and three things must hold:

1. *No second effect.* An id that was accepted is never accepted again.
2. *No lost effect.* An id that was refused for the moment ("link down", "too soon") may come again, and then works.
3. *One answer.* Who repeats an id with a final answer is given this answer, not the message that the id is known.

    unknown --accepted, clipped, refused for good--> answered --24 h--> unknown
       ^ |                                             | same parameters:  the stored answer
       +-+ not now: link, stale, quota, backpressure   | other parameters: ID_REUSED (422)

*What is stored* is the fingerprint of the parameters and the final answer, by (tent, agent, id): two agents may count
from 1 without disturbing each other. An answer is final when no later moment could change it. What depends on the
moment is "not now" and leaves no trace. A refusal that nobody could lift must be stored as well, or a flood of repeats
would be judged each time.

*When it is stored*: with the verdict, before anything moves. The answer is "accepted", never "done": what came of an
action is a record of its own. A host that is killed between the verdict and the first pulse has then lost the dose, not
doubled it; water that is missing shows in the soil, water that came twice does not come back.

*Over a restart* the table is filled from the dataset, where each verdict stands before its effect
(`recovery/crash_recovery.py`). Until this is done (`ready`), an id that is not in the table may still have an answer:
it gets UNAVAILABLE (503, come again), never a second effect.

*Age.* An answer is repeated for LIFETIME_S. Times are seconds of any one clock. An entry that lies in the future was
stored under a clock that was ahead: it counts as stored now, for to forget it would allow a second effect, and to leave
it where it is would fill the table for as long as the clock was wrong.

Rejected: to store every verdict (a passing refusal then burns its id: the retry is answered and nothing ever comes), to
compare whole records instead of parameters (a client stamps a retry anew), ids unique over all agents (one agent could
burn the ids of another), and a database as the truth (the dataset has every verdict already; two truths can differ).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

LIFETIME_S = 86_400.0
"""How long an answer is repeated."""
MOST_ANSWERS = 100_000
"""Answers stored at most; the oldest leave. Quotas admit far fewer a day (600 actions an hour at the very most)."""

Answered = TypeVar("Answered")
"""What an answer is, is up to the caller: a verdict of the guardrails, an answer of the shared world."""


_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


class IntentKey(NamedTuple):
    """Whose id it is. Ids are unique for one agent of one tent, nothing more."""

    tent: str
    agent: str
    id: str


class NoAnswer(Enum):
    """Why an intent is neither new nor answered. The value is the HTTP status."""

    ID_REUSED = 422
    """The id was answered for other parameters: the client must choose a new one."""
    UNAVAILABLE = 503
    """The answers of earlier processes are not read yet: the client must come again."""


@dataclass(frozen=True, slots=True)
class StoredIntent(Generic[Answered]):
    """One final answer, the fingerprint it was given for, and when (seconds)."""

    key: IntentKey
    fingerprint: str
    answer: Answered
    at_s: float


def fingerprint(kind: str, params: Mapping[str, object]) -> str:
    """A digest of what is asked for; the order of `params` does not matter. Raises TypeError for what is no JSON."""
    text = _ENCODE([kind, params])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class IdempotencyTable(Generic[Answered]):
    """Final answers of the last 24 h. Pure: equal calls give equal answers."""

    def __init__(self, ready: bool = True, lifetime_s: float = LIFETIME_S, most: int = MOST_ANSWERS) -> None:
        """`ready` False: answers of earlier processes are still to be restored."""
        self.ready = ready
        self._lifetime_s = lifetime_s
        self._most = most
        self._stored: dict[IntentKey, StoredIntent[Answered]] = {}

    def __len__(self) -> int:
        return len(self._stored)

    def find(self, key: IntentKey, digest: str, now_s: float) -> StoredIntent[Answered] | NoAnswer | None:
        """The stored answer, the reason why there can be none, or None: the intent is new and may be judged."""
        found = self._stored.get(key)
        if found is None or now_s - found.at_s >= self._lifetime_s:
            return None if self.ready else NoAnswer.UNAVAILABLE
        if found.at_s > now_s:
            self._stored[key] = found = replace(found, at_s=now_s)
        return found if found.fingerprint == digest else NoAnswer.ID_REUSED

    def store(self, key: IntentKey, digest: str, answer: Answered, now_s: float) -> None:
        """Store a final answer. One that stands already stays: there is one answer to an id."""
        found = self._stored.get(key)
        if found is not None and now_s - found.at_s < self._lifetime_s:
            return
        self._stored.pop(key, None)
        self._stored[key] = StoredIntent(key, digest, answer, now_s)
        self._forget(now_s)

    def restore(self, earlier: Iterable[StoredIntent[Answered]], now_s: float) -> int:
        """Answers of earlier processes, oldest first; the table is ready then. Returns how many it now has."""
        for intent in earlier:
            at_s = min(intent.at_s, now_s)
            if now_s - at_s < self._lifetime_s:
                self._stored.setdefault(intent.key, replace(intent, at_s=at_s))
        self.ready = True
        self._forget(now_s)
        return len(self._stored)

    def shift(self, by_s: float) -> None:
        """The clock was set by this much: every answer stays as old as it is."""
        self._stored = {key: replace(intent, at_s=intent.at_s + by_s) for key, intent in self._stored.items()}

    def _forget(self, now_s: float) -> None:
        """Drop the oldest while they are over their age or too many. Amortised O(1): order is the order of storing."""
        while self._stored:
            oldest = next(iter(self._stored.values()))
            if oldest.at_s > now_s:
                del self._stored[oldest.key]
                self._stored[oldest.key] = replace(oldest, at_s=now_s)
            elif len(self._stored) <= self._most and now_s - oldest.at_s < self._lifetime_s:
                return
            else:
                del self._stored[oldest.key]


__all__ = ["IdempotencyTable", "IntentKey", "NoAnswer", "StoredIntent", "fingerprint"]
