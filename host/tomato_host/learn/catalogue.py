"""The catalogue store: metadata in SQLite, artifacts as files named by their hash, and a cache within the process.

learn/catalogue/
  catalogue.sqlite          write-ahead mode: a kill at any instant leaves the last committed row
  <sha16>.artifact          one compiled artifact

An artifact is served only when the file's hash stands in the catalogue's own row: nothing that a bus brings, and no
file that somebody put there, is ever loaded.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError

NAME = "catalogue.sqlite"
MOST_BYTES = 64_000_000
"""Largest artifact."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS artifact (
  blueprint INTEGER PRIMARY KEY, file TEXT NOT NULL, sha256 TEXT NOT NULL, kind TEXT NOT NULL, built_with TEXT NOT NULL,
  stored_ms INTEGER NOT NULL, compile_s REAL NOT NULL);
CREATE TABLE IF NOT EXISTS fact (
  blueprint INTEGER PRIMARY KEY, worth REAL NOT NULL DEFAULT 0, samples INTEGER NOT NULL DEFAULT 0,
  quarantined INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS change (
  id INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, blueprint INTEGER NOT NULL, what TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Artifact:
    """One row: where the compiled form of a blueprint is, and what made it."""

    blueprint: int
    file: str
    sha256: str
    kind: str
    """aoti, exported, numpy."""
    built_with: str
    stored_ms: int
    compile_s: float


class Catalogue:
    """One connection, to be used by one thread. Raises TomatoError E-LEARN-CATALOGUE for a damaged store."""

    def __init__(self, root: Path, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self.root, self._now_ms = root, now_ms
        self._cache: dict[int, tuple[str, Any]] = {}
        self.hits = self.misses = 0
        root.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(root / NAME, timeout=5.0, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None

    def put(self, blueprint: int, body: bytes, kind: str, built_with: str, compile_s: float) -> Artifact:
        """Store an artifact: the file first, synced, then its row. Raises OSError, ValueError when too large."""
        if len(body) > MOST_BYTES:
            raise ValueError(f"an artifact of {len(body)} bytes, {MOST_BYTES} are allowed")
        digest = hashlib.sha256(body).hexdigest()
        row = Artifact(blueprint, f"{digest[:16]}.artifact", digest, kind, built_with, self._now_ms(), compile_s)
        replace_file(self.root / row.file, body, parents=True)
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO artifact VALUES (?, ?, ?, ?, ?, ?, ?)",
                (row.blueprint, row.file, row.sha256, row.kind, row.built_with, row.stored_ms, row.compile_s),
            )
            self._changed(blueprint, f"artifact {digest[:16]}")
        self._cache.pop(blueprint, None)
        return row

    def artifact(self, blueprint: int) -> Artifact | None:
        """The row of a blueprint."""
        found = self._query("SELECT * FROM artifact WHERE blueprint = ?", (blueprint,))
        return Artifact(*found[0]) if found else None

    def artifacts(self) -> list[Artifact]:
        """All rows, by blueprint."""
        return [Artifact(*row) for row in self._query("SELECT * FROM artifact ORDER BY blueprint")]

    def fetch(self, blueprint: int, load: Callable[[Path, Artifact], Any]) -> Any:
        """What `load` makes of the verified file, from the cache after the first time.

        Raises TomatoError E-LEARN-ARTIFACT when there is none, its file is damaged, or the blueprint is in quarantine.
        """
        row = self.artifact(blueprint)
        if row is None:
            raise _no_artifact(blueprint, "is not compiled")
        if self.facts([blueprint]).get(blueprint, {}).get("quarantined"):
            raise _no_artifact(blueprint, "is in quarantine")
        held = self._cache.get(blueprint)
        if held is not None and held[0] == row.sha256:
            self.hits += 1
            return held[1]
        self.misses += 1
        path = self.root / row.file
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise _no_artifact(blueprint, f"cannot be read ({error.strerror})") from None
        if digest != row.sha256:
            raise _no_artifact(blueprint, "has another hash than the catalogue states")
        loaded = load(path, row)
        self._cache[blueprint] = (row.sha256, loaded)
        return loaded

    def record_worth(self, blueprint: int, worth: float) -> None:
        """Add what a block of it was worth: 1 - error ratio. The mean of at most the last 20 counts."""
        with self._transaction():
            found = self._query("SELECT worth, samples FROM fact WHERE blueprint = ?", (blueprint,))
            mean, samples = found[0] if found else (0.0, 0)
            weight = 1.0 / (min(samples, 19) + 1)
            self._upsert(blueprint, "worth", mean + (worth - mean) * weight)
            self._upsert(blueprint, "samples", samples + 1)
            self._changed(blueprint, f"worth {worth:.4f}")

    def quarantine(self, blueprint: int, reason: str) -> None:
        """No block of it from now on, until `release`."""
        with self._transaction():
            self._upsert(blueprint, "quarantined", 1)
            self._upsert(blueprint, "reason", reason[:200])
            self._changed(blueprint, f"quarantined: {reason[:200]}")

    def release(self, blueprint: int) -> None:
        """End a quarantine."""
        with self._transaction():
            self._upsert(blueprint, "quarantined", 0)
            self._changed(blueprint, "released")

    def facts(self, blueprints: Sequence[int]) -> dict[int, dict[str, float]]:
        """Worth, samples and quarantine of these blueprints; those without a row are left out."""
        marks = ",".join("?" * len(blueprints))
        rows = self._query(
            f"SELECT blueprint, worth, samples, quarantined FROM fact WHERE blueprint IN ({marks})", tuple(blueprints)
        )
        return {n: {"worth": w, "samples": float(s), "quarantined": float(q)} for n, w, s, q in rows}

    def changes(self) -> list[tuple[int, int, str]]:
        """Who changed what: milliseconds, blueprint, text; oldest first."""
        return [(a, b, c) for a, b, c in self._query("SELECT at_ms, blueprint, what FROM change ORDER BY id")]

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def _upsert(self, blueprint: int, column: str, value: Any) -> None:
        self._db.execute("INSERT OR IGNORE INTO fact (blueprint) VALUES (?)", (blueprint,))
        self._db.execute(f"UPDATE fact SET {column} = ? WHERE blueprint = ?", (value, blueprint))

    def _changed(self, blueprint: int, what: str) -> None:
        self._db.execute(
            "INSERT INTO change (at_ms, blueprint, what) VALUES (?, ?, ?)", (self._now_ms(), blueprint, what)
        )

    def _query(self, text: str, values: tuple[Any, ...] = ()) -> list[Any]:
        try:
            return self._db.execute(text, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)

    def _damaged(self, error: Exception) -> TomatoError:
        return TomatoError(
            "E-LEARN-CATALOGUE",
            f"{self.root / NAME} cannot be used: {error}.",
            "delete the folder learn/catalogue; `tomato-host learn compile` makes it anew",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Transaction:
    """BEGIN IMMEDIATE ... COMMIT, or ROLLBACK on any exception."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _no_artifact(blueprint: int, why: str) -> TomatoError:
    return TomatoError(
        "E-LEARN-ARTIFACT", f"BP{blueprint:03d} {why}.", "`tomato-host learn compile` compiles what is missing"
    )
