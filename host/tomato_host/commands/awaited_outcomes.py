"""Requests for an action whose sender waits for what came of it: the second reply, when the board has reported."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from shared_schemas.records import ActionV1
from shared_schemas.records.action_v1 import OUTPUT_OF
from tomato_host.board.events import LinkEvent, Result
from tomato_host.brain.execution.output_job import LINK_LOST, RESET, UNKNOWN_AMOUNT
from tomato_host.brain.safe_mode.causes import CAUSE_BY_NAME
from tomato_host.commands.inbox import Reply

MOST_OPEN = 50


def outcome_reply_id(request_id: str) -> str:
    """The second reply to a request has a name of its own."""
    return f"{request_id}-outcome"


class AwaitedOutcomes:
    """The accepted requests that wait, by the action's id; the oldest are forgotten first."""

    def __init__(self, action_of: Callable[[int], str | None]) -> None:
        """`action_of`: id of the action under way that a command of the board belongs to."""
        self._action_of = action_of
        self._open: OrderedDict[str, tuple[str, ActionV1]] = OrderedDict()

    def add(self, request_id: str, action: ActionV1) -> None:
        """The guardrails have accepted the action of a request that waits."""
        self._open[str(action.id)] = (request_id, action)
        while len(self._open) > MOST_OPEN:
            self._open.popitem(last=False)

    def on_event(self, event: LinkEvent | ActionV1) -> Reply | None:
        """The reply that follows from an event, if any: a relay has been switched, or the action has ended."""
        if isinstance(event, ActionV1) and event.outcome is not None and event.id in self._open:
            request_id, _ = self._open.pop(str(event.id))
            ok = event.outcome.status == "DONE"
            return Reply(id=outcome_reply_id(request_id), ok=ok, text=outcome_sentence(event), action=event)
        if isinstance(event, Result) and event.status == "ACCEPTED":
            name = self._action_of(event.cmd_id)
            waiting = self._open.get(name or "")
            if waiting is not None and waiting[1].params.ml is None:
                request_id, action = self._open.pop(str(name))
                minutes = (action.params.seconds or 0.0) / 60.0
                text = f"{OUTPUT_OF[action.type]} is on, for {minutes:.0f} min"
                return Reply(id=outcome_reply_id(request_id), ok=True, text=text, action=action)
        return None


def outcome_sentence(action: ActionV1) -> str:
    """What was delivered of what was asked for, and why it ended early; who cancelled it is named first."""
    outcome, params = action.outcome, action.params
    if outcome is None:
        return "no result yet"
    delivered = ""
    if outcome.delivered_ml is not None:
        delivered = f"{outcome.delivered_ml:.0f} of {params.ml or 0.0:.0f} ml delivered"
    elif params.ml is not None:
        delivered = f"how much of {params.ml:.0f} ml was delivered is not known"
    elif outcome.delivered_s is not None:
        delivered = f"on for {outcome.delivered_s:.0f} of {params.seconds or 0.0:.0f} s"
    elif params.state == "OFF":
        delivered = f"{OUTPUT_OF[action.type]} is off"
    why = ended_by(outcome.status, outcome.reason)
    return "; ".join(part for part in (why, delivered) if part)


def ended_by(status: str, reason: str) -> str:
    """Who ended an action before its time: safe mode, a newer action, the board, the link. Empty when nobody did."""
    if status == "DONE":
        return ""
    causes = [CAUSE_BY_NAME[name].message for name in reason.split(", ") if name in CAUSE_BY_NAME]
    if causes:
        return f"cancelled by safe mode ({reason}): {' '.join(causes)}".rstrip(".")
    if status == "REJECTED_BY_BOARD":
        return f"the board refused it ({reason or 'no reason given'})"
    return {
        "replaced": "replaced by a newer action",
        "preempted": "stopped for another output",
        "stop_all": "stopped with everything else",
        LINK_LOST: "the link to the board was lost",
        RESET: "the board was reset",
    }.get(reason.removesuffix(UNKNOWN_AMOUNT), f"{status.lower()}{f' ({reason})' if reason else ''}")
