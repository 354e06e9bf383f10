"""Sessions of browsers: signed in once with an access token, kept by a cookie, revoked one by one or with the token.

The token itself is never stored in the browser. A session belongs to the token that opened it: revoking the token ends
its sessions, too. The cookie is HttpOnly (no script reads it) and SameSite=Strict (no foreign page sends it); a change
needs the session's CSRF value in a header as well, which a foreign page can neither read nor send (OWASP, Cross-Site
Request Forgery Prevention Cheat Sheet: signed double submit).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.service.secret_rows import SecretRows, hash_of
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
    token_sha256: str
    """Which token that was: another one of the same name, made after a revocation, does not bring the session back."""
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


class SessionFile:
    """The sessions of one data directory, read anew when the file changes."""

    def __init__(self, data_dir: Path, tokens: TokenFile, now: Callable[[], datetime] | None = None) -> None:
        self._rows = SecretRows(data_dir / FILE, lambda row: SignedInBrowser(**row))
        self._tokens = tokens
        self._now = now or (lambda: datetime.now(UTC))

    def all(self) -> tuple[SignedInBrowser, ...]:
        """Every session that is valid now: young enough, and its token neither revoked nor expired."""
        living = {token.sha256 for token in self._tokens.living()}
        return tuple(one for one in self._rows.read() if one.token_sha256 in living and self._lasts(one))

    def open(self, token_secret: str, device: str) -> tuple[str, TokenIdentity] | None:
        """Open a session with an access token; returns its secret and who it is, or None for an unknown token.

        Raises TomatoError E-STORAGE-UNWRITABLE.
        """
        token = self._tokens.valid(token_secret)
        if token is None:
            return None
        secret, created = secrets.token_urlsafe(32), self._now().isoformat(timespec="seconds")
        session_id, device = secrets.token_hex(4), device[:MOST_DEVICE]
        made = SignedInBrowser(session_id, hash_of(secret), token.name, token.sha256, device, created)
        self._rows.write(asdict(one) for one in (*self.all(), made)[-MOST_SESSIONS:])
        return secret, TokenIdentity(token.name, token.role)

    def find(self, secret: str) -> SignedInBrowser | None:
        """The valid session of a cookie. Compares in constant time."""
        wanted = hash_of(secret)
        return next((one for one in self.all() if secrets.compare_digest(one.sha256, wanted)), None)

    def identity(self, secret: str) -> TokenIdentity | None:
        """Who a cookie belongs to; None when it is unknown, too old, or its token was revoked."""
        found = self.find(secret) if secret else None
        living = self._tokens.living() if found else ()
        return next((TokenIdentity(t.name, t.role) for t in living if found and t.sha256 == found.token_sha256), None)

    def close(self, session_id: str) -> bool:
        """End a session; False when there is none of that id. Raises TomatoError E-STORAGE-UNWRITABLE."""
        known = self.all()
        left = tuple(one for one in known if one.id != session_id)
        if len(left) == len(known):
            return False
        self._rows.write(asdict(one) for one in left)
        return True

    def _lasts(self, session: SignedInBrowser) -> bool:
        """A session from the future (its clock was ahead) is not trusted either."""
        age = self._now() - datetime.fromisoformat(session.created)
        return timedelta(minutes=-5) <= age <= LASTS
