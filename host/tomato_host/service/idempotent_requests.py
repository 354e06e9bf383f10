"""A change that comes twice happens once: answers to requests with an Idempotency-Key, repeated byte for byte for 24 h.

The key belongs to whoever the token or session names. The answer is written to disk before it is sent, so a retry gets
it after a restart as well. Where the process dies between the effect and that write, the proposal's id still follows
from the key (`proposal_id`), and the deciding loop knows it: the retry is judged as the repeat that it is.

*What is stored* is what no later moment changes: every success, and refusals marked `FINAL`. "Not now" (the
link, a pause, a full inbox) burns no key: the retry is a new attempt. Bodies that cannot be read are refused the same
way each time and need no store. Signing in and out is left alone: its answer is a secret, and a secret is not written
down. Intents of agents have answers of their own, by the id that the key is (`brain/admission/idempotency.py`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from fastapi import Depends, Header
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared_schemas.records.base import Identifier
from tomato_host.atomic_file import open_private, replace_file
from tomato_host.brain.admission.idempotency import IdempotencyTable, IntentKey, NoAnswer, StoredIntent
from tomato_host.logs import Log
from tomato_host.service.security import Authenticator, Refused, header_of, is_change

_log = Log("api")
IdempotencyKey = Annotated[
    Identifier | None,
    Header(alias="Idempotency-Key", description="The same key again, within 24 h, gets the same answer."),
]
FILE = "api_answers.jsonl"


async def _declared(key: IdempotencyKey = None) -> None:
    """Names the header in the API's description; the middleware has used it by now."""


REPEATABLE = Depends(_declared)
"""For routes that do not use the key themselves."""
FINAL = {"Idempotency-Status": "final"}
"""Header of a refusal that no later moment lifts."""
MOST_ANSWERS = 10_000
"""Answers stored at most; the oldest leave. The limit of writes per minute admits fewer in a usual day."""
KEY = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
API, SESSION = "/api/", "/api/session"
NOT_OURS = re.compile(r"/api/world/[^/]+/agents/[^/]+/(intents|what-if)")
"""Intents have their own table, and a what-if changes nothing."""
REUSED = b'{"detail":"this Idempotency-Key was used for another request: choose a new one","code":"ID_REUSED"}'


def proposal_id(who: str, key: str | None) -> str | None:
    """The id of the proposal that a key stands for; None without a key."""
    return None if key is None else f"api-{hashlib.sha256(f'{who}:{key}'.encode()).hexdigest()[:32]}"


class HttpAnswer(NamedTuple):
    """Status, content type and body of an answer."""

    status: int
    content_type: str
    body: bytes


class AnswerFile:
    """The stored answers on disk, a line each, readable by their owner alone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[StoredIntent[HttpAnswer]]:
        """Every whole line, oldest first; a torn or foreign one is skipped."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return []
        return [stored for line in lines if (stored := _parsed(line)) is not None]

    def append(self, stored: StoredIntent[HttpAnswer]) -> None:
        """Write one answer and sync it. Raises OSError."""
        number = open_private(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(number, _line(stored))
            os.fdatasync(number) if hasattr(os, "fdatasync") else os.fsync(number)
        finally:
            os.close(number)

    def replace(self, stored: Iterable[StoredIntent[HttpAnswer]]) -> None:
        """Leave only these. Raises OSError."""
        replace_file(self._path, b"".join(_line(one) for one in stored), parents=True)


def _line(stored: StoredIntent[HttpAnswer]) -> bytes:
    status, content_type, body = stored.answer
    row = [stored.key.agent, stored.key.id, stored.fingerprint, stored.at_s, status, content_type]
    return json.dumps([*row, base64.b64encode(body).decode()], separators=(",", ":")).encode() + b"\n"


def _parsed(line: bytes) -> StoredIntent[HttpAnswer] | None:
    try:
        who, key, digest, at_s, status, content_type, body = json.loads(line)
        answer = HttpAnswer(int(status), str(content_type), base64.b64decode(body, validate=True))
        return StoredIntent(IntentKey("api", str(who), str(key)), str(digest), answer, float(at_s))
    except (ValueError, TypeError):
        return None


@dataclass(slots=True)
class _Reader:
    """A request's body, read once and given to the application again."""

    body: bytes
    is_given: bool = False

    async def receive(self) -> Message:
        if self.is_given:
            return {"type": "http.disconnect"}
        self.is_given = True
        return {"type": "http.request", "body": self.body, "more_body": False}


class IdempotencyMiddleware:
    """ASGI middleware behind authentication: repeats stored answers, and runs one request of a key at a time."""

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, data_dir: Path, clock: Callable[[], float] = time.time
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._file = AnswerFile(data_dir / FILE)
        self._clock = clock
        self._table = IdempotencyTable[HttpAnswer](ready=False, most=MOST_ANSWERS)
        self._lines = 0
        self._turns: dict[IntentKey, asyncio.Lock] = {}
        self._waiting: Counter[IntentKey] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        key = self._key(scope)
        if key is None:
            await self._app(scope, receive, send)
            return
        body = await _whole(receive)
        if body is None:
            return
        self._waiting[key] += 1
        try:
            async with self._turns.setdefault(key, asyncio.Lock()):
                await self._answer(key, scope, body, send)
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._turns[key]

    def _key(self, scope: Scope) -> IntentKey | None:
        """Whose key it is; None where this is not for us."""
        if scope["type"] != "http" or not is_change(scope):
            return None
        path, given = scope["path"], header_of(scope, "idempotency-key")
        if not path.startswith(API) or path == SESSION or NOT_OURS.fullmatch(path) or not KEY.fullmatch(given):
            return None
        try:
            who = self._authenticator.identity(scope)
        except Refused:
            return None
        return IntentKey("api", f"{who.name}:{who.role}", given)

    async def _answer(self, key: IntentKey, scope: Scope, body: bytes, send: Send) -> None:
        if not self._table.ready:
            self._restore()
        digest = _digest(scope, body)
        found = self._table.find(key, digest, self._clock())
        if isinstance(found, StoredIntent):
            await _send(send, found.answer)
            return
        if found is NoAnswer.ID_REUSED:
            await _send(send, HttpAnswer(422, "application/json", REUSED))
            return
        answer, headers = await self._run(scope, body)
        if _is_final(answer.status, headers):
            self._store(StoredIntent(key, digest, answer, self._clock()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _run(self, scope: Scope, body: bytes) -> tuple[HttpAnswer, list[tuple[bytes, bytes]]]:
        """The application's answer, whole."""
        started: list[Message] = []
        pieces: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                started.append(message)
            elif message["type"] == "http.response.body":
                pieces.append(message.get("body", b""))

        await self._app(scope, _Reader(body).receive, collect)
        headers: list[tuple[bytes, bytes]] = list(started[0].get("headers", []))
        named = {name.lower(): value for name, value in headers}
        content_type = named.get(b"content-type", b"application/json").decode("latin-1")
        return HttpAnswer(started[0]["status"], content_type, b"".join(pieces)), headers

    def _restore(self) -> None:
        stored = self._file.read()
        self._lines = len(stored)
        try:
            self._file.replace(stored)  # a torn last line must not swallow the next one
        except OSError as error:
            _log.error("api answers are not stored", error=str(error))
        self._table.restore(stored, self._clock())

    def _store(self, stored: StoredIntent[HttpAnswer]) -> None:
        """In memory and on disk. A disk that is full loses the repeat after a restart, and nothing else."""
        self._table.store(stored.key, stored.fingerprint, stored.answer, stored.at_s)
        try:
            self._file.append(stored)
            self._lines += 1
            if self._lines > 2 * MOST_ANSWERS:
                self._compact()
        except OSError as error:
            _log.error("api answers are not stored", error=str(error))

    def _compact(self) -> None:
        newest = self._file.read()[-MOST_ANSWERS:]
        self._file.replace(newest)
        self._lines = len(newest)


def _is_final(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether no later moment changes the answer: success, and a refusal whose route says so (`FINAL`)."""
    marked = any((name.lower(), value) == (b"idempotency-status", b"final") for name, value in headers)
    return 200 <= status < 300 or (status == 409 and marked)


def _digest(scope: Scope, body: bytes) -> str:
    """Of method, path, query and body; members of a JSON object in any order are the same request."""
    try:
        shown: Any = json.dumps(json.loads(body), sort_keys=True)
    except (ValueError, RecursionError):
        shown = base64.b64encode(body).decode()
    query = scope.get("query_string", b"").decode("latin-1")
    return hashlib.sha256(json.dumps([scope["method"], scope["path"], query, shown]).encode()).hexdigest()[:32]


async def _whole(receive: Receive) -> bytes | None:
    """The request's body; None when the client has gone. Its size is bounded by the security middleware."""
    pieces = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        pieces.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(pieces)


async def _send(send: Send, answer: HttpAnswer) -> None:
    length = str(len(answer.body)).encode()
    headers = [(b"content-length", length), (b"content-type", answer.content_type.encode("latin-1"))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
