"""What makes an intent an effect, or a refusal: the protocol, and the validator that a table of rules drives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Intent, Payload
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.world.document import WorldState


@dataclass(frozen=True, slots=True)
class Validated:
    """An allowed intent: the payload that its effect has."""

    payload: Payload
    clipped: bool = False
    text: str = ""
    used: Mapping[str, float] | None = None
    """Amounts that count against the agent's daily quotas; None: as asked."""


class EffectValidator(Protocol):
    """The last word on an intent. There is no effect without it."""

    def validate_intent(self, intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
        """Allow, clip or refuse, from the newest state. Pure."""


IntentRule = Callable[[Intent, WorldState, AgentV1], Validated | Refusal]


class DefaultEffectValidator:
    """One rule by kind of intent; a kind without a rule is refused. Quota, cooldown and permission come before it."""

    def __init__(self, rules: Mapping[str, IntentRule]) -> None:
        self._rules = rules

    def validate_intent(self, intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
        """As `EffectValidator.validate_intent`. A rule that meets a payload it cannot read refuses it."""
        rule = self._rules.get(intent["kind"])
        if rule is None:
            return Refusal("NOT_PERMITTED", f"this world knows no {intent['kind']}")
        try:
            return rule(intent, state, agent)
        except (KeyError, TypeError, ValueError) as error:
            return Refusal("INTENT_CONFLICT", f"the payload of {intent['kind']} cannot be read: {error!r}")
