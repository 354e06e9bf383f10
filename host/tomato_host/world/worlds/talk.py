"""A conversation as a world: what was said, in order; whoever is speaking may be interrupted by what others say."""

from __future__ import annotations

from collections.abc import Mapping

from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.world.messages import Effect, Intent
from tomato_host.brain.admission.refusals import Refusal
from tomato_host.world.document import Document, WorldState, assign, lookup
from tomato_host.world.validator import DefaultEffectValidator, Validated
from tomato_host.world.views import ANY, ObservationPolicy

SAID = "/said"
MOST_CHARACTERS = 1_000
REMEMBERED = 50
"""Utterances in the document; the log has them all."""

LISTENER = ObservationPolicy(name="listener", paths=(SAID, "/count"), events=(ANY,))
"""Sees and gets everything that is said."""


class TalkWorld:
    """A conversation. Kinds of intent: `say` with `text`, and optionally `to`, the one who is spoken to."""

    def __init__(self) -> None:
        self.validator = DefaultEffectValidator({"say": say})

    def initial(self, seed: int) -> Document:
        """Nothing was said yet."""
        return {"count": 0, "said": {}}

    def fold(self, document: Document, effect: Effect) -> Document:
        """An utterance joins what was said; the oldest leaves the document when there are too many."""
        if effect["kind"] != "say":
            return document
        count = lookup(document, "/count") + 1
        said = dict(lookup(document, SAID))
        said[f"{count:06d}"] = {"speaker": effect["source"], **effect["payload"]}
        while len(said) > REMEMBERED:
            del said[next(iter(said))]
        return assign(assign(document, SAID, said), "/count", count)

    def reads(self, intent: Intent) -> tuple[str, ...]:
        """Whoever says something answers to what was said."""
        return (SAID,)

    def amounts(self, intent: Intent) -> Mapping[str, float]:
        """Words cost nothing but the tokens that the intent names."""
        return {}

    def stops(self, intent: Intent) -> bool:
        """Words switch nothing off."""
        return False


def say(intent: Intent, state: WorldState, agent: AgentV1) -> Validated | Refusal:
    """A non-empty text; a too long one is clipped."""
    payload = intent["payload"]
    text, to = payload["text"], payload.get("to")
    if not isinstance(text, str) or not text.strip():
        return Refusal("INTENT_CONFLICT", "there is no text")
    clipped = len(text) > MOST_CHARACTERS
    said = {"text": text[:MOST_CHARACTERS], **({} if to is None else {"to": to})}
    return Validated(said, clipped, f"only the first {MOST_CHARACTERS} characters" if clipped else "")
