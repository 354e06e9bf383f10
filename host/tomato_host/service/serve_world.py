"""Serve worlds that run in this process: REST, WebSocket and nothing else. Demos, game engines and tests use it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError

from tomato_host import __version__
from tomato_host.service.connection_limits import LimitedProtocol, raise_file_limit
from tomato_host.service.http_api import add_shared_worlds
from tomato_host.service.idempotent_requests import IdempotencyMiddleware
from tomato_host.service.orchestrator_host import OrchestratorHost
from tomato_host.service.security import Authenticator, SecurityMiddleware
from tomato_host.service.serve import bind
from tomato_host.service.sessions import SessionFile
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.strict_json import StrictRoute, invalid_request_answer
from tomato_host.service.tokens import TokenFile
from tomato_host.service.world_stream import LARGEST_FRAME


def world_app(worlds: Sequence[OrchestratorHost], settings: ServiceSettings, data_dir: Path) -> FastAPI:
    """The application: the worlds' turns run while it is served. `data_dir` holds the tokens."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        turns = [asyncio.create_task(world.run()) for world in worlds]
        try:
            yield
        finally:
            for turn in turns:
                turn.cancel()
                with suppress(asyncio.CancelledError):
                    await turn

    app = FastAPI(title="tomato-host world", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    tokens = TokenFile(data_dir)
    authenticator = Authenticator(tokens, SessionFile(data_dir, tokens))
    app.add_middleware(IdempotencyMiddleware, authenticator=authenticator, data_dir=data_dir)
    app.add_middleware(SecurityMiddleware, settings=settings, authenticator=authenticator)
    app.add_exception_handler(RequestValidationError, invalid_request_answer)
    app.router.route_class = StrictRoute
    add_shared_worlds(app, tokens, settings, worlds)
    return app


def server_of(app: FastAPI, settings: ServiceSettings) -> uvicorn.Server:
    """A server with the limits of the dashboard's. Run it with `run(sockets=[bind(settings)])`."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            http=LimitedProtocol,
            ws="wsproto",
            ws_max_size=LARGEST_FRAME,
            ws_per_message_deflate=False,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=2,
            server_header=False,
            proxy_headers=False,
        )
    )


def serve(worlds: Sequence[OrchestratorHost], settings: ServiceSettings, data_dir: Path) -> None:
    """Serve until SIGINT or SIGTERM."""
    raise_file_limit()
    listening = bind(settings)
    try:
        server_of(world_app(worlds, settings, data_dir), settings).run(sockets=[listening])
    finally:
        listening.close()
