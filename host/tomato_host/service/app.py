"""The dashboard's web application: pages, JSON, live events, metrics. Reads never reach the deciding loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from fastapi.staticfiles import StaticFiles
from sse_starlette.sse import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.middleware.gzip import GZipMiddleware

from tomato_host import __version__
from tomato_host.commands.inbox import Reply
from tomato_host.errors import TomatoError
from tomato_host.service import changes
from tomato_host.service.board_routes import add_board_routes
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.fleet.page import add_fleet
from tomato_host.service.history import History
from tomato_host.service.past_routes import add_past
from tomato_host.service.present import Present
from tomato_host.service.security import AccessControl, Border
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

WEB = Path(__file__).parent / "web"
QUEUE = 256
LOOK_UP_S = 0.5
"""How soon an open page learns that this process ends; its stream then ends like any answer."""
Json = dict[str, Any]


def create_app(
    present: Present,
    history: History,
    settings: ServiceSettings,
    data_dir: Path,
    tokens: TokenFile | None = None,
    bus: BusSettings | None = None,
) -> FastAPI:
    """The application over one present, one history and one data directory."""
    app = FastAPI(
        title="tomato-host",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        responses=_ALWAYS,
        description="State, history and overrides of one embodied tomato. Every change goes through the guardrails.",
    )
    keys = tokens or TokenFile(data_dir)
    access = AccessControl(keys)
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(Border, settings=settings, tokens=keys)
    app.add_exception_handler(TomatoError, _told)
    _reads(app, present, access)
    add_past(app, history, data_dir, access)
    _changes(app, data_dir, access)
    add_board_routes(app, data_dir, access, _WORDS)
    _pages(app)
    add_fleet(app, bus or BusSettings(), access)
    return app


async def _told(_request: Request, error: Exception) -> JSONResponse:
    """An error meant for a person: the host is not running, say."""
    assert isinstance(error, TomatoError)
    return JSONResponse({"detail": error.message, "code": error.code, "next": error.next_step}, status_code=503)


def _reads(app: FastAPI, present: Present, access: AccessControl) -> None:
    read = [Depends(access.read)]

    @app.get("/api/glance", dependencies=read, tags=["read"])
    async def glance() -> Json:
        """Everything the first screen shows."""
        return present.glance()

    @app.get("/api/events", dependencies=read, tags=["read"])
    async def events(
        level: Literal["INFO", "WARNING", "ALARM"] = "INFO", limit: Annotated[int, Query(ge=1, le=300)] = 100
    ) -> list[Json]:
        """What happened, newest last."""
        ranks = {"INFO": 0, "WARNING": 1, "ALARM": 2}
        found = [event for event in present.lately["event_v1"] if ranks[event["level"]] >= ranks[level]]
        return found[-limit:]

    @app.get("/api/actions", dependencies=read, tags=["read"])
    async def actions(limit: Annotated[int, Query(ge=1, le=300)] = 100) -> list[Json]:
        """What was asked for, the door's word, and what became of it; newest last."""
        return list(present.lately["action_v1"])[-limit:]

    @app.get("/api/stream", dependencies=read, tags=["read"])
    async def stream(request: Request) -> EventSourceResponse:
        """Server-sent events: status every second, records as they come."""
        over = anyio.Event()
        return EventSourceResponse(
            _live(request, present, over), ping=15, shutdown_event=over, shutdown_grace_period=2.0 * LOOK_UP_S
        )

    @app.get("/metrics", dependencies=read, tags=["read"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus."""
        from tomato_host.service.scrape import page

        content, kind = page(present)
        return Response(content, media_type=kind)

    @app.get("/healthz", tags=["read"], response_class=PlainTextResponse, responses=_UNWELL)
    async def health() -> Response:
        """200 while the deciding loop talks to this process, else 503: it is gone, or hangs."""
        return PlainTextResponse("ok" if present.alive else "no host", 200 if present.alive else 503)


async def _live(request: Request, present: Present, over: anyio.Event) -> AsyncIterator[Json]:
    queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
    present.listeners.add(queue)
    try:
        while not over.is_set() and not await request.is_disconnected():
            with suppress(TimeoutError):
                yield {"data": await asyncio.wait_for(queue.get(), LOOK_UP_S)}
    finally:
        present.listeners.discard(queue)


def _changes(app: FastAPI, data_dir: Path, access: AccessControl) -> None:
    @app.post("/api/water", tags=["change"], responses=_WORDS)
    async def water(ask: changes.WaterAsk, who: str = Depends(access.operate)) -> Json:
        """Give water once, if the guardrails allow it."""
        action = changes.water_action(ask, who)
        return _word(await run_in_threadpool(changes.propose, data_dir, action, who, ask.reason))

    @app.post("/api/switch", tags=["change"], responses=_WORDS)
    async def switch(ask: changes.SwitchAsk, who: str = Depends(access.operate)) -> Json:
        """Switch an output for a time, if the guardrails allow it."""
        action = changes.switch_action(ask, who)
        return _word(await run_in_threadpool(changes.propose, data_dir, action, who, ask.reason))

    @app.post("/api/mode", tags=["change"], responses=_WORDS)
    async def mode(ask: changes.ModeAsk, who: str = Depends(access.operate)) -> Json:
        """Pause, ask for safe mode, or take either back; it lapses by itself."""
        return _word(await run_in_threadpool(changes.change_mode, data_dir, ask, who))

    @app.post("/api/acknowledge", tags=["change"], responses=_WORDS)
    async def acknowledge(reason: changes.Reason, who: str = Depends(access.admin)) -> Json:
        """Say that what needed a hand (a leak, say) has been dealt with."""
        return _word(await run_in_threadpool(changes.acknowledge, data_dir, who, reason))


_UNWELL: dict[int | str, dict[str, Any]] = {503: {"description": "The deciding loop does not talk to this process."}}
_ALWAYS: dict[int | str, dict[str, Any]] = {
    421: {"description": "This host name is not served here."},
    429: {"description": "Too many requests."},
}
_WORDS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is no JSON."},
    401: {"description": "No token, or not one of ours."},
    403: {"description": "The token's role does not reach that far."},
    409: {"description": "The guardrails refused; the text names rule, value and limit."},
    413: {"description": "The body is too large."},
    503: {"description": "No running host took it."},
}


def _word(reply: Reply) -> Json:
    """The door's word. A refusal is 409 with its reason."""
    action = reply.action.model_dump(mode="json") if reply.action is not None else None
    if not reply.ok:
        raise HTTPException(409, reply.text)
    return {"ok": True, "text": reply.text, "action": action}


def _pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", StaticFiles(directory=WEB), name="static")
