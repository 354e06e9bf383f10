"""The world of a game engine: the engine owns physics and time, the host owns who may ask for what, order and record.

The engine's agent (named in `may`: `time_tick`, `body_moved`, `collision`) emits what its physics has done; the others
submit intents such as `push`, and the effect of an accepted one reaches the engine, which applies it. A collision comes
back to everybody as an effect, so that what the agents see is what the log holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import dist, isfinite

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Effect, Intent
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.world.document import MISSING, Document, WorldState, assign, escape, lookup
from tomato_host.world.validator import DefaultEffectValidator, Validated
from tomato_host.world.views import EVERYTHING, ObservationPolicy

ENGINE_DRAFTS = ("time_tick", "body_moved", "collision")
"""What only the engine's agent may emit."""
LONGEST_PUSH_M = 5.0
PLAYER = ObservationPolicy(name="player", paths=EVERYTHING, events=("*",))
"""Sees everything; an arena has no secrets."""


class ArenaWorld:
    """Bodies in metres. Kind of intent: `push` (a body towards a place)."""

    def __init__(self) -> None:
        self.validator = DefaultEffectValidator({"push": push})

    def initial(self, seed: int) -> Document:
        """Empty; the engine says what there is."""
        return {"time_s": 0.0, "bodies": {}, "agents": {}, "collisions": {"count": 0}}

    def fold(self, document: Document, effect: Effect) -> Document:
        """Time, places and collisions as the engine reports them, and where bodies are pushed."""
        payload = effect["payload"]
        if effect["kind"] == "time_tick":
            return assign(document, "/time_s", effect["sim_time_s"])
        if effect["kind"] == "body_moved":
            at = f"/bodies/{escape(payload['body'])}"
            known = lookup(document, at)
            moved = {key: value for key, value in payload.items() if key != "body"}
            return assign(document, at, {**(known if known is not MISSING else {}), **moved})
        if effect["kind"] == "collision":
            count = document["collisions"]["count"] + 1
            return assign(document, "/collisions", {"count": count, "last": dict(payload)})
        if effect["kind"] == "push":
            return assign(document, f"/bodies/{escape(payload['body'])}/target", payload["target"])
        return document

    def reads(self, intent: Intent) -> tuple[str, ...]:
        """A push rests on nothing that makes it stale: bodies move all the time."""
        return ()

    def amounts(self, intent: Intent) -> Mapping[str, float]:
        """Nothing is used up."""
        return {}

    def stops(self, intent: Intent) -> bool:
        """Nothing here only switches off."""
        return False


def push(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """A body that the engine has shown, towards a place that is not farther away than it can be pushed."""
    name, to = intent["payload"]["body"], [float(value) for value in intent["payload"]["target"]]
    body = lookup(state.document, f"/bodies/{escape(name)}")
    if body is MISSING:
        return Refusal("INTENT_CONFLICT", f"there is no body {name}")
    here = body["position"]
    if len(to) != len(here) or not all(isfinite(value) for value in to):
        return Refusal("INTENT_CONFLICT", f"a place has {len(here)} coordinates")
    if (far_m := dist(here, to)) > LONGEST_PUSH_M:
        return Refusal("INTENT_CONFLICT", "that is too far away, m", far_m, LONGEST_PUSH_M)
    return Validated({"body": name, "target": to})
