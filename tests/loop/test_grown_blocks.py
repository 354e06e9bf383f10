"""Blocks from disk to the brain: what is sound is computed, what is poisoned is refused with an event."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from tomato_host.brain.brain import Brain
from tomato_host.brain.world_model.grown import EarnedSkill
from tomato_host.cli.main import main
from tomato_host.loop.grown_blocks import GrownBlocks
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.models.blocks import MOST_BYTES, BlockEntry, BlockStore

from shared_schemas.records import EventV1, Record
from tests.world_model.blocks import tree_arrays

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
ENTRY = BlockEntry("vpd_kpa", "", "", "trees", False, "SHADOWING", 1, 40)


class Sink:
    """Remembers the events it is given."""

    def __init__(self) -> None:
        self.events: list[EventV1] = []

    def offer(self, record: Record) -> bool:
        if isinstance(record, EventV1):
            self.events.append(record)
        return True

    def names(self) -> list[str]:
        return [event.name for event in self.events]


class Bench:
    """A store, a brain and the extension between them; `look` passes a minute."""

    def __init__(self, root: Path) -> None:
        self.store, self.brain, self.sink, self.now = BlockStore(root), Brain(), Sink(), NOW
        self.extension = GrownBlocks(self.store, self.brain, Recorder(self.sink, Status(started_at=NOW, now=NOW)))
        self.extension.start()

    def publish(self, entry: BlockEntry = ENTRY) -> Path:
        return self.store.root / self.store.publish({entry.quantity: (entry, tree_arrays())})[0].file

    def look(self) -> None:
        self.now += timedelta(minutes=1)
        self.extension.tick(self.now)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "models" / "blocks")


def test_a_published_block_is_computed_beside_the_forecast_and_withdrawn_again(bench: Bench) -> None:
    bench.look()
    assert bench.brain.forecast_state.model.grown is None and bench.sink.events == []
    bench.publish()
    bench.look()
    grown = bench.brain.forecast_state.model.grown
    assert grown is not None and not grown.by_quantity["vpd_kpa"].live
    bench.look()
    assert bench.sink.names() == ["block_loaded"], "an unchanged index is not read again"
    bench.publish(replace(ENTRY, stage="PROBATIONARY"))
    bench.look()
    assert grown.by_quantity["vpd_kpa"].live
    bench.store.publish({})
    bench.look()
    assert bench.brain.forecast_state.model.grown is None
    bench.store.publish({})
    assert list(bench.store.root.glob("*.npz")) == []


def test_a_reader_of_the_index_of_before_still_finds_its_files(bench: Bench) -> None:
    path = bench.publish()
    (row,) = bench.store.entries()
    bench.store.publish({row.quantity: (ENTRY, tree_arrays(constant=0.7))})
    assert path.is_file(), "somebody may have read the old index and open the file only now"
    bench.store.publish({row.quantity: (ENTRY, tree_arrays(constant=0.8))})
    assert not path.is_file() and len(list(bench.store.root.glob("*.npz"))) == 2


def _not_an_archive(body: bytes) -> bytes:
    return b"not an archive" + body


def _with_a_pickle(body: bytes) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, leaf=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


def _with_nan(body: bytes) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, **tree_arrays(np.nan))  # type: ignore[arg-type]
    return buffer.getvalue()


POISON: dict[str, tuple[Callable[[bytes], bytes], bool]] = {
    "cut": (lambda body: body[: len(body) // 2], False),
    "flipped": (lambda body: body[:40] + bytes([body[40] ^ 1]) + body[41:], False),
    "no archive": (_not_an_archive, True),
    "pickle": (_with_a_pickle, True),
    "nan": (_with_nan, True),
    "cut with its hash": (lambda body: body[: len(body) // 2], True),
    "empty": (lambda body: b"", True),
    "huge": (lambda body: body + bytes(MOST_BYTES), True),
}
"""What is done to the file, and whether the index states its hash: an attacker who can write one can write both."""


@pytest.mark.parametrize("name", POISON)
def test_a_poisoned_file_is_refused_with_an_event_and_changes_nothing(bench: Bench, name: str) -> None:
    import hashlib

    poison, with_hash = POISON[name]
    path = bench.publish()
    path.write_bytes(poison(path.read_bytes()))
    if with_hash:
        index = json.loads((path.parent / "index.json").read_text())
        index["blocks"][0]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (path.parent / "index.json").write_text(json.dumps(index))
    bench.look()
    assert bench.sink.names() == ["block_refused"]
    assert "vpd_kpa" in bench.sink.events[0].text and bench.sink.events[0].level == "WARNING"
    assert bench.brain.forecast_state.model.grown is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"format": 2, "blocks": []}',
        '{"format": 1, "blocks": [{"file": "../../secret"}]}',
        '{"format": 1, "blocks": [{"quantity": "vpd_kpa", "file": "../x.npz", "sha256": "", "kind": "trees", '
        '"weather": false, "stage": "SHADOWING"}]}',
        '{"format": 1, "blocks": [{"quantity": "vpd_kpa", "file": "0123456789abcdef.npz", "sha256": "", '
        '"kind": "trees", "weather": false, "stage": "PERFECT"}]}',
    ],
)
def test_a_damaged_index_is_refused_and_takes_the_blocks_of_before_back(bench: Bench, text: str) -> None:
    bench.publish()
    bench.look()
    (bench.store.root / "index.json").write_text(text)
    bench.look()
    assert bench.sink.names() == ["block_loaded", "block_refused"]
    assert bench.brain.forecast_state.model.grown is None


def test_a_quantity_that_is_not_forecast_here_is_refused(bench: Bench) -> None:
    bench.publish(replace(ENTRY, quantity="soil.P9"))
    bench.look()
    assert bench.sink.names() == ["block_refused"]


@pytest.mark.parametrize("stage", ["TRAINING", "BLENDING", "CULLED", "EMBARGOED"])
def test_only_stages_from_the_shadow_on_are_computed(bench: Bench, stage: str) -> None:
    bench.publish(replace(ENTRY, stage=stage))
    bench.look()
    assert bench.sink.events == [] and bench.brain.forecast_state.model.grown is None


def test_model_list_shows_the_blocks(bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench.publish(replace(ENTRY, stage="PROBATIONARY"))
    bench.store.write_skill({"vpd_kpa": (0.25, EarnedSkill(14, 300, 0.09, 0.085, 0.944))})
    with pytest.raises(SystemExit) as end:
        main(["model", "list", "--data", str(tmp_path), "--json"])
    assert end.value.code == 0
    (block,) = json.loads(capsys.readouterr().out)["blocks"]
    assert block["stage"] == "PROBATIONARY" and block["share"] == 0.25 and block["state"] == "served"
