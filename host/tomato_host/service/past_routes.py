"""Reads of what was: the charts' columns, yesterday's forecast, what was not done, the last photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException
from fastapi import Path as PathField
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from tomato_host.service.history import History
from tomato_host.service.photos import photo
from tomato_host.service.security import AccessControl

Json = dict[str, Any]

_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The photo."},
    404: {"description": "No such photo is kept."},
}


def add_past(app: FastAPI, history: History, data_dir: Path, access: AccessControl) -> None:
    """All of it comes from this process' memory or its own reading of the disk; the deciding loop is not asked."""
    read = [Depends(access.read)]

    @app.get("/api/history", dependencies=read, tags=["read"])
    async def columns(span: Literal["24h", "7d", "season"] = "24h") -> Json:
        """Columns for the charts of one span."""
        return await run_in_threadpool(history.columns, span)

    @app.get("/api/forecast/past", dependencies=read, tags=["read"])
    async def past_forecast() -> Json:
        """What was forecast a day ago, with what came, and how often it came within the interval."""
        return await run_in_threadpool(history.past_forecast)

    @app.get("/api/skips", dependencies=read, tags=["read"])
    async def skips() -> list[Json]:
        """What was considered and not done, each with its reason; newest last."""
        return history.skips()

    @app.get("/api/photo/{digest}", dependencies=read, tags=["read"], response_class=Response, responses=_PICTURE)
    async def one_photo(digest: Annotated[str, PathField(pattern=r"^[0-9a-f]{64}$")]) -> Response:
        """A kept photo by its SHA-256, pixels only: nothing that a camera writes into a file leaves."""
        found = await run_in_threadpool(photo, data_dir, digest)
        if found is None:
            raise HTTPException(404, "this photo is not kept")
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "private, max-age=86400"})
