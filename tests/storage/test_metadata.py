"""metadata.json that is damaged, or made by a later version: every command says so, and a host keeps on recording."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.layout import METADATA, read_metadata
from tomato_host.storage.verify import verify

from tests.storage.samples import event

DAMAGED = ("{", "", "[1]", "\0" * 64, "[" * 100_000)
COMMANDS = (
    ["explain", "--data-dir"],
    ["dataset", "info"],
    ["journal", "list", "--data-dir"],
    ["replay"],
    ["replay", "--check"],
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path / "data", about={"settings": {"site": {"timezone": "Asia/Tokyo"}}}) as dataset:
        for number in range(5):
            dataset.append(event(number))
    return tmp_path / "data"


@pytest.mark.parametrize("text", DAMAGED, ids=["open", "empty", "array", "zeros", "deep"])
def test_damaged_metadata_is_a_problem_of_the_dataset(text: str, root: Path) -> None:
    assert verify(root).ok
    (root / METADATA).write_text(text)
    found = verify(root)
    assert not found.ok and METADATA in str(found.problems[0])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_no_command_ends_in_a_traceback(words: list[str], root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for text, code in (("{", "E-STORAGE-DAMAGED"), (json.dumps({"format": "tomato dataset 7"}), "E-STORAGE-NEWER")):
        (root / METADATA).write_text(text)
        with pytest.raises(SystemExit) as end:
            main([*words, str(root)])
        errors = capsys.readouterr().err
        assert end.value.code == 2 and code in errors and errors.count("\n") == 1, errors


def test_a_host_sets_damaged_metadata_aside_and_records(root: Path) -> None:
    (root / METADATA).write_text("{")
    with Dataset.open(root, about={"settings": {}}) as dataset:
        dataset.append(event(5))
    assert (root / f"{METADATA}.damaged").read_text() == "{"
    assert read_metadata(root)["settings"] == {}
    found = verify(root)
    assert found.ok and found.records == 6, found.problems


def test_nothing_is_written_into_a_dataset_of_a_later_version(root: Path) -> None:
    (root / METADATA).write_text(json.dumps({"format": "tomato dataset 7"}))
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(TomatoError, match="E-STORAGE-NEWER"):
        Dataset.open(root)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
