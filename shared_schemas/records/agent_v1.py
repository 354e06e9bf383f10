"""agent_v1: who may see and ask for what in a shared world; recorded at each change, so that a replay knows it too."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.action_v1 import ActionV1, Origin
from shared_schemas.records.base import Identifier, Listed, Part, Record, ShortText

Backpressure = Literal["defer", "shed_oldest", "drop_newest"]
Interrupt = Literal["always", "only_conflict"]

MilliSeconds = Annotated[FiniteFloat, Field(ge=0.0, le=60_000.0)]


ORIGIN_AGENTS: dict[Origin, str] = {
    "controller": "planner",
    "safe_mode": "safe_mode",
    "person": "owner",
    "api": "api",
    "mqtt": "mqtt",
    "llm": "advisor",
    "policy": "policy",
}
"""The agent that a proposal without one belongs to."""


def agent_name(action: ActionV1) -> str:
    """The agent that an action belongs to."""
    return action.agent or ORIGIN_AGENTS[action.origin]


class AgentQuotas(Part):
    """How much an agent may ask for; null: no quota of its own (guardrails and the board's budgets hold for all)."""

    intents_per_hour: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    water_ml_per_day: Annotated[FiniteFloat, Field(ge=0.0, le=100_000.0)] | None = None
    on_s_per_day: Annotated[FiniteFloat, Field(ge=0.0, le=864_000.0)] | None = None
    """On-time of all outputs together."""
    tokens_per_day: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    """Tokens of a language model."""


class LatencyModel(Part):
    """Delay of what an agent is sent, for simulations: base plus a uniformly drawn share of the jitter."""

    base_ms: MilliSeconds = 0.0
    jitter_ms: MilliSeconds = 0.0


class AgentV1(Record):
    """One agent of a world. The newest record of a name holds.

    Example:
        {"schema_version": "agent_v1", "ts": "2026-06-01T08:00:00+02:00", "name": "sitter", "tent": "main",
         "origin": "person", "policy": "sitter", "quotas": {"intents_per_hour": 20, "water_ml_per_day": 300.0},
         "may": ["WATER"], "state": "active", "reason": "holiday until 14 June"}
    """

    schema_version: Literal["agent_v1"]
    name: Identifier
    tent: Identifier
    origin: Origin
    """Its rank in the guardrails."""
    role: Literal["owner", "agent"] = "agent"
    """The owner is exempt from quota and shedding; nobody is exempt from the guardrails."""
    policy: Identifier
    """Row of the table of observation policies: what it sees."""
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """Share in the deficit round robin: intents in a round."""
    quotas: AgentQuotas = AgentQuotas()
    may: Annotated[tuple[Identifier, ...], Listed] | None = None
    """Kinds of intent it may submit; null: all that its origin may."""
    cooldown_s: Annotated[FiniteFloat, Field(ge=0.0, le=86_400.0)] = 0.0
    """Shortest time between two effects of this agent."""
    stale_after: Annotated[int, Field(ge=0, le=10_000)] = 0
    """Changes of what an intent has read that do not yet make it stale."""
    interrupt: Interrupt = "only_conflict"
    """Which change cancels work under way: any visible one, or one of what the work has read."""
    debounce_ms: MilliSeconds = 0.0
    """Shortest time between two interruptions; the last change is examined when it is over."""
    backpressure: Backpressure = "defer"
    queue_most: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Intents that may wait; one more meets the backpressure policy."""
    latency: LatencyModel = LatencyModel()
    shadow: bool = False
    """Its intents are judged and recorded, and move nothing."""
    state: Literal["active", "quarantined", "revoked"] = "active"
    reason: ShortText = ""
    """Why it is in this state."""
