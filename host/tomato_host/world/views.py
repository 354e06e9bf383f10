"""What an agent sees: a policy is a row of a table, a view is the document through it.

A policy gives allowed pointers, and for named collections narrows them by distance (members within so many metres of
the agent's own position) and by relationship (members that the agent is related to, over edges such as agent - tent -
plant - output). Numbers are rounded to the policy's steps. Everything not allowed is absent: the default is no.

*No leak.* A view is a function of what its policy allows; a change of anything else gives an equal view, and an equal
view gives no message, no number and no timer. What leaves a view (it moved away, a relation ended) is missing in the
next one, so that its delta holds a `remove`: an observer never goes on believing in what it no longer sees.

Rejected: filtering events instead of the document (what an observer knows would depend on when it joined), and
redacting values instead of leaving out members (that something is hidden is information, too).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import dist
from typing import Any

from shared_schemas.world.messages import Effect, ObservationDelta, PatchOp
from tomato_host.world.delta import delta, encoded_size
from tomato_host.world.document import MISSING, Document, View, WorldState, assign, escape, lookup, parse_pointer

RELATIONS = "/relations"
"""Edges of the world: `/relations/<from>/<to>` names the kind of relation."""
EVERYTHING = ("",)
ANY = "*"


@dataclass(frozen=True, slots=True)
class ObservationPolicy:
    """What an agent sees. Distances in m, rounding steps in the unit of the quantity."""

    name: str
    paths: tuple[str, ...] = ()
    """Pointers of the allowed branches; `("",)`: everything."""
    hidden: tuple[str, ...] = ()
    """Pointers that are left out of the allowed branches."""
    near: tuple[str, ...] = ()
    """Collections whose members are seen within `distance_m`; a member has a `position`, a list of coordinates."""
    distance_m: float = 0.0
    related: tuple[str, ...] = ()
    """Collections whose members are seen only when the agent is related to them."""
    reach: int = 3
    """Edges that a relation may have: agent - tent - plant - output is three."""
    rounding: Mapping[str, float] = field(default_factory=dict)
    """Step by name of the quantity: `{"moisture_pct": 1.0}`."""
    events: tuple[str, ...] = ()
    """Kinds of event that are passed on; `("*",)`: all. From sources that are near and related, where that is asked."""
    least_interval_s: float = 0.0
    max_patch_ops: int = 200
    """A longer patch becomes a snapshot."""
    body: str = "/agents"
    """Collection in which the agent itself stands; its own member is always seen."""

    @property
    def full(self) -> bool:
        """Whether it sees all there is, the global sequence included."""
        return self.paths == EVERYTHING and not (self.hidden or self.near or self.related or self.rounding)

    def is_shared(self, state: WorldState, agent: str) -> bool:
        """Whether the view is the same for every agent of this policy that has no body in the world."""
        return self.full or not (
            self.near or self.related or lookup(state.document, f"{self.body}/{escape(agent)}") is not MISSING
        )

    def filter_world_state(self, state: WorldState, agent: str) -> Document:
        """The part of the document that the agent sees."""
        if self.full:
            return state.document
        scope = _Scope(self, agent, state.document)
        seen: Document = {}
        for path in self.paths:
            value = lookup(state.document, path)
            if value is not MISSING:
                value = scope.seen(value, path) if scope.is_open(path, state.document) else MISSING
            if value is not MISSING:
                seen = assign(seen, path, value)
        own = lookup(state.document, scope.own)
        return seen if own is MISSING else assign(seen, scope.own, scope.rounded(own, ""))

    def should_observe_event(self, effect: Effect, agent: str, state: WorldState) -> bool:
        """Whether the agent gets this event as it happens: its own always, an addressed one only at its address."""
        if effect["source"] == agent:
            return True
        to = effect["payload"].get("to")
        if effect["kind"] not in self.events and ANY not in self.events:
            return False
        if to is not None and agent not in (to if isinstance(to, list) else [to]):
            return False
        if self.body not in self.near and self.body not in self.related:
            return True
        scope = _Scope(self, agent, state.document)
        place = f"{self.body}/{escape(effect['source'])}"
        if self.body in self.near and not scope.is_near(lookup(state.document, place)):
            return False
        return self.body not in self.related or effect["source"] in scope.relatives

    def is_touched(self, old: Document, new: Document, agent: str) -> bool:
        """False when no branch that the agent's view depends on has changed: the cheap question before filtering."""
        pointers: Iterable[str] = (*self.paths, f"{self.body}/{escape(agent)}", *((RELATIONS,) if self.related else ()))
        return any(lookup(old, pointer) is not lookup(new, pointer) for pointer in pointers)

    def calculate_observation_delta(
        self, old: Document, new: Document, view_seq: int, sim_time_s: float
    ) -> ObservationDelta | None:
        """From one view to the next; None when they are equal. A snapshot where that is shorter."""
        patch = delta(old, new)
        return self.encode_patch(patch, new, view_seq, sim_time_s) if patch else None

    def is_sent_as_patch(self, patch: list[PatchOp], new: Document) -> bool:
        """Whether the patch that leads to the view `new` is sent, and not `new` itself, which may be shorter."""
        return len(patch) <= self.max_patch_ops and _is_shorter(patch, new)

    def encode_patch(
        self,
        patch: list[PatchOp],
        new: Document,
        view_seq: int,
        sim_time_s: float,
        as_patch: bool | None = None,
    ) -> ObservationDelta:
        """The patch that leads to the view `new`, or `new` itself where that is shorter; `as_patch`: known already."""
        if as_patch is None:
            as_patch = self.is_sent_as_patch(patch, new)
        return {
            "schema_version": "observation_delta_v1",
            "view_seq": view_seq,
            "sim_time_s": sim_time_s,
            "patch": patch if as_patch else None,
            "snapshot": None if as_patch else new,
        }


def snapshot_of(view: View) -> ObservationDelta:
    """The whole view, for an observer that joins or fell behind."""
    return {
        "schema_version": "observation_delta_v1",
        "view_seq": view.view_seq,
        "sim_time_s": view.sim_time_s,
        "patch": None,
        "snapshot": view.document,
    }


def _is_shorter(patch: list[PatchOp], document: Document) -> bool:
    """Whether the patch takes fewer bytes than the document. A lower bound of the document usually settles it."""
    patch_bytes = encoded_size(patch)
    return _has_bytes(document, patch_bytes) or patch_bytes < encoded_size(document)


def _has_bytes(document: Document, least: int) -> bool:
    """Whether the document surely takes that many bytes: each member at least its key and five more ("key":v,)."""
    waiting: list[Mapping[str, Any]] = [document]
    while waiting:
        for key, value in waiting.pop().items():
            least -= len(key) + 5
            if type(value) is dict:
                waiting.append(value)
        if least <= 0:
            return True
    return False


class _Scope:
    """One policy for one agent at one moment."""

    def __init__(self, policy: ObservationPolicy, agent: str, document: Document) -> None:
        self._policy = policy
        self.own = f"{policy.body}/{escape(agent)}"
        here = lookup(document, f"{self.own}/position") if policy.near else MISSING
        self._here: list[float] | None = here if isinstance(here, list) else None
        self.relatives = _relatives(document, agent, policy.reach) if policy.related else frozenset[str]()
        self._narrowed = (*policy.hidden, *policy.near, *policy.related)

    def seen(self, value: Any, at: str) -> Any:
        """What is seen of the value at a pointer, or MISSING."""
        policy = self._policy
        if at in policy.hidden:
            return MISSING
        if not isinstance(value, dict) or not any(_is_below(pointer, at) for pointer in self._narrowed):
            return self.rounded(value, at[at.rfind("/") + 1 :])
        if at in policy.near:
            value = {key: member for key, member in value.items() if self.is_near(member)}
        if at in policy.related:
            value = {key: member for key, member in value.items() if key in self.relatives}
        members = {key: self.seen(member, f"{at}/{escape(key)}") for key, member in value.items()}
        # A branch of which nothing is left is absent: an empty one would tell that there is something in it.
        return {key: member for key, member in members.items() if member is not MISSING} or MISSING

    def is_open(self, path: str, document: Document) -> bool:
        """Whether a path leads through nothing that is hidden, far or unrelated; its end is for `seen` to judge."""
        policy, at, value = self._policy, "", document
        for key in parse_pointer(path):
            value = value[key]
            if at in policy.hidden or (at in policy.near and not self.is_near(value)):
                return False
            if at in policy.related and key not in self.relatives:
                return False
            at = f"{at}/{escape(key)}"
        return True

    def is_near(self, member: Any) -> bool:
        """Whether a member with a position is within the policy's distance; without positions nothing is near."""
        there = member.get("position") if isinstance(member, dict) else None
        if self._here is None or not isinstance(there, list) or len(there) != len(self._here):
            return False
        return dist(self._here, there) <= self._policy.distance_m

    def rounded(self, value: Any, key: str) -> Any:
        """The value with its numbers rounded to the steps of their quantities; the same object when none applies."""
        steps = self._policy.rounding
        if not steps:
            return value
        if isinstance(value, dict):
            return {name: self.rounded(member, name) for name, member in value.items()}
        step = steps.get(key)
        if step is None or isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return round(round(value / step) * step, 9)


def _is_below(pointer: str, at: str) -> bool:
    return pointer.startswith(at) and (len(pointer) == len(at) or not at or pointer[len(at)] == "/")


def _relatives(document: Document, agent: str, reach: int) -> frozenset[str]:
    """Everything within `reach` edges of the agent, the agent included."""
    edges = lookup(document, RELATIONS)
    found, frontier = {agent}, {agent}
    for _ in range(reach if isinstance(edges, dict) else 0):
        frontier = {to for name in frontier for to in edges.get(name, ())} - found
        found |= frontier
    return frozenset(found)
