"""Actions of an earlier process, or of a lost link: those judged, those that ended, and those without a recorded end.

A host may be killed at any instant. The next one takes its ledger over, so that no budget and no pause begins anew, and
closes what was under way: with what the board says it delivered, or, when it cannot say, as cut off.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionV1, parse_record
from shared_schemas.records.action_v1 import OUTPUT_OF, Outcome
from tomato_host.board.events import BoardEvent
from tomato_host.brain.execution.executor import BudgetLedger
from tomato_host.brain.execution.output_job import UNKNOWN_AMOUNT, UnconfirmedDose
from tomato_host.brain.guardrails.ledger_events import ALLOCATED, REFUNDED, SETTLED, ledger_event
from tomato_host.recovery.stored_samples import tail

REASON = "host_restart"
CONFIRMATION_MS = 45_000
"""How long after a connect the board may still report the end of a pulse: the longest pump pulse plus a repeat."""


@dataclass(slots=True)
class InterruptedAction:
    """One action without an end. Amounts in s, or ml for the pump."""

    action: ActionV1
    delivered: float = 0.0
    under_way: float = 0.0
    confirmed: bool = False
    """The board has reported how its last pulse ended."""
    in_ledger: bool = False
    """It is in the ledger already."""
    reason: str = REASON

    @property
    def output(self) -> str:
        """The output it acts on."""
        return OUTPUT_OF[self.action.type]


@dataclass(slots=True)
class InterruptedActions:
    """Actions of earlier processes: `finished` for the ledger, `interrupted` to be closed."""

    finished: tuple[ActionV1, ...] = ()
    judged: tuple[ActionV1, ...] = ()
    """Verdicts, oldest first: their ids have been answered."""
    interrupted: list[InterruptedAction] = field(default_factory=list)
    _due_ms: int | None = None
    _wait_ms: int = CONFIRMATION_MS

    def add(self, unconfirmed: list[UnconfirmedDose], wait_ms: int = CONFIRMATION_MS) -> None:
        """Add doses of this process whose end was not confirmed because the link was lost.

        `wait_ms`: how long after the next connect the board may still report it; 0 for one that was reset.
        """
        self.interrupted += [
            InterruptedAction(dose.action, dose.delivered, 1.0, in_ledger=True, reason=dose.reason)
            for dose in unconfirmed
        ]
        if unconfirmed:
            self._due_ms, self._wait_ms = None, wait_ms

    def connected(self, now_ms: int) -> None:
        """The board answers: it may now report what it still holds."""
        if self.interrupted and self._due_ms is None:
            self._due_ms = now_ms + self._wait_ms

    def on_board_event(self, event: BoardEvent, happened: datetime, now: datetime) -> None:
        """Process the end of a pulse that an earlier process had requested: of the newest action that it can belong to.

        An action that was replaced by a newer one for its output has no end of its own on the board, whose pulse goes
        on; if the process died before it settled the older one, both are without an end. An action that lies in the
        future was requested under a clock that was ahead: its time says nothing.
        """
        if event.name != "pulse_end":
            return
        for left in sorted(self.interrupted, key=lambda left: left.action.ts, reverse=True):
            row, from_future = OUTPUT_BY_NAME[left.output], left.action.ts > now
            meant = row.wire_id == event.a and not left.confirmed and left.under_way > 0.0
            if meant and (from_future or happened >= left.action.ts):
                left.delivered += event.b if row.dose_unit == "ml" else event.b / 1_000.0
                if row.dose_unit != "ml" and not from_future:
                    # A renewed pulse is reported as a whole: what earlier parts were settled with is included.
                    left.delivered = min(left.delivered, (happened - left.action.ts).total_seconds())
                left.under_way, left.confirmed = 0.0, True
                return

    def pop_closed(self, now_ms: int, now: datetime, guardrails: BudgetLedger, at_once: bool = False) -> list[ActionV1]:
        """Actions that can be closed now, with their outcome; an unknown amount counts as delivered in the ledger."""
        over = at_once or (self._due_ms is not None and now_ms >= self._due_ms)
        closed = [left for left in self.interrupted if over or left.confirmed]
        for left in closed:
            self.interrupted.remove(left)
            if not left.in_ledger:
                guardrails.settle(left.action, 0.0, left.delivered + left.under_way, now)
        return [_closed(left, now) for left in closed]


def _closed(left: InterruptedAction, now: datetime) -> ActionV1:
    water = OUTPUT_BY_NAME[left.output].dose_unit == "ml"
    known = left.delivered if left.confirmed or left.under_way <= 0.0 else None
    reason = left.reason if known is not None else left.reason + UNKNOWN_AMOUNT
    outcome = Outcome(
        status="ABORTED",
        delivered_ml=known if water else None,
        delivered_s=None if water else known,
        reason=reason,
        finished_ts=now,
    )
    return left.action.model_copy(update={"outcome": outcome})


def read_interrupted_actions(root: Path) -> InterruptedActions:
    """The last actions of the dataset at `root`. Damaged lines are skipped; without a dataset there are none."""
    ended: dict[str, ActionV1] = {}
    judged: list[ActionV1] = []
    waiting: dict[str, InterruptedAction] = {}
    for payload in tail(root, "action_v1"):
        action = _action(payload)
        if action is None or action.id is None or action.shadow or action.type not in OUTPUT_OF:
            continue
        if action.outcome is not None:
            ended[action.id] = action
            waiting.pop(action.id, None)
            continue
        judged.append(action)
        if action.safety.validated and action.params.state != "OFF":
            waiting[action.id] = InterruptedAction(action)
    for event in tail(root, "event_v1"):
        left = waiting.get(str(event.get("data", {}).get("action")))
        if left is not None:
            _move(left, event)
    return InterruptedActions(tuple(ended.values()), tuple(judged), list(waiting.values()))


def _move(left: InterruptedAction, event: dict[str, Any]) -> None:
    """Apply one recorded movement of the ledger."""
    data, name = event["data"], ledger_event(event["name"])
    drawn = float(data.get("drawn") or 0.0)
    if name == ALLOCATED:
        left.under_way += drawn
    elif name in (SETTLED, REFUNDED):
        left.under_way = max(0.0, left.under_way - drawn)
        left.delivered += float(data.get("delivered") or 0.0) if name == SETTLED else 0.0


def _action(payload: dict[str, Any]) -> ActionV1 | None:
    try:
        found = parse_record(json.dumps(payload))
    except ValueError:
        return None
    return found if isinstance(found, ActionV1) else None
