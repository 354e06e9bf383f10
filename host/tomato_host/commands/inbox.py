"""How a person's command reaches the running host: one small file a request, one a reply, in `<data-dir>/inbox`.

Files are written under a temporary name and renamed, so that neither end ever reads half a file. The host reads the
directory in each round of its loop; a request is removed before it is carried out, so none is carried out twice.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_schemas.records.action_v1 import ActionV1
from tomato_host.errors import TomatoError

LARGEST_BYTES = 65_536
LONGEST_REASON = 200
MOST_AT_ONCE = 20
"""Requests taken in one round of the loop; a flood waits."""
REPLY_KEPT_S = 600.0
POLL_S = 0.05


Kind = Literal["action", "mode", "acknowledge", "calibrate", "read_probe", "dose", "clear_fault", "faults"]

NEEDED = {"action": "action", "mode": "mode", "calibrate": "values", "dose": "action", "clear_fault": "fault"}
"""By kind of request the field without which it means nothing."""


class Request(BaseModel):
    """What a person asks for: an action through the guardrails, a change of mode, or work on the board itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    ts: AwareDatetime
    kind: Kind
    reason: Annotated[str, Field(max_length=LONGEST_REASON)] = ""
    action: ActionV1 | None = None
    """For kinds `action` and `dose`: the proposal, origin person or api."""
    mode: Literal["NORMAL", "PAUSED", "SAFE"] | None = None
    """For kind `mode`: what is asked for; NORMAL takes back an earlier PAUSED or SAFE."""
    until: AwareDatetime | None = None
    """For kind `mode`: when the request lapses by itself."""
    values: dict[str, int] = {}
    """For kind `calibrate`: CONFIG entries as stored integers."""
    probe: Literal[1, 2] = 1
    """For kind `read_probe`."""
    fault: Annotated[str, Field(max_length=40)] = ""
    """For kind `clear_fault`: its name."""
    port: Annotated[str, Field(max_length=400)] = ""
    """The port somebody named for work on the board; a host that holds another one refuses."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        """Each kind brings what it is about."""
        needed = NEEDED.get(self.kind)
        if needed is not None and not getattr(self, needed):
            raise ValueError(f"a request of kind {self.kind} needs {needed}")
        return self


class Reply(BaseModel):
    """What became of a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    ok: bool
    text: str
    action: ActionV1 | None = None
    """The proposal with its verdict; after a dose with its outcome."""
    code: str = ""
    """When it failed for a reason that has a code of docs/errors.md."""
    values: dict[str, int] = {}
    """CONFIG entries the board took."""
    raw: int | None = None
    """A probe's raw count."""
    seconds: float | None = None
    """How long the pump was on."""
    board_state: str = ""
    faults: tuple[str, ...] = ()
    """What the board holds latched."""


def _write_atomic(path: Path, text: str) -> None:
    # The temporary name lacks the suffix, so the other end never picks it up.
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


class Inbox:
    """The host's end. `take` never raises for what others wrote: a bad file is answered and removed."""

    def __init__(self, data_dir: Path) -> None:
        """Make the directories. Raises TomatoError E-INBOX-UNWRITABLE."""
        self._folder = data_dir / "inbox"
        self._replies = self._folder / "replies"
        try:
            self._replies.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TomatoError(
                "E-INBOX-UNWRITABLE", f"{self._folder} cannot be made: {error}.", "check who owns the data directory"
            ) from None

    def take(self) -> list[Request]:
        """New requests, oldest first; each is removed from disk before it is returned."""
        taken = []
        for path in self._waiting()[:MOST_AT_ONCE]:
            request = self._read(path)
            if request is not None:
                taken.append(request)
        return taken

    def _waiting(self) -> list[Path]:
        try:
            with os.scandir(self._folder) as entries:
                names = sorted(entry.name for entry in entries if entry.name.endswith(".json"))
        except OSError:
            return []
        return [self._folder / name for name in names if not name.startswith(".")]

    def _read(self, path: Path) -> Request | None:
        try:
            raw = path.read_bytes()[: LARGEST_BYTES + 1]
            path.unlink()
        except OSError:
            return None  # gone again, or not ours to read: its writer will wait in vain and say so
        if len(raw) > LARGEST_BYTES:
            self._refuse(path, "the request is too large")
            return None
        try:
            return Request.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            self._refuse(path, f"{'.'.join(str(p) for p in first['loc']) or 'request'}: {first['msg']}")
            return None

    def _refuse(self, path: Path, text: str) -> None:
        self.reply(Reply(id=path.stem.split("_")[-1], ok=False, text=text))

    def reply(self, reply: Reply) -> None:
        """Answer a request. A full disk must not stop the loop: an answer that cannot be written is dropped."""
        with contextlib.suppress(OSError):
            _write_atomic(self._replies / f"{reply.id}.json", reply.model_dump_json())

    def tidy(self, now_s: float) -> int:
        """Remove replies that nobody fetched within ten minutes; returns how many. Call it once in a while."""
        removed = 0
        for path in self._replies.glob("*.json"):
            with contextlib.suppress(OSError):
                if now_s - path.stat().st_mtime > REPLY_KEPT_S:
                    path.unlink()
                    removed += 1
        return removed


def new_request(kind: Kind, reason: str, **fields: Any) -> Request:
    """A request of this moment with an id of its own."""
    return Request(id=uuid.uuid4().hex, ts=datetime.now(UTC), kind=kind, reason=reason[:LONGEST_REASON], **fields)


def submit(data_dir: Path, request: Request) -> None:
    """The person's end: put the request where the host finds it. Raises TomatoError E-INBOX-MISSING, -UNWRITABLE."""
    folder = data_dir / "inbox"
    if not folder.is_dir():
        raise TomatoError(
            "E-INBOX-MISSING",
            f"{folder} does not exist: no host has run with this data directory.",
            "start `tomato-host run`, or give its --data-dir",
        )
    name = f"{request.ts.astimezone(UTC):%Y%m%dT%H%M%S%f}_{request.id}.json"
    try:
        _write_atomic(folder / name, request.model_dump_json())
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise TomatoError(
            "E-INBOX-UNWRITABLE",
            f"{folder} cannot be written: {error.strerror or error}.",
            "make room on that disk" if full else "run it as the user that runs the host",
        ) from None


def wait_reply(
    data_dir: Path,
    request: Request,
    timeout_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Reply:
    """Wait for the host's answer. Raises TomatoError E-INBOX-SILENT when none comes; the request is then taken back."""
    folder = data_dir / "inbox"
    path, end = folder / "replies" / f"{request.id}.json", clock() + timeout_s
    while clock() < end:
        with contextlib.suppress(FileNotFoundError):
            reply = Reply.model_validate(json.loads(path.read_bytes()), strict=False)
            path.unlink()
            return reply
        sleep(POLL_S)
    taken_back = False
    for waiting in folder.glob(f"*_{request.id}.json"):
        with contextlib.suppress(OSError):
            waiting.unlink()
            taken_back = True
    if taken_back:
        raise TomatoError(
            "E-INBOX-SILENT",
            f"No running host answered within {timeout_s:g} s; the request was taken back.",
            "start `tomato-host run`, or give the --data-dir of the one that runs",
        )
    raise TomatoError(
        "E-INBOX-SILENT",
        f"The host took the request and has not answered within {timeout_s:g} s.",
        "look at the dashboard's events for what became of it before you ask again",
    )


def later(seconds: float) -> datetime:
    """The moment so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
