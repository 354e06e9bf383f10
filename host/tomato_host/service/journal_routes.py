"""Routes of the journal: read it, write an entry, correct or withdraw one, add a photo, see the season as one page."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi import Path as PathField
from fastapi.responses import HTMLResponse, Response
from pydantic import AwareDatetime, BeforeValidator, Field, FiniteFloat, ValidationError
from starlette.concurrency import run_in_threadpool

from shared_schemas.records.journal_v1 import JournalKind, JournalTask, JournalV1
from tomato_host.commands.inbox import Reply, new_request, submit, wait_reply
from tomato_host.errors import TomatoError
from tomato_host.service.board_routes import whole
from tomato_host.service.change_routes import REFUSALS, RequestBody
from tomato_host.service.history import History
from tomato_host.service.idempotent_requests import REPEATABLE
from tomato_host.service.installation import Installation
from tomato_host.service.live_state import LiveState
from tomato_host.service.operator_requests import PATIENCE_S
from tomato_host.service.season_report import report_page
from tomato_host.service.security import PHOTO_PATH, AccessControl
from tomato_host.storage.journal_entries import JournalEntries, new_id, totals
from tomato_host.storage.journal_photos import LARGEST_UPLOAD, stored_photo
from tomato_host.storage.time_lapse import FORMATS, SPANS_D, formats, time_lapse

Json = dict[str, Any]
_FAR_S = 4e9
Moment = Annotated[FiniteFloat, Query(ge=0.0, le=_FAR_S)]
EntryId = Annotated[str, PathField(pattern=r"^[A-Za-z0-9_.:\-]{1,64}$")]
AHEAD = timedelta(minutes=5)
"""A phone's clock may be ahead of the host's by so much."""
SHOWN_S = 3.0
"""How long an answer waits at most for its record; a stored entry is answered in any case."""
_ANSWERS: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    404: {"description": "There is no such entry."},
    409: {"description": "The fields do not make an entry of this kind; the text names what is wrong."},
}
_PHOTO_ANSWERS: dict[int | str, dict[str, Any]] = {
    **REFUSALS,
    413: {"description": f"The photo is larger than {LARGEST_UPLOAD} bytes."},
    415: {"description": "This is no JPEG or PNG that can be read."},
    503: {"description": "No decoder is installed, or the photo cannot be stored."},
}
_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_PHOTO_BODY = {"requestBody": {"required": True, "content": {"image/jpeg": _IMAGE, "image/png": _IMAGE}}}
_LAPSE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": {}, "image/gif": {}, "video/mp4": {}}, "description": "The time-lapse."},
    404: {"description": "There are fewer than two photos in this time."},
    503: {"description": "No encoder is installed, or it has failed."},
}
_PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {}}, "description": "A page to print."}}


def _moment(value: Any) -> Any:
    """JSON has no times: an ISO 8601 text is one."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class JournalBody(RequestBody):
    """One entry; what a kind needs and what it may not have is checked with it. Without `ts` it is of this moment."""

    kind: JournalKind
    ts: Annotated[AwareDatetime | None, BeforeValidator(_moment)] = None
    plant: Annotated[str, Field(max_length=40)] = ""
    text: Annotated[str, Field(max_length=1_000)] = ""
    task: JournalTask | None = None
    harvest_g: Annotated[FiniteFloat, Field(gt=0.0, le=50_000.0)] | None = None
    fruit_count: Annotated[Annotated[int, Field(ge=1, le=2_000)] | None, BeforeValidator(whole)] = None
    ec_ms_cm: Annotated[FiniteFloat, Field(ge=0.0, le=20.0)] | None = None
    ph: Annotated[FiniteFloat, Field(ge=2.0, le=12.0)] | None = None
    feed_ml: Annotated[FiniteFloat, Field(gt=0.0, le=20_000.0)] | None = None
    sample: Literal["solution", "drain", "substrate"] | None = None
    photo_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    corrects: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:\-]{1,64}$")] | None = None
    """The id of the entry that this one replaces."""


def add_journal_routes(
    app: FastAPI, live: LiveState, history: History, data_dir: Path, access: AccessControl, about: Installation
) -> None:
    """Entries go to the running host, which records them; photos and pages are made in or below this process."""
    _entry_routes(app, live, history, data_dir, access, about)
    _season_routes(app, live, history, data_dir, access)


def _entry_routes(
    app: FastAPI, live: LiveState, history: History, data_dir: Path, access: AccessControl, about: Installation
) -> None:
    read = [Depends(access.read)]
    journal = history.journal

    @app.get("/api/journal", dependencies=read, tags=["journal"])
    async def entries(since: Moment = 0.0, until: Moment = _FAR_S) -> Json:
        """Entries of a time (Unix time, s), oldest first; totals and the day's number are of the whole journal."""
        return {"entries": journal.rows(since, until), **summary(live, history, about)}

    @app.post("/api/journal", tags=["journal"], responses=_ANSWERS, dependencies=[REPEATABLE])
    async def add(ask: JournalBody, who: str = Depends(access.operate)) -> Json:
        """Write an entry, or correct one."""
        if ask.corrects is not None and journal.get(ask.corrects) is None:
            raise HTTPException(404, "there is no such entry")
        before = None if ask.corrects is None else journal.get(ask.corrects)
        return await _when_shown(journal, before, await run_in_threadpool(_write, data_dir, live, ask, who))

    @app.delete("/api/journal/{entry_id}", tags=["journal"], responses=_ANSWERS, dependencies=[REPEATABLE])
    async def withdraw(entry_id: EntryId, who: str = Depends(access.operate)) -> Json:
        """Withdraw an entry: it counts no longer. The record of it stays in the dataset, which forgets nothing."""
        found = journal.get(entry_id)
        if found is None:
            raise HTTPException(404, "there is no such entry")
        return await _when_shown(journal, found, await run_in_threadpool(_withdraw, data_dir, found, who))

    @app.post(
        PHOTO_PATH,
        tags=["journal"],
        responses=_PHOTO_ANSWERS,
        openapi_extra=_PHOTO_BODY,
        dependencies=[REPEATABLE],
    )
    async def photo(request: Request, _who: str = Depends(access.operate)) -> Json:
        """Store a photo (JPEG or PNG) anew from its pixels; its SHA-256 is for the entry that shows it."""
        data = await request.body()
        return {"sha256": await run_in_threadpool(_photo, data_dir, data, _now(live))}


def _season_routes(app: FastAPI, live: LiveState, history: History, data_dir: Path, access: AccessControl) -> None:
    read = [Depends(access.read)]

    @app.get("/api/journal/timelapse", dependencies=read, tags=["journal"], response_class=Response, responses=_LAPSE)
    async def lapse(
        span: Literal["week", "season"] = "week", format: Literal["webp", "gif", "mp4"] = "webp"
    ) -> Response:
        """The photos of the last week or of the season as a moving picture."""
        data = await run_in_threadpool(time_lapse, data_dir, SPANS_D[span], format)
        if data is None:
            raise HTTPException(404, "there are fewer than two photos in this time")
        return Response(data, media_type=FORMATS[format], headers={"Cache-Control": "private, max-age=600"})

    @app.get("/report", dependencies=read, tags=["journal"], response_class=HTMLResponse, responses=_PAGE)
    async def report(language: Literal["en", "de"] = "en") -> HTMLResponse:
        """The season on one page: yield, water, energy, tasks, measurements."""
        page = await run_in_threadpool(report_page, history, history.journal.rows(), _now(live), language)
        return HTMLResponse(page, headers={"Cache-Control": "no-cache"})


def summary(live: LiveState, history: History, about: Installation) -> Json:
    """Day counter, growth stage and totals."""
    found = totals(history.journal.rows(), _now(live).date())
    targets = live.newest.get("targets_v1") or {}
    return {
        "day": found.day,
        "begun": None if found.begun is None else found.begun.isoformat(),
        "stage": targets.get("growth_stage") or about.stage or None,
        "plants": [plant.name for plant in about.tent.plants],
        "harvest_g": found.harvest_g,
        "fruit_count": found.fruit_count,
        "harvests": found.harvests,
        "feed_ml": found.feed_ml,
        "tasks": found.tasks,
        "lapse_formats": list(formats()),
    }


def _now(live: LiveState) -> datetime:
    """The present of the host, with the offset of its plants where a record has named it."""
    stamped = live.status.get("now")
    now = datetime.fromisoformat(stamped) if stamped else datetime.now(UTC)
    newest = live.newest.get("observation_v1")
    return now.astimezone(datetime.fromisoformat(newest["ts"]).tzinfo) if newest else now


def _write(data_dir: Path, live: LiveState, ask: JournalBody, who: str) -> Json:
    moment = datetime.now(UTC)
    if ask.ts is not None and ask.ts > _now(live) + AHEAD:
        raise HTTPException(409, "an entry cannot be of the future")
    fields = ask.model_dump(exclude={"ts", "corrects"})
    entry = {"schema_version": "journal_v1", "ts": ask.ts or moment, "by": who, **fields}
    entry["id"] = ask.corrects or new_id(moment)
    try:
        record = JournalV1.model_validate(entry)
    except ValidationError as error:
        raise HTTPException(409, str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from None
    return _sent(data_dir, record)


async def _when_shown(journal: JournalEntries, before: Json | None, answer: Json) -> Json:
    """The answer, once the record has come back from the deciding loop: who writes an entry and looks sees it."""
    end_s = time.monotonic() + SHOWN_S
    while journal.get(answer["id"]) is before and time.monotonic() < end_s:
        await asyncio.sleep(0.02)
    return answer


def _withdraw(data_dir: Path, entry: Json, who: str) -> Json:
    record = JournalV1.model_validate({**entry, "by": who, "withdrawn": True})
    return _sent(data_dir, record)


def _sent(data_dir: Path, record: JournalV1) -> Json:
    request = new_request("journal", "", journal=record)
    submit(data_dir, request)
    reply: Reply = wait_reply(data_dir, request, PATIENCE_S)
    if not reply.ok:
        raise HTTPException(409, reply.text)
    return {"ok": True, "id": record.id, "text": reply.text}


def _photo(data_dir: Path, data: bytes, taken: datetime) -> str:
    try:
        return stored_photo(data_dir, data, taken)
    except TomatoError as error:
        if error.code == "E-JOURNAL-PHOTO":
            raise HTTPException(415, f"{error.message} {error.next_step}") from None
        raise
