"""A world that runs in this process, as the outside sees it: turns of its orchestrator, and the agents' feeds.

The turns run as one task of the event loop: at once when something was submitted, and every `IDLE_S` for what becomes
due by itself. Between two turns the event loop serves its connections, so no agent waits for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import EffectDraft, Intent
from tomato_host.brain.admission.answers import Answer
from tomato_host.logs import Log
from tomato_host.service.world_host import AgentFeed, DraftRefused
from tomato_host.world.orchestrator import Orchestrator
from tomato_host.world.sandbox import what_if
from tomato_host.world.views import ObservationPolicy, snapshot_of

_log = Log("world")
IDLE_S = 0.05
FREE_DRAFTS = frozenset({"message"})
"""Events that every agent may emit; others only where the agent's record names them in `may`."""


class OrchestratorHost:
    """`WorldHost` over an orchestrator."""

    def __init__(self, host: Orchestrator, policies: Mapping[str, ObservationPolicy]) -> None:
        """`policies`: rows that the records of agents name."""
        self.host = host
        self._policies = policies
        self._feeds: dict[str, AgentFeed] = {}
        self._due = asyncio.Event()

    @property
    def tent(self) -> str:
        """Name of the world."""
        return self.host.world_id

    def add_agent(self, record: AgentV1) -> None:
        """Register an agent, or let a newer record of it hold."""
        policy = self._policies.get(record.policy) or ObservationPolicy(name=record.policy)
        self.host.register_agent(record, policy)

    async def run(self) -> None:
        """Run turns until cancelled."""
        while True:
            self.turn()
            try:
                await asyncio.wait_for(self._due.wait(), IDLE_S)
            except TimeoutError:
                continue
            finally:
                self._due.clear()

    def turn(self) -> None:
        """One turn, and what the agents get of it."""
        self.host.run_turn()
        if len(self.host.admission.queue):
            self._due.set()
        self._distribute()

    async def record(self, agent: str) -> AgentV1:
        """As `WorldHost.record`."""
        return self.host.observer(agent).account.record

    async def feed(self, agent: str) -> AgentFeed:
        """As `WorldHost.feed`."""
        observer = self.host.observer(agent)
        if agent not in self._feeds:
            self._feeds[agent] = AgentFeed()
            observer.queue.clear()
            self._resend(agent)
        return self._feeds[agent]

    async def submit(self, intent: Intent) -> Answer:
        """As `WorldHost.submit`."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def on_answer(answer: Answer) -> None:
            if not answered.done():
                answered.set_result(answer)

        at_once = self.host.submit_intent(intent, on_answer)
        if at_once is not None:
            return at_once
        self._due.set()
        return await answered

    async def cancel(self, agent: str, intent_id: str, reason: str) -> bool:
        """As `WorldHost.cancel`."""
        return self.host.cancel_intent(agent, intent_id, reason) is not None

    async def emit(self, draft: EffectDraft) -> None:
        """As `WorldHost.emit`."""
        record = self.host.observer(draft["source"]).account.record
        if record.state != "active":
            raise DraftRefused(f"{record.name} is {record.state}")
        if draft["kind"] not in FREE_DRAFTS and draft["kind"] not in (record.may or ()):
            raise DraftRefused(f"{record.name} may not emit {draft['kind']}")
        self.host.broadcast_event(draft)
        self._distribute()

    async def what_if(self, intent: Intent) -> dict[str, Any]:
        """As `WorldHost.what_if`."""
        return what_if(self.host, intent)

    async def forecast_with(self, intent: Intent, granted: str | None) -> dict[str, Any] | None:
        """As `WorldHost.forecast_with`: `what_if` shows the changed view already, and there is no weather here."""
        return None

    async def report(self, agent: str, name: str, text: str) -> None:
        """As `WorldHost.report`; in the log of the process."""
        _log.warning("security event", agent=agent, name=name, text=text)

    async def quarantine(self, agent: str, reason: str) -> None:
        """As `WorldHost.quarantine`."""
        record = self.host.observer(agent).account.record
        self.add_agent(record.model_copy(update={"state": "quarantined", "reason": reason[:200]}))

    def _distribute(self) -> None:
        for agent, feed in self._feeds.items():
            for observation in self.host.observer(agent).queue.pop_due():
                if not feed.add(observation):
                    self._resend(agent)

    def _resend(self, agent: str) -> None:
        view, feed = self.host.observer(agent).view, self._feeds[agent]
        if view is not None:
            feed.add(snapshot_of(view))
