"""What the API may ask for; it reaches the running host's admission and guardrails as any proposal does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from shared_schemas.devices import OUTPUT_BY_NAME, PUMP, names_of
from shared_schemas.records.action_v1 import ActionType, ActionV1, Params, Why
from tomato_host.brain.guardrails.rules import FINAL_RULES
from tomato_host.commands.inbox import Reply, new_request
from tomato_host.service.idempotent_requests import FINAL, REPEATABLE, IdempotencyKey, proposal_id
from tomato_host.service.operator_requests import OperatorRequests
from tomato_host.service.security import AccessControl

Json = dict[str, Any]

DURABLE = timedelta(seconds=60)
if TYPE_CHECKING:
    SwitchableOutput = str
else:
    SwitchableOutput = Literal[names_of(switchable=True)]
"""Names of the outputs that a person may switch; the API's schema lists them."""
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not valid JSON."},
    401: {"description": "No token, or an unknown one."},
    403: {"description": "The token's role does not allow this."},
    409: {"description": "The guardrails refused; the text names rule, value and limit. Retry-After: not now."},
    413: {"description": "The body is too large."},
    422: {"description": "The body is not as it should be, or the Idempotency-Key was used for another request."},
    503: {"description": "No running host accepted it."},
}
"""The answers that every route with a change may give, for the OpenAPI description."""
RETRY_LATER = {"Retry-After": "10"}
"""Of a refusal that holds now; a later attempt, with the same Idempotency-Key too, is judged anew."""
Reason = Annotated[str, Field(min_length=1, max_length=150)]


class RequestBody(BaseModel):
    """A body of the API: unknown keys are refused, and so is a boolean where a number is expected."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class WaterBody(RequestBody):
    """Give water once."""

    ml: Annotated[FiniteFloat, Field(gt=0.0, le=1_000.0)]
    reason: Reason


class SwitchBody(RequestBody):
    """Switch an output on, or keep it off, for a time; then the plan applies again."""

    output: SwitchableOutput
    state: Literal["ON", "OFF"]
    seconds: Annotated[FiniteFloat, Field(gt=0.0, le=21_600.0)] = 600.0
    reason: Reason


class ModeBody(RequestBody):
    """Pause the controller, ask for safe mode, or take either back."""

    mode: Literal["NORMAL", "PAUSED", "SAFE"]
    hours: Annotated[FiniteFloat, Field(gt=0.0, le=24.0)] = 1.0
    reason: Reason


class StopBody(RequestBody):
    """Everything off now, and the controller paused for so long."""

    hours: Annotated[FiniteFloat, Field(gt=0.0, le=24.0)] = 1.0
    reason: Reason


def water_action(ask: WaterBody, who: str, key: str | None = None) -> ActionV1:
    """The proposal of a watering."""
    return action_of(ActionType(PUMP.action), Params(ml=ask.ml), ask.reason, who, key)


def switch_action(ask: SwitchBody, who: str, key: str | None = None) -> ActionV1:
    """The proposal of a switch."""
    params = Params(state=ask.state, seconds=ask.seconds)
    return action_of(ActionType(OUTPUT_BY_NAME[ask.output].action), params, ask.reason, who, key)


def action_of(kind: ActionType, params: Params, reason: str, who: str, key: str | None = None) -> ActionV1:
    """A proposal that came by the API; with an Idempotency-Key it has the id that follows from it."""
    now = datetime.now(UTC)
    return ActionV1(
        schema_version="action_v1",
        ts=now,
        type=kind,
        params=params,
        origin="api",
        id=proposal_id(who, key) or f"api-{uuid.uuid4().hex}",
        not_after=now + DURABLE,
        why=Why(text=f"{who}: {reason}", objective_hint="requested by an operator"),
    )


async def propose(host: OperatorRequests, action: ActionV1, who: str, reason: str) -> Reply:
    """Submit a proposal to the running host and wait for the decision. Raises as `OperatorRequests.ask`."""
    return await host.ask(new_request("action", f"api {who}: {reason}", action=action))


async def stop_everything(host: OperatorRequests, ask: StopBody, who: str) -> Reply:
    """End every pulse on the board, then pause the controller, so that the plan switches nothing on again.

    The stop goes first and alone: whatever becomes of the pause, the outputs are off. Raises as `ask`.
    """
    stopped = await propose(host, action_of(ActionType.STOP_ALL, Params(), ask.reason, who), who, ask.reason)
    paused = await change_mode(host, ModeBody(mode="PAUSED", hours=ask.hours, reason=ask.reason), who)
    return stopped if not stopped.ok else paused


async def change_mode(host: OperatorRequests, ask: ModeBody, who: str) -> Reply:
    """Ask for a mode, bounded in time."""
    until = datetime.now(UTC) + timedelta(hours=ask.hours)
    return await host.ask(new_request("mode", f"api {who}: {ask.reason}", mode=ask.mode, until=until))


def add_change_routes(app: FastAPI, host: OperatorRequests, access: AccessControl) -> None:
    """All of them need a token and go through the guardrails of the running host."""

    @app.post("/api/water", tags=["change"], responses=REFUSALS)
    async def water(ask: WaterBody, key: IdempotencyKey = None, who: str = Depends(access.operate)) -> Json:
        """Give water once, if the guardrails allow it."""
        action = water_action(ask, who, key)
        return _answer(await propose(host, action, who, ask.reason))

    @app.post("/api/switch", tags=["change"], responses=REFUSALS)
    async def switch(ask: SwitchBody, key: IdempotencyKey = None, who: str = Depends(access.operate)) -> Json:
        """Switch an output for a time, if the guardrails allow it."""
        action = switch_action(ask, who, key)
        return _answer(await propose(host, action, who, ask.reason))

    @app.post("/api/stop", tags=["change"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def stop(ask: StopBody, who: str = Depends(access.operate)) -> Json:
        """Switch everything off at once and pause the controller; it goes on by itself when the time is over."""
        return _answer(await stop_everything(host, ask, who))

    @app.post("/api/mode", tags=["change"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def mode(ask: ModeBody, who: str = Depends(access.operate)) -> Json:
        """Pause, ask for safe mode, or take either back; it expires by itself."""
        return _answer(await change_mode(host, ask, who))

    @app.post("/api/acknowledge", tags=["change"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def acknowledge(reason: Reason, who: str = Depends(access.admin)) -> Json:
        """Acknowledge that what needed an operator (a leak, for example) has been dealt with."""
        return _answer(await host.ask(new_request("acknowledge", f"api {who}: {reason}")))


def _answer(reply: Reply) -> Json:
    """The host's reply; a refusal is 409 with its reason, and with Retry-After unless no later moment lifts it."""
    action = reply.action.model_dump(mode="json") if reply.action is not None else None
    if not reply.ok:
        refused_by = None if reply.action is None else reply.action.safety.refused_by
        raise HTTPException(409, reply.text, FINAL if refused_by in FINAL_RULES else RETRY_LATER)
    return {"ok": True, "text": reply.text, "action": action}
