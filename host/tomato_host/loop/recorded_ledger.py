"""The door as the executor sees it, with every movement of its books recorded, so that a replay can repeat them."""

from __future__ import annotations

from datetime import datetime

from shared_schemas.records import ActionV1, EventV1
from tomato_host.brain.guardrails.guardrails import Guardrails
from tomato_host.brain.guardrails.movements import DRAWN, GIVEN_BACK, RELEASED, SETTLED
from tomato_host.loop.clock import Clock
from tomato_host.loop.recorder import Recorder


class RecordedDoor:
    """Passes everything on to the guardrails. Amounts in s or ml; what moved nothing is not recorded."""

    def __init__(self, door: Guardrails, recorder: Recorder, clock: Clock) -> None:
        self._door = door
        self._recorder = recorder
        self._clock = clock

    def draw(self, action: ActionV1, amount: float, now: datetime) -> float:
        """As `Guardrails.draw`."""
        drawn = self._door.draw(action, amount, now)
        if drawn > 0.0:
            self._note(DRAWN, action, now, drawn=drawn)
        return drawn

    def settle(self, action: ActionV1, drawn: float, delivered: float, now: datetime) -> None:
        """As `Guardrails.settle`."""
        self._door.settle(action, drawn, delivered, now)
        self._note(SETTLED, action, now, drawn=drawn, delivered=delivered)

    def give_back(self, action: ActionV1, drawn: float) -> None:
        """As `Guardrails.give_back`."""
        self._door.give_back(action, drawn)
        self._note(GIVEN_BACK, action, self._clock.now(), drawn=drawn)

    def release(self, action: ActionV1) -> None:
        """As `Guardrails.release`."""
        self._door.release(action)
        self._note(RELEASED, action, self._clock.now())

    def _note(self, name: str, action: ActionV1, now: datetime, **amounts: float) -> None:
        self._recorder.note(
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
