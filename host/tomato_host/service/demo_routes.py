"""The demo's fault menu: provoke a fault of the simulated tent, press a button of its board.

Added only where `tomato-host demo` runs the dashboard: with any other host, and so on any real board, these paths do
not exist.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import Depends, FastAPI
from pydantic import Field, FiniteFloat
from starlette.concurrency import run_in_threadpool

from tomato_host.service.change_routes import REFUSALS, RequestBody
from tomato_host.service.idempotent_requests import REPEATABLE
from tomato_host.service.security import AccessControl
from tomato_host.sources.scenarios import FAULTS
from tomato_host.twin import presses, provoked

Json = dict[str, Any]
MENU = tuple(name for name in FAULTS if name != "host_kill")
"""A host that falls silent would take its own page along."""
if TYPE_CHECKING:
    FaultName = str
else:
    FaultName = Literal[MENU]


class ProvokeBody(RequestBody):
    """Which fault, and for how many minutes of the tent."""

    fault: FaultName
    minutes: Annotated[FiniteFloat, Field(gt=0.0, le=provoked.MOST_MINUTES)] = 60.0


class PressBody(RequestBody):
    """Which input of the board, and for how many seconds of the tent."""

    input: Literal["button", "estop"]
    seconds: Annotated[FiniteFloat, Field(gt=0.0, le=presses.MOST_S)] = 5.0


def add_demo_routes(app: FastAPI, data_dir: Path, access: AccessControl) -> None:
    """The menu, and the two ways to make trouble."""
    board_dir = data_dir / presses.FOLDER

    @app.get("/api/demo", dependencies=[Depends(access.read)], tags=["demo"])
    async def menu() -> Json:
        """The faults that can be provoked, and those that last."""
        faults = [{"name": name, "meaning": FAULTS[name].meaning} for name in MENU]
        return {"faults": faults, "active": await run_in_threadpool(provoked.active, board_dir)}

    @app.post("/api/demo/fault", tags=["demo"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def provoke(ask: ProvokeBody, _who: str = Depends(access.operate)) -> Json:
        """Provoke a fault; it ends by itself."""
        await run_in_threadpool(provoked.ask, board_dir, ask.fault, ask.minutes)
        return {"ok": True}

    @app.post("/api/demo/press", tags=["demo"], responses=REFUSALS, dependencies=[REPEATABLE])
    async def press(ask: PressBody, _who: str = Depends(access.operate)) -> Json:
        """Press the board's button, or its emergency stop."""
        await run_in_threadpool(presses.ask, board_dir, ask.input, ask.seconds)
        return {"ok": True}
