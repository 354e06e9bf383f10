"""`/fleet` and `/api/fleet`: all tents of the broker in one page. Reads never reach the deciding loop."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from tomato_host.errors import TomatoError
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.bus.transport import parse_address
from tomato_host.service.fleet.read import read_fleet
from tomato_host.service.fleet.rows import rows_of
from tomato_host.service.security import AccessControl

WEB = Path(__file__).parents[1] / "web"
KEPT_S = 2.0
"""However many pages are open, the broker is asked no more often than this."""
Json = dict[str, Any]


class FleetTable:
    """The newest table; read again when it is older than KEPT_S."""

    def __init__(self, settings: BusSettings, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._monotonic = monotonic
        self._read_at_s = float("-inf")
        self._answer: Json = {}
        self._lock = threading.Lock()

    def read(self) -> Json:
        """`nodes`, worst first; `problem` and `next` when there is no broker or it does not answer."""
        if not self._settings.enabled:
            return {
                "broker": None,
                "nodes": [],
                "problem": "No broker is named.",
                "next": "[bus] enabled = true in the settings file; docs/fleet.md",
            }
        with self._lock:
            if self._monotonic() - self._read_at_s >= KEPT_S:
                self._answer = self._read()
                self._read_at_s = self._monotonic()
            return self._answer

    def _read(self) -> Json:
        address = parse_address(self._settings.url)
        try:
            reports = read_fleet(address, os.environ.get(self._settings.password_from) or None)
        except TomatoError as error:
            # The last table stays on the screen, marked as old.
            return {
                **self._answer,
                "broker": str(address),
                "nodes": self._answer.get("nodes", []),
                "problem": error.message,
                "next": error.next_step,
            }
        rows = rows_of(reports, self._settings.stale_after_s)
        return {"broker": str(address), "nodes": [row.to_json() for row in rows], "problem": None, "next": None}


def add_fleet_routes(app: FastAPI, settings: BusSettings, access: AccessControl) -> None:
    """Add the page, offered only where a broker is named, and its data to the application."""
    table = FleetTable(settings)

    @app.get("/api/fleet", dependencies=[Depends(access.read)], tags=["read"])
    async def fleet(response: Response) -> Json:
        """Every node of the broker that `[bus]` names, worst first."""
        response.headers["Cache-Control"] = "no-store"
        return await run_in_threadpool(table.read)

    @app.get("/fleet", include_in_schema=False)
    async def page() -> FileResponse:
        if not settings.enabled:
            raise HTTPException(404, "No broker is named: [bus] enabled = true in the settings file; docs/fleet.md")
        return FileResponse(WEB / "fleet.html", headers={"Cache-Control": "no-cache"})
