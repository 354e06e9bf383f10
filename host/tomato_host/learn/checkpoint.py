"""Checkpoints of the trainer: arrays in an `.npz`, named by a committed transaction of the write-ahead log.

A checkpoint exists when its transaction is committed; the file is written, synced and hashed before that. After a kill
at any instant the last committed one is whole, and `latest` finds it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.learn.state_file import LearnState, parse_state
from tomato_host.learn.wal import WriteAheadLog, committed, compact

KEEP = 5
"""Checkpoints kept on disk."""

Arrays = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Checkpoint:
    """One epoch boundary: what every learner holds, and the state of the loop."""

    state: LearnState
    arrays: Arrays

    @property
    def epoch(self) -> int:
        """The epoch that ended with it."""
        return self.state.epoch


class CheckpointStore:
    """The folder `learn/checkpoints` of a data directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._log = root / "wal.bin"
        self._seen: tuple[int, int] | None = None

    def save(self, checkpoint: Checkpoint) -> None:
        """Store a checkpoint durably. Raises OSError; then the checkpoints of before are as they were."""
        buffer = BytesIO()
        np.savez(buffer, **checkpoint.arrays)  # type: ignore[arg-type]  # numpy types **kwds as bool
        body = buffer.getvalue()
        digest = hashlib.sha256(body).hexdigest()
        name = f"epoch-{checkpoint.epoch:06d}-{digest[:8]}.npz"
        replace_file(self.root / name, body, parents=True)
        row = {"file": name, "sha256": digest, "state": checkpoint.state.as_json()}
        with WriteAheadLog(self._log) as log:
            log.transaction([json.dumps(row, allow_nan=False).encode()])
        self._remove_old()
        self._seen = self._signature()

    def latest(self, at_most: int | None = None) -> Checkpoint | None:
        """The newest intact checkpoint, of an epoch no later than `at_most`; None when there is none."""
        self._seen = self._signature()
        for row in reversed(self._rows()):
            if at_most is not None and int(row["state"]["epoch"]) > at_most:
                continue
            found = self._read(row)
            if found is not None:
                return found
        return None

    def restore(self, at_most: int | None = None) -> Checkpoint:
        """As `latest`. Raises TomatoError E-LEARN-CHECKPOINT when there is none."""
        found = self.latest(at_most)
        if found is None:
            raise TomatoError(
                "E-LEARN-CHECKPOINT",
                f"There is no intact checkpoint in {self.root}.",
                "run `tomato-host learn once`; without a checkpoint the loop begins anew and the forecast is unchanged",
            )
        return found

    def changed_elsewhere(self) -> bool:
        """Whether another process has saved a checkpoint since this one last read or saved one."""
        return self._signature() != self._seen

    def epochs(self) -> list[int]:
        """The epochs that have a committed checkpoint, oldest first."""
        return [int(row["state"]["epoch"]) for row in self._rows()]

    def _signature(self) -> tuple[int, int] | None:
        try:
            found = self._log.stat()
        except FileNotFoundError:
            return None
        return found.st_size, found.st_mtime_ns

    def _rows(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for transaction in committed(self._log) for payload in transaction]

    def _read(self, row: dict[str, Any]) -> Checkpoint | None:
        try:
            body = (self.root / Path(str(row["file"])).name).read_bytes()
            if hashlib.sha256(body).hexdigest() != row["sha256"]:
                return None
            with np.load(BytesIO(body), allow_pickle=False) as stored:
                return Checkpoint(parse_state(row["state"]), {name: stored[name] for name in stored.files})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _remove_old(self) -> None:
        rows = self._rows()
        if len(rows) < 2 * KEEP:
            return
        kept = rows[-KEEP:]
        compact(self._log, [[json.dumps(row).encode()] for row in kept])
        names = {row["file"] for row in kept}
        for path in self.root.glob("epoch-*.npz"):
            if path.name not in names:
                path.unlink(missing_ok=True)
