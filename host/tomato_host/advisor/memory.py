"""The memory file: SQLite with full-text search. Episodes are only added; facts are superseded, never overwritten."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from tomato_host.atomic_file import make_directory, private_opener

Trust = Literal["measured", "decided", "said_by_model"]
"""measured: a sensor or the measured photo. decided: our own records. said_by_model: shown, never built upon."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS episodes (
  id INTEGER PRIMARY KEY, wake_id TEXT NOT NULL, ts TEXT NOT NULL, kind TEXT NOT NULL, trust TEXT NOT NULL,
  text TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS episodes_by_wake ON episodes (wake_id);
CREATE TRIGGER IF NOT EXISTS episodes_stay BEFORE UPDATE ON episodes BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER IF NOT EXISTS episodes_last BEFORE DELETE ON episodes BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TABLE IF NOT EXISTS facts (
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, value TEXT NOT NULL, unit TEXT NOT NULL, source TEXT NOT NULL,
  trust TEXT NOT NULL CHECK (trust IN ('measured', 'decided')), ts TEXT NOT NULL, expires_ts TEXT,
  superseded_by INTEGER REFERENCES facts (id));
CREATE UNIQUE INDEX IF NOT EXISTS one_current_fact ON facts (key) WHERE superseded_by IS NULL;
CREATE TABLE IF NOT EXISTS checks (
  id INTEGER PRIMARY KEY, ts TEXT NOT NULL, model_hash TEXT NOT NULL, prompt_hash TEXT NOT NULL,
  agreed INTEGER NOT NULL, differed INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS canopies (
  id INTEGER PRIMARY KEY, ts TEXT NOT NULL, source TEXT NOT NULL, fraction REAL NOT NULL, height REAL NOT NULL);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (text, kind UNINDEXED, ref UNINDEXED, ts UNINDEXED);
"""


@dataclass(frozen=True, slots=True)
class StoredFact:
    """One thing known about this season, with where it comes from and how long it holds."""

    key: str
    value: str
    unit: str
    source: str
    trust: str
    ts: str
    expires_ts: str | None


@dataclass(frozen=True, slots=True)
class MemoryMatch:
    """One hit of a search, best first."""

    ts: str
    kind: str
    ref: str
    text: str


class MemoryStore:
    """Both levels in one file. `path` None keeps it in memory only."""

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            make_directory(path.parent)
            with open(path, "ab", opener=private_opener):
                pass  # SQLite keeps these rights, for its journals as well
        self._db = sqlite3.connect(str(path) if path else ":memory:", isolation_level=None, check_same_thread=False)
        if path is not None:
            self._db.execute("PRAGMA journal_mode=WAL")
        # One writer loses at most the last wake cycle on a power cut, and never the file.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def add_episode(self, wake_id: str, ts: datetime, kind: str, trust: Trust, text: str, body_json: str) -> None:
        """Add one episode line."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute(
                "INSERT INTO episodes (wake_id, ts, kind, trust, text, body) VALUES (?, ?, ?, ?, ?, ?)",
                (wake_id, ts.isoformat(), kind, trust, text, body_json),
            )
            self._index(text, kind, wake_id, ts)

    def set_fact(
        self,
        key: str,
        value: str,
        *,
        unit: str,
        source: str,
        trust: Literal["measured", "decided"],
        ts: datetime,
        expires: datetime | None = None,
    ) -> None:
        """Set a fact; an older one of the same key stays on file, marked as superseded.

        Raises ValueError for a fact that is neither measured nor decided.
        """
        if trust not in ("measured", "decided"):
            raise ValueError(f"a fact must be measured or decided, not {trust!r}")
        with self._db:
            self._db.execute("BEGIN")
            old = self._db.execute("SELECT id FROM facts WHERE key = ? AND superseded_by IS NULL", (key,)).fetchone()
            if old:
                # The new id is only known after the insert; the old row points at itself for that moment.
                self._db.execute("UPDATE facts SET superseded_by = id WHERE id = ?", old)
            new = self._db.execute(
                "INSERT INTO facts (key, value, unit, source, trust, ts, expires_ts) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, value, unit, source, trust, ts.isoformat(), expires.isoformat() if expires else None),
            ).lastrowid
            if old:
                self._db.execute("UPDATE facts SET superseded_by = ? WHERE id = ?", (new, old[0]))
            self._index(f"{key} {value} {unit}".strip(), "fact", key, ts)

    def facts(self, now: datetime) -> tuple[StoredFact, ...]:
        """Current facts that have not expired, by key."""
        rows = self._db.execute(
            "SELECT key, value, unit, source, trust, ts, expires_ts FROM facts WHERE superseded_by IS NULL ORDER BY key"
        )
        facts = (StoredFact(*row) for row in rows)
        return tuple(f for f in facts if f.expires_ts is None or datetime.fromisoformat(f.expires_ts) > now)

    def search(self, query: str, limit: int = 20) -> tuple[MemoryMatch, ...]:
        """Full-text search over episodes and facts; every word must occur. Any text is a valid query."""
        wanted = " ".join(f'"{word}"' for word in query.replace('"', " ").split())
        if not wanted:
            return ()
        rows = self._db.execute(
            "SELECT ts, kind, ref, text FROM words WHERE words MATCH ? ORDER BY rank, ts DESC LIMIT ?", (wanted, limit)
        )
        return tuple(MemoryMatch(*row) for row in rows)

    def add_check(self, ts: datetime, model_hash: str, prompt_hash: str, agreed: int, differed: int) -> None:
        """Remember how often a verdict agreed with the measured picture."""
        self._db.execute(
            "INSERT INTO checks (ts, model_hash, prompt_hash, agreed, differed) VALUES (?, ?, ?, ?, ?)",
            (ts.isoformat(), model_hash, prompt_hash, agreed, differed),
        )

    def checks(self, model_hash: str, prompt_hash: str, last: int = 200) -> tuple[int, int]:
        """Agreements and differences of this model with this prompt over its last verdicts."""
        row = self._db.execute(
            "SELECT COALESCE(SUM(agreed), 0), COALESCE(SUM(differed), 0) FROM (SELECT agreed, differed FROM checks"
            " WHERE model_hash = ? AND prompt_hash = ? ORDER BY id DESC LIMIT ?)",
            (model_hash, prompt_hash, last),
        ).fetchone()
        return int(row[0]), int(row[1])

    def add_canopy(self, ts: datetime, source: str, fraction: float, height: float) -> None:
        """Remember one camera's measured canopy (shares of the frame)."""
        self._db.execute(
            "INSERT INTO canopies (ts, source, fraction, height) VALUES (?, ?, ?, ?)",
            (ts.isoformat(), source, fraction, height),
        )

    def usual_height(self, source: str, last: int = 12, least: int = 3) -> float | None:
        """Median canopy height of this camera's last photos; None while there are fewer than `least`."""
        rows = self._db.execute(
            "SELECT height FROM canopies WHERE source = ? ORDER BY id DESC LIMIT ?", (source, last)
        ).fetchall()
        heights = sorted(float(row[0]) for row in rows)
        return heights[len(heights) // 2] if len(heights) >= least else None

    def episodes(self, wake_id: str) -> tuple[dict[str, object], ...]:
        """Everything remembered of one wake cycle, in order."""
        rows = self._db.execute("SELECT body FROM episodes WHERE wake_id = ? ORDER BY id", (wake_id,))
        return tuple(json.loads(row[0]) for row in rows)

    def _index(self, text: str, kind: str, ref: str, ts: datetime) -> None:
        self._db.execute(
            "INSERT INTO words (text, kind, ref, ts) VALUES (?, ?, ?, ?)", (text, kind, ref, ts.isoformat())
        )
