"""Security of the API: authentication, rate limits, body sizes, and the headers of every answer."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tomato_host.logs import Log
from tomato_host.service.notify.acknowledge_links import LINK_PATH
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import RANK, Role, TokenFile

_log = Log("api")
LARGEST_BODY = 16_384
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
LOOPBACK = frozenset({"127.0.0.1", "::1", "testclient"})
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]", "testserver"})


TOKEN_NEEDED = "a token is needed: tomato-host token create"


def bearer(authorization: str) -> str:
    """The secret of an Authorization header, empty when there is none.

    Only this header counts: a foreign page cannot make a browser send it.
    """
    kind, _, secret = authorization.partition(" ")
    return secret if kind.lower() == "bearer" else ""


class ClientRateLimiter:
    """A token bucket (leaky rate limit) for each client: `per_minute` on average, a tenth of that at once."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60.0
        self._most = max(5.0, per_minute / 10.0)
        self._monotonic = monotonic
        self._left: dict[str, tuple[float, float]] = {}

    def allows(self, client: str) -> bool:
        """True when this client may make one more request now."""
        now = self._monotonic()
        left, since = self._left.get(client, (self._most, now))
        left = min(self._most, left + (now - since) * self._rate)
        if len(self._left) > 1_000:
            self._left.clear()
        self._left[client] = (max(0.0, left - 1.0), now)
        return left >= 1.0


class SecurityMiddleware:
    """ASGI middleware: host names, body size, rate, and the headers of every answer.

    A change without a valid token is refused here, before its body is parsed.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, tokens: TokenFile) -> None:
        self._app = app
        self._tokens = tokens
        self._hosts = LOCAL_NAMES | {settings.host, *settings.hosts}
        self._reads = ClientRateLimiter(settings.reads_per_minute)
        self._writes = ClientRateLimiter(settings.writes_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *ENCODED_HEADERS]
            await send(message)

        if refusal is not None:
            await _answer(send_with_headers, *refusal)
            return
        await self._app_or_500(scope, _bounded(receive), send_with_headers)

    async def _app_or_500(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An error of ours is logged and answered with the same headers as everything else."""
        is_started = False

        async def watched(message: Message) -> None:
            nonlocal is_started
            is_started = is_started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            _log.error("a request ended in an error", path=scope["path"], exc_info=True)
            if is_started:
                raise
            await _answer(send, 500, "this should not happen; please report it with the host's log")

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {key.decode().lower(): value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get("host", "")
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name not in self._hosts:
            return 421, "this host name is not served here; add it to [service] hosts"
        client = scope["client"][0] if scope.get("client") else "unknown"
        writes = scope["method"] not in ("GET", "HEAD", "OPTIONS")
        if not (self._writes if writes else self._reads).allows(client):
            return 429, "too many requests; wait a minute"
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, f"at most {LARGEST_BODY} bytes"
        if writes and scope["path"].startswith(LINK_PATH):
            return None  # the link is the right to do what it is for
        if writes and self._tokens.role_of(bearer(headers.get("authorization", ""))) is None:
            return 401, TOKEN_NEEDED
        return None


ENCODED_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def _bounded(receive: Receive) -> Receive:
    """A body without a length is cut at the limit."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > LARGEST_BODY:
            return {"type": "http.disconnect"}
        return message

    return limited


async def _answer(send: Send, status: int, text: str) -> None:
    body = b'{"detail":"' + text.encode() + b'"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class AccessControl:
    """Checks tokens. Reading from this machine is open; everything else needs a role."""

    def __init__(self, tokens: TokenFile) -> None:
        self._tokens = tokens

    def read(self, request: Request) -> None:
        """A read: open on localhost, else any token."""
        if request.client is None or request.client.host not in LOOPBACK:
            self._require(request, "view")

    def operate(self, request: Request) -> str:
        """A change: token of role operate; returns its name for the audit."""
        return self._require(request, "operate")

    def admin(self, request: Request) -> str:
        """A change of calibration or faults: token of role admin."""
        return self._require(request, "admin")

    def _require(self, request: Request, least: Role) -> str:
        secret = bearer(request.headers.get("authorization", ""))
        role = self._tokens.role_of(secret)
        if role is None:
            raise HTTPException(401, TOKEN_NEEDED, {"WWW-Authenticate": "Bearer"})
        if RANK[role] < RANK[least]:
            raise HTTPException(403, f"this token has the role {role}; {least} is needed")
        return self._tokens.name_of(secret)
