"""What the outside needs of a world, and the fan-out of one agent's observations to all who read them.

Two kinds of host exist: the tent, whose admission and views live in the deciding loop (`tent_host.py`), and a world
that runs in this process (`orchestrator_host.py`). Routes, stream and MCP know this protocol only.

*Slow readers.* An observation is encoded once, whoever reads it. A reader holds at most `MOST_WAITING` of them; one
that falls behind loses what waits and gets the whole view instead: it costs a bounded memory, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import EffectDraft, Intent, ObservationDelta
from tomato_host.brain.admission.answers import Answer
from tomato_host.world.delta import apply
from tomato_host.world.distribution import Observation
from tomato_host.world.document import Document

Json = dict[str, Any]
KEPT = 256
"""Newest deltas of an agent that a client may still ask for; older ones: the whole view."""
MOST_WAITING = 64
"""Observations that wait for one reader."""

MOST_REPLIES = 1_000
"""Answers and errors that wait for a client that does not read them; the oldest are lost then."""


class WorldUnavailable(Exception):
    """The world cannot answer at this moment; the same request may come again."""


class DraftRefused(Exception):
    """This agent may not emit such an event. The argument is the reason."""


class WorldHost(Protocol):
    """One world as the outside sees it. Everything may raise WorldUnavailable; unknown agents raise KeyError."""

    @property
    def tent(self) -> str:
        """Its name in addresses."""

    async def record(self, agent: str) -> AgentV1:
        """The agent's record that holds now."""

    async def feed(self, agent: str) -> AgentFeed:
        """What the agent sees, from now on kept up to date."""

    async def submit(self, intent: Intent) -> Answer:
        """One intent, answered after its effect was written."""

    async def cancel(self, agent: str, intent_id: str, reason: str) -> bool:
        """Take a waiting intent back; False when it does not wait."""

    async def emit(self, draft: EffectDraft) -> None:
        """Broadcast an event. Raises DraftRefused."""

    async def what_if(self, intent: Intent) -> Json:
        """What would be answered and what would follow; nothing happens."""

    async def forecast_with(self, intent: Intent, granted: str | None) -> Json | None:
        """The forecast with an intent and without it, where the world has one. Raises DraftRefused where
        its agent may not see one.

        `granted`: what a clipped verdict left of its payload, as JSON.
        """

    async def report(self, agent: str, name: str, text: str) -> None:
        """Record a security event about an agent."""

    async def quarantine(self, agent: str, reason: str) -> None:
        """Stop an agent until a person releases it."""


class Outgoing:
    """One message to clients; its encodings are made at first use and shared by all readers."""

    def __init__(self, message: Mapping[str, Any]) -> None:
        """`message`: an object with one member, whose key names the kind."""
        self.message = message

    @cached_property
    def json(self) -> str:
        """As compact JSON."""
        return json.dumps(self.message, separators=(",", ":"), ensure_ascii=False)

    @cached_property
    def proto(self) -> bytes:
        """As a ServerMessage of stream.proto."""
        from tomato_host.service.stream_codec import encode_server_message

        return encode_server_message(self.message)


class ViewReader:
    """One reader of an agent's feed."""

    def __init__(self, feed: AgentFeed) -> None:
        self._feed = feed
        self._waiting: deque[Outgoing] = deque()
        self._replies: deque[Outgoing] = deque(maxlen=MOST_REPLIES)
        self._changed = asyncio.Event()
        self.lost = 0
        """Observations that this reader did not get, because it was too slow."""

    def offer(self, outgoing: Outgoing) -> None:
        """Queue one observation, or the whole view where too much waits already."""
        if len(self._waiting) >= MOST_WAITING:
            self.lost += len(self._waiting)
            self._waiting.clear()
            outgoing = self._feed.snapshot_message()
        self._waiting.append(outgoing)
        self._changed.set()

    def reply(self, outgoing: Outgoing) -> None:
        """Queue an answer; they go before observations."""
        self._replies.append(outgoing)
        self._changed.set()

    async def get(self) -> Outgoing:
        """Wait for the next answer or observation."""
        while not (self._replies or self._waiting):
            self._changed.clear()
            await self._changed.wait()
        return self._replies.popleft() if self._replies else self._waiting.popleft()


class AgentFeed:
    """The newest view of one agent, its recent deltas, and those who read them. One event loop uses it."""

    def __init__(self) -> None:
        self.view_seq = 0
        self.sim_time_s = 0.0
        self.document: Document = {}
        self._kept: deque[ObservationDelta] = deque(maxlen=KEPT)
        self._readers: set[ViewReader] = set()
        self._snapshot: Outgoing | None = None

    def add(self, observation: Observation) -> bool:
        """Take over one observation. False when it does not follow the last one: the whole view is needed."""
        if observation["schema_version"] == "effect_v1":
            self._offer(Outgoing({"effect": observation}))
            return True
        patch = observation["patch"]
        if patch is not None and observation["view_seq"] != self.view_seq + 1:
            return observation["view_seq"] <= self.view_seq
        snapshot: Any = observation["snapshot"]
        self.document = snapshot if patch is None else apply(self.document, patch)
        self.view_seq, self.sim_time_s = observation["view_seq"], observation["sim_time_s"]
        if patch is None and self._kept and self._kept[-1]["view_seq"] + 1 != self.view_seq:
            self._kept.clear()
        self._kept.append(observation)
        self._snapshot = None
        self._offer(Outgoing({"observation": observation}))
        return True

    def snapshot(self) -> ObservationDelta:
        """The whole view."""
        return {
            "schema_version": "observation_delta_v1",
            "view_seq": self.view_seq,
            "sim_time_s": self.sim_time_s,
            "patch": None,
            "snapshot": self.document,
        }

    def snapshot_message(self) -> Outgoing:
        """The whole view as a message; encoded once until it changes."""
        if self._snapshot is None:
            self._snapshot = Outgoing({"observation": self.snapshot()})
        return self._snapshot

    def since(self, view_seq: int) -> list[ObservationDelta]:
        """What leads from that view to the newest; the whole view where that is no longer known."""
        if view_seq == self.view_seq:
            return []
        newer = [delta for delta in self._kept if delta["view_seq"] > view_seq]
        follows = bool(newer) and (newer[0]["view_seq"] == view_seq + 1 or newer[0]["patch"] is None)
        return newer if follows and view_seq < self.view_seq else [self.snapshot()]

    def open_reader(self) -> ViewReader:
        """A reader that begins with the whole view."""
        reader = ViewReader(self)
        reader.offer(self.snapshot_message())
        self._readers.add(reader)
        return reader

    def close_reader(self, reader: ViewReader) -> None:
        """This reader reads no more."""
        self._readers.discard(reader)

    @property
    def is_read(self) -> bool:
        """Whether anybody reads it as it comes."""
        return bool(self._readers)

    def _offer(self, outgoing: Outgoing) -> None:
        for reader in self._readers:
            reader.offer(outgoing)
