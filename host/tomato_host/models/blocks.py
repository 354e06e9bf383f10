"""Grown blocks on disk: what the learning loop publishes and the deciding loop reads. Plain numbers, no pickle.

models/blocks/
  index.json       by quantity: file, its hash, kind, stage, blueprint, epoch
  <sha16>.npz      the arrays of one block
  skill.json       what the deciding loop has judged of each block, for the learning loop
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from shared_schemas.learn.lifecycle import LIVE, SlotStage
from tomato_host.atomic_file import replace_file
from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.grown import EarnedSkill
from tomato_host.brain.world_model.grown_block import GrownBlock, block_from_arrays

FORMAT = 1
MOST_BYTES = 512_000
"""Larger files are refused unread."""
SERVED = frozenset({SlotStage.SHADOWING, *LIVE})
"""Stages whose block the deciding loop computes."""

_FILE = re.compile(r"[0-9a-f]{16}\.npz")


@dataclass(frozen=True)
class BlockEntry:
    """One row of the index."""

    quantity: str
    file: str
    sha256: str
    kind: str
    weather: bool
    stage: str
    blueprint: int = 0
    epoch: int = 0

    @property
    def live(self) -> bool:
        """Whether the stage allows a share of the forecast."""
        return SlotStage[self.stage] in LIVE


@dataclass(frozen=True)
class BlockOffer:
    """A row of the index with its block, or with the reason why it is refused."""

    entry: BlockEntry
    block: GrownBlock | None
    refused: str = ""


class BlockStore:
    """The folder of blocks."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def publish(self, blocks: Mapping[str, tuple[BlockEntry, Mapping[str, Array]]]) -> list[BlockEntry]:
        """Make these the served blocks, all at once: their files first, the index last. Raises OSError.

        `file` and `sha256` of the entries are set here. A kill in between leaves the index of before, and files that
        nobody names. Files of the index of before stay until the next time: a reader may have read that index already.
        """
        entries, before = [], self._named()
        for entry, arrays in blocks.values():
            buffer = BytesIO()
            np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # numpy types **kwds as bool
            body = buffer.getvalue()
            digest = hashlib.sha256(body).hexdigest()
            named = BlockEntry(**asdict(entry) | {"file": f"{digest[:16]}.npz", "sha256": digest})
            replace_file(self.root / named.file, body, parents=True)
            entries.append(named)
        index = {"format": FORMAT, "blocks": [asdict(entry) for entry in entries]}
        replace_file(self.root / "index.json", json.dumps(index, indent=1).encode(), parents=True)
        self._remove_unnamed(before | {entry.file for entry in entries})
        return entries

    def signature(self) -> tuple[int, int] | None:
        """Changes whenever the index does; None while there is none."""
        try:
            found = (self.root / "index.json").stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def entries(self) -> list[BlockEntry]:
        """The rows of the index; raises ValueError when it is damaged. Empty while there is none."""
        try:
            raw = json.loads((self.root / "index.json").read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ValueError(f"index.json cannot be read ({error.strerror})") from None
        try:
            if raw["format"] != FORMAT:
                raise ValueError(f"index.json has format {raw['format']}, this program reads {FORMAT}")
            found = [BlockEntry(**row) for row in raw["blocks"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"index.json is no index of blocks ({error})") from None
        for entry in found:
            if entry.stage not in SlotStage.__members__ or not _FILE.fullmatch(entry.file):
                raise ValueError(f"index.json names stage {entry.stage!r}, file {entry.file!r}")
        return found

    def offers(self) -> list[BlockOffer]:
        """Every served block, checked, or the reason why it is refused. Raises ValueError for a damaged index."""
        return [self._offer(entry) for entry in self.entries() if SlotStage[entry.stage] in SERVED]

    def _offer(self, entry: BlockEntry) -> BlockOffer:
        path = self.root / entry.file
        try:
            if path.stat().st_size > MOST_BYTES:
                return BlockOffer(entry, None, f"is larger than {MOST_BYTES} bytes")
            body = path.read_bytes()
        except OSError as error:
            return BlockOffer(entry, None, f"cannot be read ({error.strerror})")
        if hashlib.sha256(body).hexdigest() != entry.sha256:
            return BlockOffer(entry, None, "has another hash than the index states")
        try:
            with np.load(BytesIO(body), allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in stored.files}
            block = block_from_arrays(entry.quantity, entry.kind, entry.weather, arrays, entry.sha256)
        except Exception as error:  # numpy and zipfile raise many kinds for a damaged or hostile file
            return BlockOffer(entry, None, f"is no block: {error}"[:200])
        return BlockOffer(entry, block)

    def write_skill(self, skills: Mapping[str, tuple[float, EarnedSkill]]) -> None:
        """Leave share and judged errors by quantity for the learning loop. Raises OSError."""
        rows = {
            name: {"share": share} | {k: v for k, v in asdict(skill).items() if math.isfinite(v)}
            for name, (share, skill) in skills.items()
        }
        replace_file(self.root / "skill.json", json.dumps(rows).encode(), durable=False, parents=True)

    def read_skill(self) -> dict[str, dict[str, float]]:
        """What `write_skill` left; empty when nothing readable is there."""
        try:
            raw = json.loads((self.root / "skill.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return {str(name): dict(row) for name, row in raw.items()} if _is_table(raw) else {}

    def _named(self) -> set[str]:
        try:
            return {entry.file for entry in self.entries()}
        except ValueError:
            return set()

    def _remove_unnamed(self, named: set[str]) -> None:
        for path in self.root.glob("*.npz"):
            if path.name not in named:
                path.unlink(missing_ok=True)


def _is_table(raw: Any) -> bool:
    return isinstance(raw, dict) and all(isinstance(row, dict) for row in raw.values())
