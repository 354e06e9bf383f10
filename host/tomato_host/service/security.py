"""Security of the API: authentication, rate limits, body sizes, and the headers of every answer."""

from __future__ import annotations

import hmac
import math
import time
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tomato_host.brain.settings import DEFAULT_TENT
from tomato_host.logs import Log
from tomato_host.service.notify.acknowledge_links import LINK_PATH
from tomato_host.service.sessions import COOKIE, CSRF_HEADER, SessionFile, TokenIdentity, csrf_of
from tomato_host.service.settings import ServiceSettings, served_names
from tomato_host.service.tokens import RANK, Role, TokenFile
from tomato_host.storage.journal_photos import LARGEST_UPLOAD

_log = Log("api")
LARGEST_BODY = 16_384
PHOTO_PATH = "/api/journal/photo"
LARGEST_BODIES = {PHOTO_PATH: LARGEST_UPLOAD}
"""Bytes of a body where other ones are the rule than LARGEST_BODY."""
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
WORLD = "/api/world/"
SECRET_KEYS = frozenset({"token", "access_token", "bearer", "authorization", "api_key"})
"""Names of query parameters in which people put tokens."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "testclient"})


TOKEN_NEEDED = "sign in first, or send an access token: tomato-host token create NAME --role operate"
TOKEN_UNKNOWN = "this token is not known, or was revoked; make one with: tomato-host token create NAME --role operate"
CSRF_NEEDED = "this page is out of date: reload it and try again (its CSRF value is missing or wrong)"


def bearer(authorization: str) -> str:
    """The secret of an Authorization header, empty when there is none.

    Only this header counts: a foreign page cannot make a browser send it.
    """
    kind, _, secret = authorization.partition(" ")
    return secret if kind.lower() == "bearer" else ""


def header_of(scope: Scope, name: str) -> str:
    """The first header of that name (lower case), empty when there is none."""
    wanted = name.encode()
    return next((value.decode("latin-1") for key, value in scope["headers"] if key.lower() == wanted), "")


def cookie_of(scope: Scope) -> str:
    """The secret of the session cookie, empty when there is none."""
    for part in header_of(scope, "cookie").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


class Refused(Exception):
    """A request that nobody may make: HTTP status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Authenticator:
    """Who asks: by the access token in the Authorization header, or by the session cookie of a signed-in browser."""

    def __init__(self, tokens: TokenFile, sessions: SessionFile) -> None:
        self._tokens = tokens
        self._sessions = sessions

    def identity(self, scope: Scope) -> TokenIdentity:
        """Name and role. Raises Refused: 401 when nobody is known, 403 when a change lacks its CSRF value."""
        secret = bearer(header_of(scope, "authorization"))
        if secret:
            return self._of_token(secret, scope["path"])
        cookie = cookie_of(scope)
        found = self._sessions.identity(cookie)
        if found is None:
            raise Refused(401, TOKEN_NEEDED)
        if is_change(scope) and not hmac.compare_digest(
            header_of(scope, CSRF_HEADER).encode("latin-1", "replace"), csrf_of(cookie).encode()
        ):
            raise Refused(403, CSRF_NEEDED)
        return found

    def _of_token(self, secret: str, path: str) -> TokenIdentity:
        """An agent's token is for the world's routes: elsewhere it would pass its policy and quotas."""
        token = self._tokens.valid(secret)
        if token is None:
            expired = self._tokens.find(secret)
            raise Refused(401, TOKEN_UNKNOWN if expired is None else f"this token expired at {expired.expires}")
        if token.agent and not path.startswith(WORLD):
            raise Refused(403, f"the token {token.name} is for the agent {token.agent}: use it below {WORLD}")
        if token.tents and DEFAULT_TENT not in token.tents and not path.startswith(WORLD):
            raise Refused(403, f"the token {token.name} is for other tents: {', '.join(token.tents)}")
        return TokenIdentity(token.name, token.role)


def is_change(scope: Scope) -> bool:
    """Whether the method may change something."""
    return scope["method"] not in ("GET", "HEAD", "OPTIONS")


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
        allowed = left >= 1.0
        self._left[client] = (
            left - 1.0 if allowed else left,
            now,
        )  # a refusal costs nothing, or who retries never gets in
        return allowed

    def refusal(self, client: str) -> tuple[int, str]:
        """Status and text for a client that `allows` has just refused: the limit, and when it may ask again."""
        wait_s = math.ceil((1.0 - self._left[client][0]) / self._rate)
        rate = f"{self._rate * 60.0:.0f} a minute, {self._most:.0f} at once"
        return 429, f"too many requests ({rate}); try again in {max(1, wait_s)} s"


class SecurityMiddleware:
    """ASGI middleware: host names and origins, tokens in addresses, body size, rate, and the headers of every answer.

    A change without a valid token is refused here, before its body is parsed.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator
        self._hosts = served_names(settings)
        self._host_names = {name.strip("[]") for name in self._hosts}
        self._reads = ClientRateLimiter(settings.reads_per_minute)
        self._writes = ClientRateLimiter(settings.writes_per_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
            return
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
        await self._app_or_500(scope, _bounded(receive, _largest_body(scope)), send_with_headers)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A handshake: host, origin, address and rate as for a request; the route checks the token."""
        refusal = self._common_refusal(scope)
        origin = header_of(scope, "origin")
        if refusal is None and origin and urlsplit(origin).hostname not in self._host_names:
            refusal = 403, "pages of this origin may not open a stream; add its name to [service] hosts"
        if refusal is None and not self._reads.allows(_client(scope)):
            refusal = self._reads.refusal(_client(scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
            return
        await _answer(send, *refusal, kind="websocket.http.response")

    def _common_refusal(self, scope: Scope) -> tuple[int, str] | None:
        host = header_of(scope, "host")
        name = (host.rsplit(":", 1)[0] if not host.endswith("]") else host).lower()
        if name not in self._hosts:
            return 421, "this host name is not served here; add it to [service] hosts"
        query = scope.get("query_string", b"").decode("latin-1")
        if query and SECRET_KEYS & parse_qs(query, keep_blank_values=True).keys():
            return (
                401,
                "no token belongs into an address, where logs keep it: revoke it, and send Authorization: Bearer",
            )
        return None

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
        if (refusal := self._common_refusal(scope)) is not None:
            return refusal
        writes = is_change(scope)
        # Agents of the shared world have rates of their own (world_access.py); many may share one address.
        limiter = self._writes if writes and not scope["path"].startswith(WORLD) else self._reads
        if not limiter.allows(_client(scope)):
            return limiter.refusal(_client(scope))
        length = header_of(scope, "content-length") or "0"
        if not length.isdigit() or int(length) > _largest_body(scope):
            return 413, f"at most {_largest_body(scope)} bytes"
        # An acknowledging link is itself the right to do what it is for.
        if writes and not scope["path"].startswith(LINK_PATH):
            try:
                self._authenticator.identity(scope)
            except Refused as refused:
                return refused.status, refused.text
        return None


def _client(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else "unknown"


ENCODED_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


def _largest_body(scope: Scope) -> int:
    return LARGEST_BODIES.get(scope["path"], LARGEST_BODY)


def _bounded(receive: Receive, most: int) -> Receive:
    """A body without a length is cut at the limit."""
    seen = 0

    async def limited() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            return {"type": "http.disconnect"}
        return message

    return limited


async def _answer(send: Send, status: int, text: str, kind: str = "http.response") -> None:
    body = b'{"detail":"' + text.encode() + b'"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})


class AccessControl:
    """Checks roles. Reading from this machine is open; everything else needs a role."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

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
        try:
            who = self._authenticator.identity(request.scope)
        except Refused as refused:
            headers = {"WWW-Authenticate": "Bearer"} if refused.status == 401 else None
            raise HTTPException(refused.status, refused.text, headers) from None
        if RANK[who.role] < RANK[least]:
            raise HTTPException(403, f"{who.name} has the role {who.role}; {least} is needed")
        return who.name
