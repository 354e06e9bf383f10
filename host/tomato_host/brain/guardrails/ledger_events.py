"""Names of the recorded ledger movements, and how one is made again in a replay."""

from __future__ import annotations

from shared_schemas.records import ActionV1, EventV1
from tomato_host.brain.guardrails.guardrails import Guardrails

ALLOCATED, SETTLED, REFUNDED, RELEASED = "ledger_allocated", "ledger_settled", "ledger_refunded", "ledger_released"
LEDGER_EVENTS = frozenset({ALLOCATED, SETTLED, REFUNDED, RELEASED})
"""Names of the events. They stay off the display: a person sees the action and its outcome."""

FORMER_NAMES = {
    "books_drawn": ALLOCATED,
    "books_settled": SETTLED,
    "books_given_back": REFUNDED,
    "books_released": RELEASED,
}
"""Names in datasets of 0.1, which every reader still accepts."""


def ledger_event(name: str) -> str | None:
    """The present name of a ledger event, whichever version recorded it; None for every other event."""
    name = FORMER_NAMES.get(name, name)
    return name if name in LEDGER_EVENTS else None


def replay_event(guardrails: Guardrails, event: EventV1, action: ActionV1) -> None:
    """Make one recorded movement again; events that are no movement change nothing."""
    drawn, delivered = float(event.data.get("drawn") or 0.0), float(event.data.get("delivered") or 0.0)
    name = ledger_event(event.name)
    if name == ALLOCATED:
        guardrails.allocate(action, drawn, event.ts)
    elif name == SETTLED:
        guardrails.settle(action, drawn, delivered, event.ts)
    elif name == REFUNDED:
        guardrails.refund(action, drawn)
    elif name == RELEASED:
        guardrails.release(action)
