"""The dashboard's web application: pages, JSON, live events, metrics. Reads never reach the deciding loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import anyio
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sse_starlette.sse import EventSourceResponse
from starlette.middleware.gzip import GZipMiddleware

from tomato_host import __version__
from tomato_host.errors import TomatoError
from tomato_host.service.acknowledge_routes import add_acknowledge_routes
from tomato_host.service.app_shell import add_app_shell
from tomato_host.service.board_routes import add_board_routes
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.change_routes import add_change_routes
from tomato_host.service.device_list import device_list
from tomato_host.service.fleet.routes import add_fleet_routes
from tomato_host.service.history import History
from tomato_host.service.history_routes import add_history_routes
from tomato_host.service.idempotent_requests import IdempotencyMiddleware
from tomato_host.service.installation import Installation
from tomato_host.service.journal_routes import add_journal_routes
from tomato_host.service.live_state import LiveState
from tomato_host.service.operator_requests import OperatorRequests
from tomato_host.service.push_routes import add_push_routes
from tomato_host.service.security import AccessControl, Authenticator, SecurityMiddleware
from tomato_host.service.session_routes import add_session_routes
from tomato_host.service.sessions import SessionFile
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.setup_routes import add_setup_routes
from tomato_host.service.strict_json import StrictRoute, invalid_request_answer
from tomato_host.service.tent_host import TentHost
from tomato_host.service.tokens import TokenFile
from tomato_host.service.world_access import WorldAccess
from tomato_host.service.world_host import WorldHost
from tomato_host.service.world_routes import add_world_routes
from tomato_host.service.world_stream import add_world_stream

QUEUE = 256
END_CHECK_S = 0.5
"""How often an open stream checks whether this process ends."""
Json = dict[str, Any]


def create_app(
    live: LiveState,
    history: History,
    settings: ServiceSettings,
    data_dir: Path,
    tokens: TokenFile | None = None,
    bus: BusSettings | None = None,
    worlds: Sequence[WorldHost] = (),
    installation: Installation | None = None,
) -> FastAPI:
    """The application over one live, one history and one data directory; `worlds` are those that agents reach."""
    app = FastAPI(
        title="tomato-host",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        responses=_ALWAYS,
        description="State, history and overrides of one embodied tomato. Every change goes through the guardrails.",
    )
    keys = tokens or TokenFile(data_dir)
    sessions = SessionFile(data_dir, keys)
    authenticator = Authenticator(keys, sessions)
    access = AccessControl(authenticator)
    app.add_middleware(IdempotencyMiddleware, authenticator=authenticator, data_dir=data_dir)
    app.add_middleware(GZipMiddleware, minimum_size=2_000, compresslevel=5)
    app.add_middleware(SecurityMiddleware, settings=settings, authenticator=authenticator)
    app.add_exception_handler(TomatoError, _error_answer)
    app.add_exception_handler(RequestValidationError, invalid_request_answer)
    app.router.route_class = StrictRoute
    fleet = bus or BusSettings()
    about = installation or Installation()
    _reads(app, live, access, fleet, about)
    add_history_routes(app, history, data_dir, access, settings.rated_strokes)
    if about.demo:
        from tomato_host.service.demo_routes import add_demo_routes  # needs the twin, which no other dashboard loads

        add_demo_routes(app, data_dir, access)
    # A person names moments in a simulation's own time, which its inbox reads and the socket does not.
    answering = worlds if about.present is None else ()
    tent = next((world for world in answering if isinstance(world, TentHost)), None)
    add_journal_routes(app, live, history, data_dir, access, about)
    add_change_routes(app, OperatorRequests(data_dir, tent), access)
    add_board_routes(app, data_dir, access)
    add_acknowledge_routes(app, data_dir)
    add_session_routes(app, sessions, access)
    add_setup_routes(app, data_dir, about, access)
    add_push_routes(app, data_dir, about, access)
    add_shared_worlds(app, keys, settings, worlds)
    add_app_shell(app, _first_values(live, access, fleet, about))
    add_fleet_routes(app, fleet, access)
    return app


def add_shared_worlds(app: FastAPI, tokens: TokenFile, settings: ServiceSettings, worlds: Sequence[WorldHost]) -> None:
    """REST and WebSocket of the shared worlds."""
    world_access = WorldAccess(tokens, settings, {world.tent: world for world in worlds})
    add_world_routes(app, world_access)
    add_world_stream(app, world_access)


async def _error_answer(_request: Request, error: Exception) -> JSONResponse:
    """An error with a code and a next step, for example when no host runs."""
    assert isinstance(error, TomatoError)
    return JSONResponse({"detail": error.message, "code": error.code, "next": error.next_step}, status_code=503)


def _first_values(
    live: LiveState, access: AccessControl, fleet: BusSettings, about: Installation
) -> Callable[[Request], Json | None]:
    """What the page shows first, for those who may read it."""

    def values(request: Request) -> Json | None:
        try:
            access.read(request)
        except HTTPException:
            return None
        glance = {**live.first_screen(), "fleet": fleet.enabled, "installation": about.shown()}
        return {"devices": device_list(), "glance": glance}

    return values


def _reads(app: FastAPI, live: LiveState, access: AccessControl, fleet: BusSettings, about: Installation) -> None:
    read, named = [Depends(access.read)], about.shown()

    @app.get("/api/glance", dependencies=read, tags=["read"])
    async def glance() -> Json:
        """Everything the first screen shows."""
        return {**live.overview(), "fleet": fleet.enabled, "installation": named}

    @app.get("/api/devices", dependencies=read, tags=["read"])
    async def devices() -> Json:
        """The outputs and the sensors with their labels and units; what may be switched."""
        return device_list()

    @app.get("/api/events", dependencies=read, tags=["read"])
    async def events(
        level: Literal["INFO", "WARNING", "ALARM"] = "INFO", limit: Annotated[int, Query(ge=1, le=300)] = 100
    ) -> list[Json]:
        """What happened, newest last."""
        levels = {"INFO": 0, "WARNING": 1, "ALARM": 2}
        found = [event for event in live.recent["event_v1"] if levels[event["level"]] >= levels[level]]
        return found[-limit:]

    @app.get("/api/actions", dependencies=read, tags=["read"])
    async def actions(limit: Annotated[int, Query(ge=1, le=300)] = 100) -> list[Json]:
        """Proposals, the decision of the guardrails, and the outcome; newest last."""
        return list(live.recent["action_v1"])[-limit:]

    @app.get("/api/stream", dependencies=read, tags=["read"])
    async def stream(request: Request) -> EventSourceResponse:
        """Server-sent events: status every second, records as they come."""
        over = anyio.Event()
        return EventSourceResponse(
            _event_stream(request, live, over), ping=15, shutdown_event=over, shutdown_grace_period=2.0 * END_CHECK_S
        )

    @app.get("/metrics", dependencies=read, tags=["read"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """For Prometheus."""
        from tomato_host.service.metrics import metrics_page

        content, kind = metrics_page(live)
        return Response(content, media_type=kind)

    @app.get("/healthz", tags=["read"], response_class=PlainTextResponse, responses=_UNWELL)
    async def health() -> Response:
        """200 while the deciding loop sends its status to this process, else 503: it is gone, or hangs."""
        return PlainTextResponse("ok" if live.alive else "no host", 200 if live.alive else 503)

    @app.get("/readyz", tags=["read"], response_class=PlainTextResponse, responses=_UNREADY)
    async def ready() -> Response:
        """200 when proposals can be carried out: the loop runs and its board answers; else 503 with the reason."""
        why = "no host" if not live.alive else "the board does not answer" if live.status.get("link") != "up" else ""
        return PlainTextResponse(why or "ready", 503 if why else 200)


async def _event_stream(request: Request, live: LiveState, over: anyio.Event) -> AsyncIterator[Json]:
    queue: asyncio.Queue[str] = asyncio.Queue(QUEUE)
    live.listeners.add(queue)
    try:
        while not over.is_set() and not await request.is_disconnected():
            with suppress(TimeoutError):
                yield {"data": await asyncio.wait_for(queue.get(), END_CHECK_S)}
    finally:
        live.listeners.discard(queue)


_UNREADY: dict[int | str, dict[str, Any]] = {503: {"description": "Nothing could be carried out; the text says why."}}
_UNWELL: dict[int | str, dict[str, Any]] = {503: {"description": "The deciding loop does not send its status."}}
_ALWAYS: dict[int | str, dict[str, Any]] = {
    421: {"description": "This host name is not served here."},
    429: {"description": "Too many requests."},
}
