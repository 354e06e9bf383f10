"""Routes to sign in and out, and to see and end the sessions of other devices."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi import Path as PathField
from fastapi.responses import JSONResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from tomato_host.service.change_routes import RequestBody
from tomato_host.service.idempotent_requests import REPEATABLE
from tomato_host.service.security import TOKEN_UNKNOWN, AccessControl, bearer, cookie_of, header_of
from tomato_host.service.sessions import COOKIE, LASTS, SessionFile, csrf_of

Json = dict[str, Any]
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is not valid JSON."},
    401: {"description": "The token is not known."},
    403: {"description": "The CSRF header is missing, or the role does not allow this."},
    404: {"description": "There is no such session."},
    413: {"description": "The body is too large."},
    503: {"description": "The session cannot be stored."},
}


class SignInBody(RequestBody):
    """What the device calls itself; the access token comes in the Authorization header, as everywhere."""

    device: Annotated[str, Field(max_length=60)] = ""


def add_session_routes(app: FastAPI, sessions: SessionFile, access: AccessControl) -> None:
    """Sign in, who am I, sign out; the list for an admin."""

    @app.post("/api/session", tags=["session"], responses=_REFUSED)
    async def sign_in(ask: SignInBody, request: Request) -> JSONResponse:
        """Exchange an access token for a session cookie: once per device."""
        opened = await run_in_threadpool(sessions.open, bearer(header_of(request.scope, "authorization")), ask.device)
        if opened is None:
            raise HTTPException(401, TOKEN_UNKNOWN)
        secret, who = opened
        answer = JSONResponse({"name": who.name, "role": who.role, "csrf": csrf_of(secret)})
        answer.set_cookie(
            COOKIE,
            secret,
            max_age=int(LASTS.total_seconds()),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @app.get("/api/session", tags=["session"])
    async def who_am_i(request: Request) -> Json:
        """Name, role and CSRF value of this browser's session; nulls when it is not signed in."""
        secret = cookie_of(request.scope)
        who = sessions.identity(secret)
        if who is None:
            return {"name": None, "role": None, "csrf": None}
        return {"name": who.name, "role": who.role, "csrf": csrf_of(secret)}

    @app.delete("/api/session", tags=["session"], responses=_REFUSED)
    async def sign_out(request: Request) -> JSONResponse:
        """End this browser's session."""
        found = sessions.find(cookie_of(request.scope))
        if found is not None:
            await run_in_threadpool(sessions.close, found.id)
        answer = JSONResponse({"ok": True})
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    @app.get("/api/sessions", tags=["session"], responses=_REFUSED)
    async def every_session(_who: str = Depends(access.admin)) -> list[Json]:
        """All signed-in browsers: id, token's name, device, since when."""
        return [
            {"id": one.id, "token": one.token, "device": one.device, "created": one.created} for one in sessions.all()
        ]

    @app.delete("/api/sessions/{session_id}", tags=["session"], responses=_REFUSED, dependencies=[REPEATABLE])
    async def end_session(
        session_id: Annotated[str, PathField(pattern=r"^[0-9a-f]{8}$")], _who: str = Depends(access.admin)
    ) -> Json:
        """End another device's session at once."""
        if not await run_in_threadpool(sessions.close, session_id):
            raise HTTPException(404, f"there is no session {session_id}")
        return {"ok": True}
