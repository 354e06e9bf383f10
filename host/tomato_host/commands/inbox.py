"""How an operator's command reaches the running host: a small file per request and per reply in `<data-dir>/inbox`.

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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared_schemas.records.action_v1 import ActionV1
from shared_schemas.records.agent_v1 import AgentV1
from shared_schemas.records.journal_v1 import JournalV1
from tomato_host.atomic_file import make_directory, replace_file
from tomato_host.errors import TomatoError

MAX_BYTES = 65_536
MAX_REASON = 200
MAX_BATCH = 20
"""Requests read in one round of the loop; the rest waits for the next."""
MAX_WAITING = 200
"""Requests that may wait; a programme's further one is refused by its own end. People are not bounded."""
REPLY_LIFETIME_S = 600.0
POLL_S = 0.05


Kind = Literal[
    "action",
    "mode",
    "acknowledge",
    "acknowledge_message",
    "calibrate",
    "settings",
    "read_probe",
    "dose",
    "clear_fault",
    "faults",
    "agent",
    "journal",
    "restart",
]

REQUIRED_FIELD = {
    "action": "action",
    "mode": "mode",
    "calibrate": "values",
    "settings": "names",
    "dose": "action",
    "clear_fault": "fault",
    "agent": "agent",
    "journal": "journal",
    "acknowledge_message": "cause",
}
"""By kind of request the field it requires."""


class Request(BaseModel):
    """An operator's request: an action through the guardrails, a change of mode, or work on the board itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    ts: AwareDatetime
    kind: Kind
    reason: Annotated[str, Field(max_length=MAX_REASON)] = ""
    action: ActionV1 | None = None
    """For kinds `action` and `dose`: the proposal, origin person or api."""
    agent: AgentV1 | None = None
    """For kind `agent`: the record that holds from now on."""
    journal: JournalV1 | None = None
    """For kind `journal`: the entry to record."""
    outcome: bool = False
    """For kind `action`: send a second reply when the board has reported what came of it."""
    mode: Literal["NORMAL", "PAUSED", "SAFE"] | None = None
    """For kind `mode`: the requested mode; NORMAL ends an earlier PAUSED or SAFE."""
    until: AwareDatetime | None = None
    """For kind `mode`: when the request ends by itself."""
    values: dict[str, int] = {}
    """For kind `calibrate`: CONFIG entries as stored integers."""
    names: Annotated[tuple[str, ...], Field(max_length=20)] = ()
    """For kind `settings`: CONFIG entries to read."""
    probe: Literal[1, 2] = 1
    """For kind `read_probe`."""
    fault: Annotated[str, Field(max_length=40)] = ""
    """For kind `clear_fault`: its name."""
    cause: Annotated[str, Field(max_length=120)] = ""
    """For kind `acknowledge_message`: the cause of the notification."""
    port: Annotated[str, Field(max_length=400)] = ""
    """The port named by the operator for work on the board; a host that holds another one refuses."""

    @model_validator(mode="after")
    def _has_required_field(self) -> Self:
        """Each kind has the field it is about."""
        required = REQUIRED_FIELD.get(self.kind)
        if required is not None and not getattr(self, required):
            raise ValueError(f"a request of kind {self.kind} needs {required}")
        return self


class Reply(BaseModel):
    """The answer to a request."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    id: str
    ok: bool
    text: str
    action: ActionV1 | None = None
    """The proposal with its verdict; after a dose with its outcome."""
    repeated: bool = False
    """The id was answered before: this is that answer, and nothing has moved again."""
    code: str = ""
    """When it failed for a reason that has a code of docs/errors.md."""
    values: dict[str, int] = {}
    """CONFIG entries the board has accepted."""
    raw: int | None = None
    """A probe's raw count."""
    seconds: float | None = None
    """How long the pump was on."""
    board_state: str = ""
    faults: tuple[str, ...] = ()
    """Faults latched on the board."""


class Inbox:
    """The host's end. `pop_requests` never raises for what others wrote: a bad file is answered and removed."""

    def __init__(self, data_dir: Path, own_time: Callable[[], datetime] | None = None) -> None:
        """Make the directories; `own_time` is the clock of a host that does not live in the present, a simulation.

        Raises TomatoError E-INBOX-UNWRITABLE.
        """
        self._own_time = own_time
        self.is_flooded = False
        """Whether the last `pop_requests` left some."""
        self._folder = data_dir / "inbox"
        self._replies = self._folder / "replies"
        try:
            make_directory(self._replies)
        except OSError as error:
            raise TomatoError(
                "E-INBOX-UNWRITABLE", f"{self._folder} cannot be made: {error}.", "check who owns the data directory"
            ) from None

    def pop_requests(self, enough: Callable[[], bool] = lambda: False) -> Iterator[Request]:
        """New requests, those of people first, then the oldest; each is removed from disk before it is yielded.

        `enough`: asked before each further one; what is left waits for the next call.
        """
        waiting = self._waiting()
        self.is_flooded = len(waiting) > MAX_BATCH
        for number, name in enumerate(waiting[:MAX_BATCH]):
            if number and enough():
                self.is_flooded = True
                return
            request = self._read(self._folder / name)
            if request is not None:
                yield request if self._own_time is None else moved(request, self._own_time() - request.ts)

    def _waiting(self) -> list[str]:
        return sorted(_names(self._folder))

    def _read(self, path: Path) -> Request | None:
        try:
            raw = path.read_bytes()[: MAX_BYTES + 1]
            path.unlink()
        except OSError:
            return None  # gone again, or not ours to read: its writer runs into its timeout
        if len(raw) > MAX_BYTES:
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
        """Write a reply. A full disk must not stop the loop: a reply that cannot be written is dropped."""
        with contextlib.suppress(OSError):
            replace_file(self._replies / f"{reply.id}.json", reply.model_dump_json().encode(), durable=False)

    def remove_stale_replies(self, now_s: float) -> int:
        """Remove replies that were not read within ten minutes; returns how many."""
        removed = 0
        for path in self._replies.glob("*.json"):
            with contextlib.suppress(OSError):
                if now_s - path.stat().st_mtime > REPLY_LIFETIME_S:
                    path.unlink()
                    removed += 1
        return removed


def _names(folder: Path) -> list[str]:
    """Files of requests that wait, in no order; none when the directory cannot be read."""
    try:
        return [name for name in os.listdir(folder) if name.endswith(".json") and name[0] != "."]
    except OSError:
        return []


def moved(request: Request, by: timedelta) -> Request:
    """The request with its moments moved by so much: who asks for an hour in a simulation means an hour of its time."""
    action = request.action
    if action is not None:
        ends = None if action.not_after is None else action.not_after + by
        action = action.model_copy(update={"ts": action.ts + by, "not_after": ends})
    entry = request.journal
    if entry is not None and abs(entry.ts - request.ts) < timedelta(minutes=1):
        # Of this moment; any other one was named in the simulation's own time.
        entry = entry.model_copy(update={"ts": entry.ts + by})
    until = None if request.until is None else request.until + by
    return request.model_copy(update={"ts": request.ts + by, "until": until, "action": action, "journal": entry})


def new_request(kind: Kind, reason: str, **fields: Any) -> Request:
    """A request of this moment with an id of its own; bytes of the reason that are no UTF-8 become question marks."""
    text = reason.encode("utf-8", "replace").decode()
    return Request(id=uuid.uuid4().hex, ts=datetime.now(UTC), kind=kind, reason=text[:MAX_REASON], **fields)


def submit(data_dir: Path, request: Request) -> None:
    """The operator's end: write the request for the host.

    Raises TomatoError E-INBOX-MISSING, E-INBOX-UNWRITABLE; for a programme's E-INBOX-FULL while too many wait already:
    what is not read in time is of no use, and a long list of files would cost the deciding loop its time.
    """
    folder = data_dir / "inbox"
    if not folder.is_dir():
        raise TomatoError(
            "E-INBOX-MISSING",
            f"{folder} does not exist: no host has run with this data directory.",
            "start `tomato-host run`, or give its --data-dir",
        )
    # Names are read in their order: a tilde sorts behind every digit, so a flood of programmes keeps nobody waiting.
    programme = request.action is not None and request.action.origin != "person"
    if programme and len(_names(folder)) >= MAX_WAITING:
        raise TomatoError(
            "E-INBOX-FULL",
            f"{MAX_WAITING} requests wait for the host already; this one was not delivered.",
            "come again in a few seconds; find out who sends so many (`tomato-host world agents`)",
        )
    name = f"{'~' if programme else ''}{request.ts.astimezone(UTC):%Y%m%dT%H%M%S%f}_{request.id}.json"
    try:
        replace_file(folder / name, request.model_dump_json().encode(), durable=False)
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
    """Wait for the host's answer. Raises TomatoError E-INBOX-SILENT when none comes; the request is then withdrawn."""
    folder = data_dir / "inbox"
    path, end = folder / "replies" / f"{request.id}.json", clock() + timeout_s
    while clock() < end:
        with contextlib.suppress(FileNotFoundError):
            reply = Reply.model_validate(json.loads(path.read_bytes()), strict=False)
            path.unlink()
            return reply
        sleep(POLL_S)
    withdrawn = False
    for waiting in folder.glob(f"*_{request.id}.json"):
        with contextlib.suppress(OSError):
            waiting.unlink()
            withdrawn = True
    if withdrawn:
        raise TomatoError(
            "E-INBOX-SILENT",
            f"No running host answered within {timeout_s:g} s; the request was withdrawn.",
            "start `tomato-host run`, or give the --data-dir of the one that runs",
        )
    raise TomatoError(
        "E-INBOX-SILENT",
        f"The host has read the request and has not answered within {timeout_s:g} s.",
        "check the dashboard's events for its result before you repeat it",
    )


def later(seconds: float) -> datetime:
    """The moment so many seconds from now."""
    return datetime.now(UTC) + timedelta(seconds=seconds)
