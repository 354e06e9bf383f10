"""The ledger as the executor sees it: every movement is recorded, so that a replay can repeat it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared_schemas.records import ActionV1, EventV1
from tomato_host.brain.guardrails.guardrails import Guardrails
from tomato_host.brain.guardrails.ledger_events import ALLOCATED, REFUNDED, RELEASED, SETTLED
from tomato_host.loop.recorder import Recorder


class RecordedLedger:
    """Delegates to the guardrails. Amounts in s or ml, moments local; an allocation of nothing is not recorded."""

    def __init__(self, guardrails: Guardrails, recorder: Recorder, now: Callable[[], datetime]) -> None:
        self._guardrails = guardrails
        self._recorder = recorder
        self._now = now

    def allocate(self, action: ActionV1, amount: float, now: datetime) -> float:
        """As `Guardrails.allocate`."""
        drawn = self._guardrails.allocate(action, amount, now)
        if drawn > 0.0:
            self._record(ALLOCATED, action, now, drawn=drawn)
        return drawn

    def settle(self, action: ActionV1, drawn: float, delivered: float, now: datetime) -> None:
        """As `Guardrails.settle`."""
        self._guardrails.settle(action, drawn, delivered, now)
        self._record(SETTLED, action, now, drawn=drawn, delivered=delivered)

    def refund(self, action: ActionV1, drawn: float) -> None:
        """As `Guardrails.refund`."""
        self._guardrails.refund(action, drawn)
        self._record(REFUNDED, action, self._now(), drawn=drawn)

    def release(self, action: ActionV1) -> None:
        """As `Guardrails.release`."""
        self._guardrails.release(action)
        self._record(RELEASED, action, self._now())

    def _record(self, name: str, action: ActionV1, now: datetime, **amounts: float) -> None:
        self._recorder.record_quietly(
            EventV1(
                schema_version="event_v1",
                ts=now,
                level="INFO",
                kind="board",
                name=name,
                text=f"{action.type.value} {action.id}",
                data={"action": action.id, **amounts},
            )
        )
