"""The thin thing a client holds: one agent of one world, without any state of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Effect, EffectDraft, Intent, ObservationDelta
from tomato_host.brain.admission.answers import Answer
from tomato_host.world.cancel import CancelToken
from tomato_host.world.distribution import Observer
from tomato_host.world.document import View

OnAnswer = Callable[[Answer], None]


class AgentHost(Protocol):
    """What a handle needs of its orchestrator."""

    def observer(self, agent: str) -> Observer: ...
    def submit_intent(self, intent: Intent, on_answer: OnAnswer | None = None) -> Answer | None: ...
    def cancel_intent(self, agent: str, intent_id: str, reason: str) -> Answer | None: ...
    def issue_cancel_token(self, agent: str, req_id: str, reads: tuple[str, ...]) -> CancelToken: ...
    def end_work(self, agent: str, req_id: str) -> None: ...
    def broadcast_event(self, draft: EffectDraft) -> Effect: ...


class AgentHandle:
    """One agent's interface to its world. Nothing here blocks, and nothing here reaches past the agent's policy."""

    def __init__(self, name: str, host: AgentHost) -> None:
        self.name = name
        self._host = host

    @property
    def record(self) -> AgentV1:
        """The agent's record that holds now."""
        return self._host.observer(self.name).account.record

    @property
    def view(self) -> View | None:
        """The newest view; None before the first turn, and after its memory was given back."""
        return self._host.observer(self.name).view

    @property
    def view_seq(self) -> int:
        """Number of the agent's newest view; 0 before the first."""
        return self._host.observer(self.name).account.view.seq

    def pop_observations(self) -> list[ObservationDelta | Effect]:
        """Everything that has been delivered since the last call."""
        return self._host.observer(self.name).queue.pop_due()

    async def next_observation(self) -> ObservationDelta | Effect:
        """Wait for the next change of the view, or the next event."""
        return await self._host.observer(self.name).queue.get()

    def submit_intent(self, intent: Intent, on_answer: OnAnswer | None = None) -> Answer | None:
        """Submit; an answer at once, or None and later exactly one call of `on_answer`, also for a repeat that waits.

        Raises ValueError when the intent names another agent.
        """
        if intent["agent"] != self.name:
            raise ValueError(f"{self.name} cannot submit for {intent['agent']}")
        return self._host.submit_intent(intent, on_answer)

    def emit(self, draft: EffectDraft) -> Effect:
        """Broadcast an event of this agent. Raises ValueError when it names another source."""
        if draft["source"] != self.name:
            raise ValueError(f"{self.name} cannot emit for {draft['source']}")
        return self._host.broadcast_event(draft)

    def cancel(self, intent_id: str, reason: str = "by its agent") -> Answer | None:
        """Take a waiting intent back and stop the work that leads to it; None when no intent waited."""
        return self._host.cancel_intent(self.name, intent_id, reason)

    def begin_work(self, req_id: str, reads: tuple[str, ...] = ("",)) -> CancelToken:
        """A token for work (a generation) that rests on the present view and will lead to intent `req_id`."""
        return self._host.issue_cancel_token(self.name, req_id, reads)

    def end_work(self, req_id: str) -> None:
        """The work is over, whichever way: it can no longer be cancelled."""
        self._host.end_work(self.name, req_id)
