"""Rows of secrets' hashes in a JSON file that only its owner can read: access tokens, sessions of browsers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Generic, TypeVar

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError

Row = TypeVar("Row")


def hash_of(secret: str) -> str:
    """SHA-256 of a secret, hex. The secret is 256 random bits: a plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SecretRows(Generic[Row]):
    """Read anew when the file changes, so that what another process has revoked is gone at once."""

    def __init__(self, path: Path, parse: Callable[[dict[str, Any]], Row]) -> None:
        self._path = path
        self._parse = parse
        self._rows: tuple[Row, ...] = ()
        self._stamp: tuple[int, int] | None = None

    def read(self) -> tuple[Row, ...]:
        """Every row; none where there is no file, and none of a file that cannot be read: it grants no access."""
        try:
            found = self._path.stat()
        except OSError:
            self._rows, self._stamp = (), None
            return ()
        stamp = (found.st_mtime_ns, found.st_size)
        if stamp != self._stamp:
            self._rows, self._stamp = self._parsed(), stamp
        return self._rows

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Replace all rows. Raises TomatoError E-STORAGE-UNWRITABLE."""
        try:
            replace_file(self._path, json.dumps(list(rows), indent=1).encode(), mode=0o600, parents=True)
        except OSError as error:
            raise TomatoError(
                "E-STORAGE-UNWRITABLE",
                f"{self._path} cannot be written: {error.strerror or error}.",
                "free space on that disk, or check who owns the directory",
            ) from None
        self._stamp = None

    def _parsed(self) -> tuple[Row, ...]:
        try:
            return tuple(self._parse(row) for row in json.loads(self._path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, AttributeError):
            return ()
