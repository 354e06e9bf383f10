"""The shared world by REST: what an agent sees, what it asks for, what it says, what would be.

Everything is below `/api/world/{tent}/agents/{agent}/` and needs that agent's token. The number of a view is the
agent's own; the number of the log never leaves the host. The stream of the same is in `world_stream.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, HTTPException, Path, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import Field, FiniteFloat, ValidationError

from shared_schemas.records.base import Identifier
from shared_schemas.world.messages import Intent
from tomato_host.brain.admission.answers import Answer
from tomato_host.brain.admission.refusals import BY_CODE
from tomato_host.service.change_routes import RequestBody
from tomato_host.service.idempotent_requests import REPEATABLE, IdempotencyKey
from tomato_host.service.proposal_answers import why_invalid
from tomato_host.service.security import bearer
from tomato_host.service.stream_codec import intent_of
from tomato_host.service.tent_host import InvalidIntent
from tomato_host.service.tokens import Role
from tomato_host.service.world_access import AccessRefused, Caller, WorldAccess
from tomato_host.service.world_host import DraftRefused, WorldHost, WorldUnavailable

Json = dict[str, Any]
Entry = tuple[WorldHost, Caller]
Name = Annotated[str, Path(min_length=1, max_length=64)]
PREFIX = "/api/world/{tent}/agents/{agent}"
RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "No Idempotency-Key, or the body is not valid JSON."},
    401: {"description": "No token, an unknown one, or one that has expired."},
    403: {"description": "The token is for another tent or agent, its role is too low, or the agent is quarantined."},
    404: {"description": "No such tent or agent."},
    413: {"description": "The body is too large."},
    503: {"description": "The world cannot answer at this moment; Retry-After says when to ask again."},
}
INTENT_RESPONSES: dict[int | str, dict[str, Any]] = {
    **RESPONSES,
    409: {"description": "Refused: the answer has code, value and limit."},
    422: {"description": "The body is invalid, or the id was used with other parameters."},
}


class IntentBody(RequestBody):
    """What an agent wants to happen."""

    kind: Identifier
    payload: dict[str, Any] = {}
    id: Identifier | None = None
    """In place of the header Idempotency-Key."""
    context_seq: Annotated[int, Field(ge=0)] | None = None
    """Number of the view that it rests on; absent: staleness is not checked."""
    sim_time_s: FiniteFloat | None = None
    priority: Annotated[int, Field(ge=-1_000, le=1_000)] | None = None
    deadline_ms: Annotated[int, Field(ge=0, le=3_600_000)] | None = None
    tokens: Annotated[int, Field(ge=0, le=1_000_000_000)] | None = None
    shadow: bool = False


class WhatIfBody(IntentBody):
    """An intent to try."""

    forecast: bool = False
    """Also the next 36 hours with it and without it."""


class MessageBody(RequestBody):
    """A message to the other agents, or to one of them."""

    text: Annotated[str, Field(min_length=1, max_length=1_000)]
    to: Identifier | None = None


class CancelBody(RequestBody):
    """Why an intent is taken back."""

    reason: Annotated[str, Field(max_length=200)] = "by its agent"


def add_world_routes(app: FastAPI, access: WorldAccess) -> None:
    """Reading needs the role view, everything else the role operate; each for the token's own agent."""
    app.add_exception_handler(AccessRefused, _access_answer)
    app.add_exception_handler(WorldUnavailable, _unavailable_answer)
    _add_reads(app, access)
    _add_writes(app, access)


def entry(access: WorldAccess, least: Role) -> Any:
    """A dependency: the world and the caller of a request."""

    async def enter(request: Request, tent: Name, agent: Name) -> Entry:
        return await access.enter(bearer(request.headers.get("authorization", "")), tent, agent, least)

    return Depends(enter)


def _add_reads(app: FastAPI, access: WorldAccess) -> None:
    @app.get(f"{PREFIX}/view", tags=["world"], responses=RESPONSES)
    async def view(
        found: Entry = entry(access, "view"), if_none_match: Annotated[str | None, Header()] = None
    ) -> Response:
        """What the agent sees now. The ETag is the number of its view."""
        host, caller = found
        feed = await _feed(host, caller)
        tag = f'"{feed.view_seq}"'
        if if_none_match == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return JSONResponse(feed.snapshot(), headers={"ETag": tag, "Cache-Control": "no-cache"})

    @app.get(f"{PREFIX}/deltas", tags=["world"], responses=RESPONSES)
    async def deltas(since: Annotated[int, Query(ge=0)], found: Entry = entry(access, "view")) -> Json:
        """What has changed since a view: patches, or the whole view where that is no longer known."""
        host, caller = found
        feed = await _feed(host, caller)
        return {"view_seq": feed.view_seq, "deltas": feed.since(since)}


def _add_writes(app: FastAPI, access: WorldAccess) -> None:
    @app.post(f"{PREFIX}/intents", tags=["world"], responses=INTENT_RESPONSES)
    async def intents(
        ask: IntentBody,
        key: IdempotencyKey = None,
        traceparent: Annotated[str | None, Header()] = None,
        found: Entry = entry(access, "operate"),
    ) -> Response:
        """Ask for something. The same id again gets the same answer and has no second effect."""
        host, caller = found
        return answer_response(await submit(host, intent_from(ask, key, caller.agent, traceparent)))

    @app.post(f"{PREFIX}/intents/{{intent_id}}/cancel", tags=["world"], responses=RESPONSES, dependencies=[REPEATABLE])
    async def cancel(intent_id: Name, ask: CancelBody, found: Entry = entry(access, "operate")) -> Json:
        """Take an intent back that still waits."""
        host, caller = found
        return {"cancelled": await _known(host.cancel(caller.agent, intent_id, ask.reason))}

    @app.post(f"{PREFIX}/messages", tags=["world"], responses=RESPONSES, dependencies=[REPEATABLE])
    async def messages(ask: MessageBody, found: Entry = entry(access, "operate")) -> Json:
        """Send a message to the other agents; their policies decide who gets it."""
        host, caller = found
        try:
            await _known(
                host.emit(
                    {
                        "schema_version": "effect_draft_v1",
                        "source": caller.agent,
                        "kind": "message",
                        "payload": ask.model_dump(exclude_none=True),
                    }
                )
            )
        except DraftRefused as error:
            raise HTTPException(403, str(error)) from None
        return {"ok": True}

    @app.post(f"{PREFIX}/what-if", tags=["world"], responses=INTENT_RESPONSES)
    async def what_if(ask: WhatIfBody, found: Entry = entry(access, "view")) -> Json:
        """The verdict that an intent would get, and what would follow; nothing happens.

        With `forecast`: the next 36 hours with it and without it; null while there is none, and for a refused one.
        """
        host, caller = found
        try:
            intent = intent_from(ask, ask.id or "what-if", caller.agent)
            answer = dict(await _known(host.what_if(intent)))
            if not ask.forecast:
                return answer
            verdict = answer["verdict"]
            is_refused = verdict["code"] is not None
            forecast = None if is_refused else await _known(host.forecast_with(intent, verdict["granted"]))
            return {**answer, "forecast": forecast}
        except InvalidIntent as error:
            raise HTTPException(422, str(error)) from None
        except DraftRefused as error:
            raise HTTPException(403, str(error)) from None


def intent_from(ask: IntentBody, key: str | None, agent: str, trace: str | None = None) -> Intent:
    """The intent of a body. Raises HTTPException 400 without an id, 422 for two different ones."""
    if key is None and ask.id is None:
        raise HTTPException(400, "an Idempotency-Key is needed: a retry must have the same one")
    if key is not None and ask.id not in (None, key):
        raise HTTPException(422, "the Idempotency-Key and the body's id differ")
    body = {**ask.model_dump(exclude_none=True, exclude={"forecast"}), "id": key or ask.id}
    try:
        return intent_of({**body, **({"trace": trace} if trace else {})}, agent)
    except ValidationError as error:
        raise HTTPException(422, why_invalid(error)) from None
    except ValueError as error:
        raise HTTPException(422, str(error)[:200]) from None


async def submit(host: WorldHost, intent: Intent) -> Answer:
    """The world's answer. Raises HTTPException 404, 422, WorldUnavailable."""
    try:
        answer: Answer = await _known(host.submit(intent))
    except InvalidIntent as error:
        raise HTTPException(422, str(error)) from None
    return answer


def answer_response(answer: Answer) -> Response:
    """An answer as it was stored, with the HTTP status of its code."""
    status = 200 if answer.code is None else BY_CODE[answer.code].http_status
    headers = {}
    if answer.retry_after_s is not None or status in (429, 503):
        headers["Retry-After"] = str(max(1, round(answer.retry_after_s or 1.0)))
    return Response(answer.to_json(), status, headers, "application/json")


async def _feed(host: WorldHost, caller: Caller) -> Any:
    return await _known(host.feed(caller.agent))


async def _known(awaitable: Any) -> Any:
    """Raises HTTPException 404 for an agent that this world does not have."""
    try:
        return await awaitable
    except KeyError as error:
        raise HTTPException(404, f"unknown agent: {error.args[0] if error.args else ''}") from None


async def _access_answer(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AccessRefused)
    return JSONResponse({"detail": error.text, "code": error.code}, error.status, _refusal_headers(error))


def _refusal_headers(error: AccessRefused) -> Mapping[str, str]:
    if error.status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(round(error.retry_after_s))} if error.retry_after_s is not None else {}


async def _unavailable_answer(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error), "code": "UNAVAILABLE"}, 503, {"Retry-After": "1"})
