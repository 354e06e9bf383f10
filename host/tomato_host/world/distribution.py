"""Distribution: after each turn every agent whose view has changed gets one delta, at its own pace.

An observer holds the last view that was sent. When the document changes, the cheap question (`is_touched`) leaves out
most observers; for the others the new view is filtered and compared. Equal views cause nothing. A view that was evicted
from memory leaves a digest behind: whether it has changed is still known, and only then a snapshot is sent, so that an
eviction shows no more than a view would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from random import Random

from shared_schemas.records.agent_v1 import LatencyModel
from shared_schemas.world.messages import Effect, ObservationDelta, PatchOp
from tomato_host.brain.admission.pipeline import AgentAccount
from tomato_host.world.delta import delta
from tomato_host.world.document import Document, View, WorldState
from tomato_host.world.event_log import canonical_json
from tomato_host.world.timed_queue import TimedQueue
from tomato_host.world.views import ObservationPolicy, snapshot_of

MOST_QUEUED = 1_000
"""Observations that wait for an agent that does not read."""
Observation = ObservationDelta | Effect
"""What an agent is sent: a change of its view, or an event that its policy passes on."""


def digest(document: Document) -> bytes:
    """A short hash of a view, by which an evicted one is compared."""
    return hashlib.sha256(canonical_json(document)).digest()[:16]


class SharedViews:
    """What observers of one policy have in common within one round of updates: the view, and the way to it.

    Ten agents that listen to one conversation see the same: it is filtered and compared once. Only what depends on
    nobody's body, nearness or relations is shared, so that nothing is shown that an agent's own filter would not show.
    """

    def __init__(self) -> None:
        self._views: dict[int, tuple[ObservationPolicy, Document]] = {}
        self._patches: dict[tuple[int, int, int], tuple[list[PatchOp], bool]] = {}
        self._alive: list[Document] = []

    def view(self, policy: ObservationPolicy, state: WorldState, agent: str) -> Document:
        """What the agent sees of the state, as the same object for all who see the same."""
        if not policy.is_shared(state, agent):
            return policy.filter_world_state(state, agent)
        found = self._views.get(id(policy))
        if found is None:
            found = self._views[id(policy)] = (policy, policy.filter_world_state(state, agent))
        return found[1]

    def patch(self, policy: ObservationPolicy, old: Document, new: Document) -> tuple[list[PatchOp], bool]:
        """What leads from one view to the next, and whether it is what is sent.

        Known by the identity of both documents, which live as long as this does.
        """
        key = (id(policy), id(old), id(new))
        found = self._patches.get(key)
        if found is None:
            patch = delta(old, new)
            sent = bool(patch) and policy.is_sent_as_patch(patch, new)
            found = self._patches[key] = (patch, sent)
            self._alive += (old, new)
        return found


class Observer:
    """What one agent has seen, and what is on its way to it."""

    def __init__(self, account: AgentAccount, policy: ObservationPolicy, clock: Callable[[], float], seed: int) -> None:
        self.account = account
        self.policy = policy
        self.queue: TimedQueue[Observation] = TimedQueue(clock)
        self.view: View | None = None
        self.dropped = 0
        """Observations that were dropped because the agent did not read."""
        self._digest: bytes | None = None
        self._base: Document = {}
        """The document of the last comparison; what is shared with it needs no second look."""
        self._next_s = float("-inf")
        self._latest_due_s = float("-inf")
        self._random = Random(f"{seed}:{account.record.name}")

    def update(self, state: WorldState, now_s: float, shared: SharedViews | None = None) -> ObservationDelta | None:
        """Bring the view up to the state and queue the delta; None when nothing visible has changed, or not yet due.

        `shared`: of this round, for one state.
        """
        agent, policy = self.account.record.name, self.policy
        if now_s < self._next_s or (self.view and self._base is state.document):
            return None
        if self.view and not policy.is_touched(self._base, state.document, agent):
            return None
        shared = shared or SharedViews()
        document = shared.view(policy, state, agent)
        self._base = state.document
        change = self._change(document, state.sim_time_s, shared)
        if change is None:
            return None
        self._next_s = now_s + policy.least_interval_s
        self._send(change, now_s)
        return change

    def send_event(self, effect: Effect, state: WorldState, now_s: float) -> bool:
        """Queue an event if the policy passes it on."""
        if not self.policy.should_observe_event(effect, self.account.record.name, state):
            return False
        self._send(effect, now_s)
        return True

    def set_policy(self, policy: ObservationPolicy) -> None:
        """From now on the agent sees through another policy; the next update compares all of it."""
        if policy != self.policy:
            self.policy, self._base = policy, {}

    def resend(self, now_s: float) -> None:
        """Queue the whole view: the agent fell behind, or has joined again."""
        if self.view is not None:
            self._send(snapshot_of(self.view), now_s)

    def evict(self) -> None:
        """Give the view's memory back; the next visible change arrives as a snapshot."""
        if self.view is not None:
            self._digest, self.view, self._base = digest(self.view.document), None, {}

    def _change(self, document: Document, sim_time_s: float, shared: SharedViews) -> ObservationDelta | None:
        changes, old = self.account.view, self.view
        if old is not None:
            patch, as_patch = shared.patch(self.policy, old.document, document)
            if not patch:
                return None
            # What has changed counts for staleness, also where a snapshot is the shorter message.
            seq = changes.add([operation["path"] for operation in patch])
            self.view = View(old.agent, seq, sim_time_s, document)
            return self.policy.encode_patch(patch, document, seq, sim_time_s, as_patch)
        if self._digest is not None and self._digest == digest(document):
            self.view = View(self.account.record.name, changes.seq, sim_time_s, document)
            return None
        self.view = View(self.account.record.name, changes.add([""]), sim_time_s, document)
        return snapshot_of(self.view)

    def _send(self, observation: Observation, now_s: float) -> None:
        """Queue for the moment that the latency model gives; never before what was sent earlier.

        Who does not read falls behind: what waits for it is dropped, and the whole view takes its place.
        """
        if len(self.queue) >= MOST_QUEUED and self.view is not None:
            self.dropped += self.queue.clear()
            observation = snapshot_of(self.view)
        due_s = max(now_s + self._latency_s(self.account.record.latency), self._latest_due_s)
        self._latest_due_s = due_s
        self.queue.put_at(due_s, observation)

    def _latency_s(self, model: LatencyModel) -> float:
        jitter_ms = self._random.random() * model.jitter_ms if model.jitter_ms else 0.0
        return (model.base_ms + jitter_ms) / 1_000.0
