"""Reads of what was: the charts' columns, yesterday's forecast, what was not done, a photo."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query
from fastapi import Path as PathField
from fastapi.responses import Response
from pydantic import FiniteFloat
from starlette.concurrency import run_in_threadpool

from tomato_host.service.history import History
from tomato_host.service.history_columns import as_csv
from tomato_host.service.relay_wear import relay_wear
from tomato_host.service.security import AccessControl
from tomato_host.storage.picture_files import strip_jpeg, strip_png

Json = dict[str, Any]

_FAR_S = 4e9
Moment = Annotated[FiniteFloat | None, Query(ge=0.0, le=_FAR_S)]


def _range(since: float | None, until: float | None) -> tuple[float | None, float | None]:
    """Both or neither: an end that is not named is open. In the wrong order they name a time with nothing in it."""
    if since is None and until is None:
        return None, None
    return since or 0.0, _FAR_S if until is None else until


_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}}, "description": "The table."}}
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The photo."},
    404: {"description": "There is no such photo."},
}


def add_history_routes(
    app: FastAPI, history: History, data_dir: Path, access: AccessControl, rated_strokes: Mapping[str, int]
) -> None:
    """All of it comes from this process' memory or from the disk; the deciding loop is not involved."""
    read = [Depends(access.read)]

    @app.get("/api/history", dependencies=read, tags=["read"])
    async def columns(
        span: Literal["24h", "7d", "30d", "season"] = "24h", since: Moment = None, until: Moment = None
    ) -> Json:
        """Columns for the charts of one span, or of the time from `since` to `until` (Unix time, s)."""
        return await run_in_threadpool(history.columns, span, *_range(since, until))

    @app.get("/api/history.csv", dependencies=read, tags=["read"], response_class=Response, responses=_CSV)
    async def table(since: Moment = None, until: Moment = None) -> Response:
        """Every recorded state from `since` to `until` as CSV (RFC 4180), times in UTC; without them all there is."""
        first, last = _range(since, until)
        header, times, rows = await run_in_threadpool(history.csv_rows, first or 0.0, last or _FAR_S)
        stamps = (datetime.fromtimestamp(t, UTC).isoformat(timespec="seconds") for t in times)
        text = await run_in_threadpool("".join, as_csv(header, stamps, rows))
        name = {"Content-Disposition": 'attachment; filename="tomato.csv"'}
        return Response(text, media_type="text/csv; charset=utf-8", headers=name)

    @app.get("/api/days", dependencies=read, tags=["read"])
    async def days() -> list[Json]:
        """Each local day's water, light integral, energy (by typical power) and relay strokes; oldest first."""
        return await run_in_threadpool(history.days)

    @app.get("/api/wear", dependencies=read, tags=["read"])
    async def wear() -> list[Json]:
        """Each relay's strokes so far and a day, its rated life and how much of that is used."""
        return relay_wear(await run_in_threadpool(history.days), rated_strokes)

    @app.get("/api/forecast/past", dependencies=read, tags=["read"])
    async def past_forecast() -> Json:
        """What was forecast a day ago, what was measured, and how often that lay within the interval."""
        return await run_in_threadpool(history.past_forecast)

    @app.get("/api/skips", dependencies=read, tags=["read"])
    async def skips() -> list[Json]:
        """What was considered and not done, each with its reason; newest last."""
        return history.skips()

    @app.get("/api/photo/{digest}", dependencies=read, tags=["read"], response_class=Response, responses=_PICTURE)
    async def one_photo(digest: Annotated[str, PathField(pattern=r"^[0-9a-f]{64}$")]) -> Response:
        """A stored photo by its SHA-256, pixels only: without anything that a camera writes into a file."""
        found = await run_in_threadpool(photo, data_dir, digest)
        if found is None:
            raise HTTPException(404, "there is no such photo")
        return Response(found[0], media_type=found[1], headers={"Cache-Control": "private, max-age=86400"})


LARGEST_BYTES = 12_000_000
"""A larger photo is not sent to a phone."""


def photo(data_dir: Path, digest: str) -> tuple[bytes, str] | None:
    """The photo of that SHA-256 (hex) without what a camera writes into it, and its type; None when there is none."""
    for path in _candidates(data_dir, digest):
        data = _whole(path)
        if data is not None and hashlib.sha256(data).hexdigest() == digest:
            return _pixels(data)
    return None


def _candidates(data_dir: Path, digest: str) -> list[Path]:
    """Newest day first; `advisor/vision/photo_files.py` names the files."""
    days = sorted((data_dir / "private" / "images").glob("*-*-*"), reverse=True)
    return [path for day in days for path in day.glob(f"*-{digest[:12]}.*")]


def _whole(path: Path) -> bytes | None:
    try:
        return path.read_bytes() if path.stat().st_size <= LARGEST_BYTES else None
    except OSError:
        return None


def _pixels(data: bytes) -> tuple[bytes, str] | None:
    """The picture alone and its type; None for what is no whole picture."""
    if data.startswith(b"\x89PNG"):
        return strip_png(data), "image/png"
    try:
        return strip_jpeg(data), "image/jpeg"
    except ValueError:
        return None
