"""Access tokens with a role, stored as hashes in a file that only its owner can read."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, cast

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError

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


def _hash(secret: str) -> str:
    # The secret is 256 random bits: a plain hash cannot be guessed back, and checking stays cheap.
    return hashlib.sha256(secret.encode()).hexdigest()


class TokenFile:
    """The tokens of one data directory. Read anew when the file changes, so that a revoked one is gone at once."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._tokens: tuple[Token, ...] = ()
        self._stamp: tuple[int, int] | None = None

    def all(self) -> tuple[Token, ...]:
        """Every token there is."""
        try:
            found = self._path.stat()
        except OSError:
            self._tokens, self._stamp = (), None
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._tokens, self._stamp = self._read(), stamp
        return self._tokens

    def role_of(self, secret: str) -> Role | None:
        """The role of a presented token, None when it is unknown. Compares in constant time."""
        wanted = _hash(secret)
        role: Role | None = None
        for token in self.all():
            if secrets.compare_digest(token.sha256, wanted):
                role = token.role
        return role

    def name_of(self, secret: str) -> str:
        """Whose token it is, for the audit record."""
        wanted = _hash(secret)
        return next((t.name for t in self.all() if secrets.compare_digest(t.sha256, wanted)), "unknown")

    def create(self, name: str, role: str) -> str:
        """Make a token and return it: the only time it is seen.

        Raises TomatoError E-TOKEN-NAME, E-TOKEN-ROLE, E-STORAGE-UNWRITABLE.
        """
        if role not in RANK:
            raise TomatoError("E-TOKEN-ROLE", f"There is no role {role!r}.", f"choose one of: {', '.join(RANK)}")
        if not name or any(token.name == name for token in self.all()):
            raise TomatoError("E-TOKEN-NAME", f"A token named {name!r} exists already.", "choose another name")
        secret = secrets.token_urlsafe(32)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        self._write((*self.all(), Token(name, cast(Role, role), _hash(secret), created)))
        return secret

    def revoke(self, name: str) -> None:
        """Make a token worthless. Raises TomatoError E-TOKEN-NAME."""
        left = tuple(token for token in self.all() if token.name != name)
        if len(left) == len(self.all()):
            raise TomatoError("E-TOKEN-NAME", f"There is no token named {name!r}.", "see `tomato-host token list`")
        self._write(left)

    def _read(self) -> tuple[Token, ...]:
        try:
            return tuple(Token(**row) for row in json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            # A file that cannot be read grants no access.
            return ()

    def _write(self, tokens: tuple[Token, ...]) -> None:
        text = json.dumps([asdict(token) for token in tokens], indent=1)
        try:
            replace_file(self._path, text.encode(), mode=0o600, parents=True)
        except OSError as error:
            raise TomatoError(
                "E-STORAGE-UNWRITABLE",
                f"{self._path} cannot be written: {error.strerror or error}.",
                "free space on that disk, or check who owns the directory",
            ) from None
        self._stamp = None
