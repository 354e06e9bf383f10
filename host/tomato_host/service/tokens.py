"""Access tokens with a role, an agent and its tents, stored as hashes in a file that only its owner can read."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, cast

from tomato_host.errors import TomatoError
from tomato_host.service.secret_rows import SecretRows, hash_of

Role = Literal["view", "operate", "admin"]
RANK: dict[str, int] = {"view": 1, "operate": 2, "admin": 3}
FILE = "tokens.json"


@dataclass(frozen=True, slots=True)
class Token:
    """One token as it is stored: never the secret itself."""

    name: str
    role: Role
    sha256: str
    created: str
    agent: str = ""
    """The agent of the shared world that its holder is; empty: the agent `api`."""
    tents: tuple[str, ...] = ()
    """Tents it is for; empty: every tent of this host."""
    expires: str = ""
    """ISO 8601, UTC; empty: never."""

    def has_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return bool(self.expires) and now >= datetime.fromisoformat(self.expires)


def _parsed(row: dict[str, Any]) -> Token:
    return Token(**{**row, "tents": tuple(row.get("tents", ()))})


class TokenFile:
    """The tokens of one data directory. Read anew when the file changes, so that a revoked one is gone at once."""

    def __init__(self, data_dir: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rows = SecretRows(data_dir / FILE, _parsed)
        self._now = now

    def all(self) -> tuple[Token, ...]:
        """Every token there is, expired ones too."""
        return self._rows.read()

    def living(self) -> tuple[Token, ...]:
        """Every token that has not expired."""
        now = self._now()
        return tuple(token for token in self.all() if not token.has_expired(now))

    def find(self, secret: str) -> Token | None:
        """The token of a presented secret, None when it is unknown; it may have expired. Compares in constant time."""
        wanted = hash_of(secret)
        found: Token | None = None
        for token in self.all():
            if secrets.compare_digest(token.sha256, wanted):
                found = token
        return found

    def valid(self, secret: str) -> Token | None:
        """The token of a secret, None when it is unknown or has expired."""
        token = self.find(secret)
        return None if token is None or token.has_expired(self._now()) else token

    def role_of(self, secret: str) -> Role | None:
        """The role of a presented token, None when it is unknown or has expired."""
        token = self.valid(secret)
        return None if token is None else token.role

    def name_of(self, secret: str) -> str:
        """Whose token it is, for the audit record."""
        token = self.find(secret)
        return "unknown" if token is None else token.name

    def create(
        self,
        name: str,
        role: str,
        agent: str = "",
        tents: tuple[str, ...] = (),
        lifetime: timedelta | None = None,
    ) -> str:
        """Make a token and return it: the only time it is seen. `lifetime` None: it does not expire.

        Raises TomatoError E-TOKEN-NAME, E-TOKEN-ROLE, E-STORAGE-UNWRITABLE.
        """
        if role not in RANK:
            raise TomatoError("E-TOKEN-ROLE", f"There is no role {role!r}.", f"choose one of: {', '.join(RANK)}")
        if not name or any(token.name == name for token in self.all()):
            raise TomatoError("E-TOKEN-NAME", f"A token named {name!r} exists already.", "choose another name")
        secret = secrets.token_urlsafe(32)
        now = self._now()
        created, expires = (
            now.isoformat(timespec="seconds"),
            "" if lifetime is None else (now + lifetime).isoformat(timespec="seconds"),
        )
        token = Token(name, cast(Role, role), hash_of(secret), created, agent, tents, expires)
        self._rows.write(asdict(one) for one in (*self.all(), token))
        return secret

    def revoke(self, name: str) -> None:
        """Make a token worthless. Raises TomatoError E-TOKEN-NAME."""
        left = tuple(token for token in self.all() if token.name != name)
        if len(left) == len(self.all()):
            raise TomatoError("E-TOKEN-NAME", f"There is no token named {name!r}.", "see `tomato-host token list`")
        self._rows.write(asdict(one) for one in left)
