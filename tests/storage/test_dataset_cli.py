"""`tomato-host dataset ...`: what it prints, for people and for scripts, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tomato_host.cli.main import main
from tomato_host.storage import Dataset

from tests.storage.samples import action, event, state


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path / "data", about={"seed": 3}) as dataset:
        for record in (state(), action(1), event(1), event(2)):
            dataset.append(record)
    return tmp_path / "data"


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        main(words)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    out, err = capsys.readouterr()
    return code, out, err


def test_verify_a_good_dataset(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "dataset", "verify", str(root))
    assert code == 0 and "4 records in 3 files: in order" in out
    code, out, _ = call(capsys, "dataset", "verify", str(root), "--json")
    told = json.loads(out)
    assert told["ok"] and told["records"] == 4 and set(told["heads"]) == {"states", "actions", "events"}


def test_verify_names_the_first_bad_line_and_ends_with_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next((root / "private").glob("events_*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"event 2", b"event 3"))
    code, out, _ = call(capsys, "dataset", "verify", str(root))
    assert code == 2 and "BAD   events_2026-02.jsonl line 2" in out and "NOT in order" in out
    code, out, _ = call(capsys, "dataset", "verify", str(root), "--json")
    assert code == 2 and json.loads(out)["problems"][0]["line"] == 2


def test_export(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "dataset", "export", str(root), "--withhold", "tick", "--json")
    assert code == 0 and json.loads(out)["records"] == {"states": 1, "actions": 1, "events": 2}
    assert "tick" not in (root / "public" / "events_public_2026-02.jsonl").read_text()
    assert "Read it once yourself" in call(capsys, "dataset", "export", str(root))[1]


def test_query_and_parquet(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb")
    sql = "SELECT text, data.count AS c FROM events ORDER BY n"
    code, out, _ = call(capsys, "dataset", "query", str(root), sql, "--json")
    assert code == 0 and json.loads(out) == [{"text": "event 1", "c": 1}, {"text": "event 2", "c": 2}]
    assert "event 2" in call(capsys, "dataset", "query", str(root), sql)[1]
    code, out, _ = call(capsys, "dataset", "parquet", str(root), "--json")
    assert code == 0 and len(json.loads(out)["files"]) == 3


def test_info(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "dataset", "info", str(root), "--json")
    told = json.loads(out)
    assert code == 0 and told["metadata"]["seed"] == 3 and told["streams"]["events"]["records"] == 2
    assert "events" in call(capsys, "dataset", "info", str(root))[1]


@pytest.mark.parametrize("command", [["verify"], ["export"], ["parquet"], ["info"], ["query", "SELECT 1"]])
def test_no_dataset_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    code, out, err = call(capsys, "dataset", command[0], str(tmp_path), *command[1:])
    assert code == 2 and out == "" and err.count("\n") == 1 and "E-STORAGE-NO-DATASET" in err
