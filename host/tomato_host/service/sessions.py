"""Sessions of browsers: signed in once with an access token, kept by a cookie, revoked one by one or with the token.

The token itself is never stored in the browser. A session belongs to the token that opened it: revoking the token ends
its sessions, too. The cookie is HttpOnly (no script reads it) and SameSite=Strict (no foreign page sends it); a change
needs the session's CSRF value in a header as well, which a foreign page can neither read nor send (OWASP, Cross-Site
Request Forgery Prevention Cheat Sheet: signed double submit).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.service.tokens import Role, TokenFile

FILE = "sessions.json"
COOKIE = "tomato_session"
CSRF_HEADER = "x-tomato-csrf"
LASTS = timedelta(days=180)
MOST_SESSIONS = 50
"""The oldest one ends when one more is opened."""
MOST_DEVICE = 60


@dataclass(frozen=True, slots=True)
class SignedInBrowser:
    """One signed-in browser as it is stored: never its secret."""

    id: str
    sha256: str
    token: str
    """Name of the access token that opened it."""
    device: str
    created: str


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """Who asks: the token's name (for the audit record) and its role."""

    name: str
    role: Role


def csrf_of(secret: str) -> str:
    """The value that must come in the header with each change of this session."""
    return hmac.new(secret.encode(), b"csrf", hashlib.sha256).hexdigest()[:32]


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class SessionFile:
    """The sessions of one data directory, read anew when the file changes."""

    def __init__(self, data_dir: Path, tokens: TokenFile, now: Callable[[], datetime] | None = None) -> None:
        self._path = data_dir / FILE
        self._tokens = tokens
        self._now = now or (lambda: datetime.now(UTC))
        self._sessions: tuple[SignedInBrowser, ...] = ()
        self._stamp: tuple[int, int] | None = None

    def all(self) -> tuple[SignedInBrowser, ...]:
        """Every session that is valid now."""
        try:
            found = self._path.stat()
        except OSError:
            self._sessions, self._stamp = (), None
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._sessions, self._stamp = self._read(), stamp
        roles = self._roles()
        return tuple(session for session in self._sessions if session.token in roles and self._lasts(session))

    def open(self, token_secret: str, device: str) -> tuple[str, TokenIdentity] | None:
        """Open a session with an access token; returns its secret and who it is, or None for an unknown token.

        Raises TomatoError E-STORAGE-UNWRITABLE.
        """
        role = self._tokens.role_of(token_secret)
        if role is None:
            return None
        secret, name = secrets.token_urlsafe(32), self._tokens.name_of(token_secret)
        created = self._now().isoformat(timespec="seconds")
        made = SignedInBrowser(secrets.token_hex(4), _hash(secret), name, device[:MOST_DEVICE], created)
        self._write((*self.all(), made)[-MOST_SESSIONS:])
        return secret, TokenIdentity(name, role)

    def find(self, secret: str) -> SignedInBrowser | None:
        """The valid session of a cookie. Compares in constant time."""
        wanted = _hash(secret)
        return next((one for one in self.all() if secrets.compare_digest(one.sha256, wanted)), None)

    def identity(self, secret: str) -> TokenIdentity | None:
        """Who a cookie belongs to; None when it is unknown, too old, or its token was revoked."""
        found = self.find(secret) if secret else None
        role = self._roles().get(found.token) if found else None
        return TokenIdentity(found.token, role) if found and role else None

    def close(self, session_id: str) -> bool:
        """End a session; False when there is none of that id. Raises TomatoError E-STORAGE-UNWRITABLE."""
        known = self.all()
        left = tuple(one for one in known if one.id != session_id)
        if len(left) == len(known):
            return False
        self._write(left)
        return True

    def _roles(self) -> dict[str, Role]:
        return {token.name: token.role for token in self._tokens.all()}

    def _lasts(self, session: SignedInBrowser) -> bool:
        """A session from the future (its clock was ahead) is not trusted either."""
        age = self._now() - datetime.fromisoformat(session.created)
        return timedelta(minutes=-5) <= age <= LASTS

    def _read(self) -> tuple[SignedInBrowser, ...]:
        try:
            return tuple(SignedInBrowser(**row) for row in json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return ()  # a file that cannot be read grants no access

    def _write(self, sessions: tuple[SignedInBrowser, ...]) -> None:
        text = json.dumps([asdict(one) for one in sessions], indent=1)
        try:
            replace_file(self._path, text.encode(), mode=0o600, parents=True)
        except OSError as error:
            raise TomatoError(
                "E-STORAGE-UNWRITABLE",
                f"{self._path} cannot be written: {error.strerror or error}.",
                "free space on that disk, or check who owns the directory",
            ) from None
        self._stamp = None
