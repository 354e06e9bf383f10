"""Names of the recorded ledger movements, and how one is made again in a replay."""

from __future__ import annotations

from shared_schemas.records import ActionV1, EventV1
from tomato_host.brain.guardrails.guardrails import Guardrails

ALLOCATED, SETTLED, REFUNDED, RELEASED = "books_drawn", "books_settled", "books_given_back", "books_released"
LEDGER_EVENTS = frozenset({ALLOCATED, SETTLED, REFUNDED, RELEASED})
"""Names of the events. They stay off the display: a person sees the action and its outcome."""


def replay_event(guardrails: Guardrails, event: EventV1, action: ActionV1) -> None:
    """Make one recorded movement again."""
    drawn, delivered = float(event.data.get("drawn") or 0.0), float(event.data.get("delivered") or 0.0)
    if event.name == ALLOCATED:
        guardrails.allocate(action, drawn, event.ts)
    elif event.name == SETTLED:
        guardrails.settle(action, drawn, delivered, event.ts)
    elif event.name == REFUNDED:
        guardrails.refund(action, drawn)
    elif event.name == RELEASED:
        guardrails.release(action)
