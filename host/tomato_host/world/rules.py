"""What a world is made of, and the fold that turns its log into its document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from shared_schemas.world.messages import Effect, Intent
from tomato_host.world.document import Document, WorldState
from tomato_host.world.event_log import EventLogEntry
from tomato_host.world.validator import EffectValidator

CREATED = "world_created"
"""Kind of the first entry of a log; it records the seed."""
RESUMED = "world_resumed"
"""Kind of the entry that a later process begins with."""
AGENT = "agent_set"
"""Kind of the entry that holds an `agent_v1`."""
OF_THE_LOG = frozenset({CREATED, RESUMED, AGENT})
"""Kinds that change no document."""


class WorldRules(Protocol):
    """What a world is made of. All pure."""

    @property
    def validator(self) -> EffectValidator: ...

    def initial(self, seed: int) -> Document:
        """The document before the first effect."""

    def fold(self, document: Document, effect: Effect) -> Document:
        """The document after one effect. A kind it does not know changes nothing."""

    def reads(self, intent: Intent) -> tuple[str, ...]:
        """Pointers that an intent rests on, for staleness."""

    def amounts(self, intent: Intent) -> Mapping[str, float]:
        """What an intent asks for of the daily quotas, by their names."""

    def stops(self, intent: Intent) -> bool:
        """Whether an intent only switches something off."""


def applies(effect: Effect, source_metadata: Mapping[str, Any]) -> bool:
    """Whether an entry changes the document: not a refusal, not one in shadow, not one of the log itself."""
    return source_metadata.get("verdict", "effect") == "effect" and effect["kind"] not in OF_THE_LOG


def fold_entry(world: WorldRules, state: WorldState, entry: EventLogEntry) -> WorldState:
    """The state after one more entry."""
    document = state.document
    if applies(entry.effect, entry.source_metadata):
        document = world.fold(document, entry.effect)
    return WorldState(state.world, entry.n, max(state.sim_time_s, entry.effect["sim_time_s"]), document)


def replay(
    world: WorldRules, world_id: str, entries: Iterable[EventLogEntry], start: WorldState | None = None
) -> WorldState:
    """The state that the entries lead to; `start` is a snapshot, without one the log's first entry gives the seed."""
    state = start
    for entry in entries:
        if state is None:
            seed = entry.effect["payload"]["seed"] if entry.effect["kind"] == CREATED else 0
            state = WorldState(world_id, document=world.initial(seed))
        state = fold_entry(world, state, entry)
    return state or WorldState(world_id, document=world.initial(0))
