"""Cancelling work under way: the token that work looks at, and the watch that cancels when its context has changed.

A generation (an answer of a language model, a plan) rests on a view. When the view moves on, the agent's interrupt
policy decides: `always` cancels at any visible change beyond the agent's threshold, `only_conflict` only when something
that the work has read has changed. The work is then begun again on the new context by whoever began it; the reason says
why it was stopped.

*Debounce with a trailing edge.* Within the agent's debounce after an interruption no further one happens, but the
change is not forgotten: the work is examined again when the debounce is over. Without that trailing look the last
change of a burst would be swallowed, and the work would end on a context that is known to be old.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from tomato_host.brain.admission.pipeline import AgentAccount

STALE = "STALE_CONTEXT"
"""How the reason of a cancel begins that follows from the agent's own view."""


class WorkCancelled(Exception):
    """Raised where cancelled work stops. The argument is the reason."""


class CancelToken:
    """Pulled once, by anyone, from any thread; the first reason stays."""

    def __init__(self, context_seq: int | None = None) -> None:
        """`context_seq`: number of the view that the work rests on."""
        self._event = threading.Event()
        self._lock = threading.Lock()
        self.context_seq = context_seq
        self.reason: str | None = None
        self.cancelled_at_s: float | None = None

    def cancel(self, reason: str) -> bool:
        """Cancel with a reason. Returns False when it was already cancelled."""
        with self._lock:
            if self._event.is_set():
                return False
            self.reason = reason
            self.cancelled_at_s = time.monotonic()
            self._event.set()
            return True

    @property
    def is_cancelled(self) -> bool:
        """True once cancelled."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise WorkCancelled when cancelled; call it between two steps of work."""
        if self._event.is_set():
            raise WorkCancelled(self.reason)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until cancelled or the time is over; whether it is cancelled."""
        return self._event.wait(timeout_s)


@dataclass(slots=True)
class Work:
    """Work of one agent under way."""

    token: CancelToken
    context_seq: int
    reads: tuple[str, ...]


@dataclass(slots=True)
class AgentWork:
    """What one agent has under way, by the id of the intent it will lead to."""

    by_id: dict[str, Work] = field(default_factory=dict)
    interrupted_s: float = float("-inf")
    examine_s: float | None = None
    """When a change that fell into the debounce is looked at again."""


class CancelWatch:
    """The tokens of a world, and their cancelling when a view moves on. Times are seconds of the world's clock."""

    def __init__(self) -> None:
        self._agents: dict[str, AgentWork] = {}

    def begin(self, agent: str, req_id: str, context_seq: int, reads: tuple[str, ...]) -> CancelToken:
        """A token for work that rests on a view; a second one for the same id cancels the first."""
        work = self._agents.setdefault(agent, AgentWork())
        if req_id in work.by_id:
            work.by_id[req_id].token.cancel("begun again")
        token = CancelToken(context_seq)
        work.by_id[req_id] = Work(token, context_seq, reads)
        return token

    def end(self, agent: str, req_id: str) -> None:
        """The work is over, whichever way; unknown ids are ignored."""
        if agent in self._agents:
            self._agents[agent].by_id.pop(req_id, None)

    def cancel(self, agent: str, req_id: str, reason: str) -> bool:
        """Cancel one piece of work; False when it is not under way or already cancelled."""
        found = self._agents[agent].by_id.pop(req_id, None) if agent in self._agents else None
        return found is not None and found.token.cancel(reason)

    def examine(self, account: AgentAccount, now_s: float) -> list[str]:
        """Cancel what the agent's newest view has made stale; returns the ids, oldest first."""
        work = self._agents.get(account.record.name)
        if work is None:
            return []
        stale = [(req_id, why) for req_id, one in work.by_id.items() if (why := _stale_reason(account, one))]
        free_s = work.interrupted_s + account.record.debounce_ms / 1_000.0
        work.examine_s = free_s if stale and now_s < free_s else None
        if not stale or now_s < free_s:
            return []
        work.interrupted_s = now_s
        for req_id, why in stale:
            work.by_id.pop(req_id).token.cancel(why)
        return [req_id for req_id, _ in stale]

    def due(self, now_s: float) -> list[str]:
        """Agents whose debounce is over and whose last change was not examined yet."""
        return [name for name, work in self._agents.items() if work.examine_s is not None and work.examine_s <= now_s]

    def next_due_s(self) -> float | None:
        """When `due` next has something; None when nothing waits."""
        return min((work.examine_s for work in self._agents.values() if work.examine_s is not None), default=None)


def _stale_reason(account: AgentAccount, work: Work) -> str | None:
    """Why the work is stale by its agent's interrupt policy, or None."""
    record, view = account.record, account.view
    if record.interrupt == "always":
        count: int | None = view.seq - work.context_seq
    else:
        count = view.newer(work.context_seq, work.reads)
    if count is None:
        return f"{STALE}: view {work.context_seq} is too old to compare"
    if count <= record.stale_after:
        return None
    return f"{STALE}: {count} changes since view {work.context_seq}, view {view.seq} is the newest"
