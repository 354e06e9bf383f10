"""Snapshots: the state of a world at one entry of its log, written beside the log.

A snapshot holds the document, its digest and the head of the chain it stands at. The digest is an entry of the log, too
(`snapshot_taken`), so a snapshot that was changed on disk contradicts the chain. A replay from a snapshot gives the
state that a replay from zero gives. Compaction (`world/memory.py`) forgets in memory what a snapshot contains; the file
of the log stays whole, and what is left in memory verifies from the head that it begins with.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomato_host.atomic_file import replace_file
from tomato_host.storage.chain import Head
from tomato_host.world.document import WorldState
from tomato_host.world.event_log import canonical_json


@dataclass(frozen=True, slots=True)
class WorldSnapshot:
    """A state and the head of the chain at its entry."""

    state: WorldState
    head: Head

    @property
    def digest(self) -> str:
        """Hash of the document, as the log records it."""
        return hashlib.sha256(canonical_json(self.state.document)).hexdigest()

    def save(self, path: Path) -> None:
        """Write it whole or not at all. Raises OSError."""
        state, head = self.state, self.head
        text = {
            "world": state.world,
            "sim_time_s": state.sim_time_s,
            "document": state.document,
            "head": {"n": head.n, "seq": head.seq, "hash": head.hash},
            "digest": self.digest,
        }
        replace_file(path, canonical_json(text) + b"\n")

    @classmethod
    def load(cls, path: Path) -> WorldSnapshot:
        """Read one. Raises ValueError when it was changed, or is none; OSError when it cannot be read."""
        try:
            values: dict[str, Any] = json.loads(path.read_bytes())
            head = Head(**values["head"])
            state = WorldState(values["world"], head.n, values["sim_time_s"], values["document"])
            snapshot = cls(state, head)
            intact = snapshot.digest == values["digest"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path.name} is no snapshot: {error!r}") from error
        if not intact:
            raise ValueError(f"{path.name} does not match its own digest")
        return snapshot
