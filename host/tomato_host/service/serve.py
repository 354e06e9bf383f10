"""The dashboard's own process: `python -m tomato_host.service.serve`, started by the deciding loop with a socket."""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from tomato_host.brain.settings import DEFAULT_TENT
from tomato_host.logs import Log
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.connection_limits import LimitedProtocol, raise_file_limit
from tomato_host.service.forecast_process import ForecastProcess
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.installation import Installation
from tomato_host.service.listening import AddressTakenError, listen_on
from tomato_host.service.live_state import FeedReader, LiveState
from tomato_host.service.past_records import load_past
from tomato_host.service.process_priority import lower_priority
from tomato_host.service.settings import PORT_TAKEN, ServiceSettings
from tomato_host.service.tent_host import TentHost
from tomato_host.service.world_stream import LARGEST_FRAME

_log = Log("dashboard")


async def read_feed(fd: int, live: LiveState, history: History, tent: TentHost | None = None) -> None:
    """Apply the deciding loop's lines until it closes the connection; then this process ends."""
    link = await FeedReader.open(fd)
    link.send_status({"listens": True})  # the socket is bound before anything else
    live.connected = True
    if tent is not None:
        tent.attach(link)
    async for line in link.lines():
        if tent is not None and tent.on_line(line):
            continue
        record = live.update(line)
        if record is not None:
            history.add(record)
    live.connected = False
    if tent is not None:
        tent.attach(None)


def build(
    data_dir: Path,
    settings: ServiceSettings,
    fd: int | None,
    bus: BusSettings | None = None,
    installation: Installation | None = None,
) -> tuple[FastAPI, LiveState]:
    """The application with its feed attached; without a descriptor it shows the dataset only."""
    forecasts, about = ForecastProcess(data_dir), installation or Installation()
    live, history, tent = LiveState(), History(data_dir, settings.power_w), TentHost(DEFAULT_TENT, forecasts)
    if about.usual_targets is not None:
        live.usual_targets = history.usual_targets = about.usual_targets.model_dump(mode="json")
    app = create_app(live, history, settings, data_dir, bus=bus, worlds=(tent,), installation=about)
    tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(history.load)
        await asyncio.to_thread(load_past, live, data_dir, about.present or datetime.now(UTC))
        if fd is not None:
            tasks.append(asyncio.create_task(_read_then_end(fd, live, history, tent)))
        yield
        forecasts.close()

    app.router.lifespan_context = lifespan
    return app, live


async def _read_then_end(fd: int, live: LiveState, history: History, tent: TentHost) -> None:
    try:
        await read_feed(fd, live, history, tent)
    finally:
        # The host is gone: whoever restarts it starts a dashboard, too. SIGTERM lets uvicorn close its clients.
        os.kill(os.getpid(), 15)


def main() -> None:
    """Serve until the host closes the connection or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--settings", default="{}", help="ServiceSettings as JSON")
    parser.add_argument("--bus", default="{}", help="BusSettings as JSON: the broker of /fleet")
    parser.add_argument("--installation", default="{}", help="Installation as JSON: names, settings file")
    args = parser.parse_args()
    lower_priority()
    raise_file_limit()
    settings = ServiceSettings.model_validate_json(args.settings)
    fd = os.environ.pop("TOMATO_FEED_FD", None)
    bus, about = BusSettings.model_validate_json(args.bus), Installation.model_validate_json(args.installation)
    app, _ = build(args.data_dir, settings, int(fd) if fd else None, bus, about)
    config = uvicorn.Config(
        app,
        http=LimitedProtocol,
        ws="wsproto",
        ws_max_size=LARGEST_FRAME,
        ws_per_message_deflate=False,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
    )
    listening = bind(settings)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        listening.close()


def bind(settings: ServiceSettings) -> socket.socket:
    """The socket to listen on. A port that is taken ends this process with PORT_TAKEN, which the host records."""
    try:
        listening = listen_on(settings)
    except AddressTakenError:
        raise SystemExit(PORT_TAKEN) from None
    if settings.port == 0:
        _log.warning("the dashboard listens", host=settings.host, port=listening.getsockname()[1])
    return listening


if __name__ == "__main__":
    main()
