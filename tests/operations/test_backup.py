"""A backup of a running system is whole, gapless and verified; a damaged one restores nothing."""

from __future__ import annotations

import gzip
import io
import json
import os
import sqlite3
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.service.operations.backup import MANIFEST, backup, restore
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.verify import verify

from shared_schemas.records import AnomalyV1, EventV1, Record

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def records(n: int) -> Record:
    ts = NOW + timedelta(seconds=n)
    if n % 3:
        return EventV1(schema_version="event_v1", ts=ts, level="INFO", kind="process", name="n", text=f"event {n}")
    return AnomalyV1.model_validate(
        {"schema_version": "anomaly_v1", "ts": ts, "severity": "LOW", "type": "SOIL_DRY", "subject": f"P{n}"}
    )


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    with Dataset.open(root, fsync="never") as dataset:
        for n in range(300):
            dataset.append(records(n))
    (root / "private" / "images" / "p.jpg").write_bytes(os.urandom(50_000))
    (root / "tokens.json").write_text("[]")
    (root / "tokens.json").chmod(0o600)
    (root / "inbox" / "replies").mkdir(parents=True)
    (root / "inbox" / "x.json").write_text("{}")
    with closing(sqlite3.connect(root / "private" / "agent_memory.sqlite")) as db:
        db.execute("create table t (x)")
        db.execute("insert into t values (42)")
        db.commit()
    return root


def test_there_and_back(data_dir: Path, tmp_path: Path) -> None:
    reported = backup(data_dir, tmp_path / "b.tar.gz")
    assert (tmp_path / "b.tar.gz").stat().st_mode & 0o777 == 0o600
    restore(tmp_path / "b.tar.gz", tmp_path / "back")
    back = tmp_path / "back"
    assert verify(back).ok
    assert verify(back).records == 300
    for path in (data_dir / "private").rglob("*.jsonl"):
        assert (back / path.relative_to(data_dir)).read_bytes() == path.read_bytes()
    assert (back / "private/images/p.jpg").read_bytes() == (data_dir / "private/images/p.jpg").read_bytes()
    assert (back / "tokens.json").stat().st_mode & 0o777 == 0o600
    assert not (back / "inbox").exists()
    assert reported["files"] == sum(1 for path in back.rglob("*") if path.is_file())
    with closing(sqlite3.connect(back / "private/agent_memory.sqlite")) as db:
        assert db.execute("select x from t").fetchall() == [(42,)]
    with Dataset.open(back) as dataset:
        assert dataset.repairs == []
        assert dataset.losses == []
        dataset.append(records(300))


def test_of_a_running_system_without_gap_or_torn_line(data_dir: Path, tmp_path: Path) -> None:
    ending = threading.Event()
    with Dataset.open(data_dir, fsync="never") as dataset:

        def live() -> None:
            n = 300
            while not ending.wait(0.1 if n % 5 else 0.0):
                dataset.append(records(n))
                n += 1

        thread = threading.Thread(target=live)
        thread.start()
        try:
            for k in range(4):
                backup(data_dir, tmp_path / f"{k}.tar.gz")
        finally:
            ending.set()
            thread.join()
    for k in range(4):
        restore(tmp_path / f"{k}.tar.gz", tmp_path / f"back{k}")
        found = verify(tmp_path / f"back{k}")
        assert found.ok, [problem.text for problem in found.problems]
        assert found.records >= 300


def test_a_half_written_line_stays_behind(data_dir: Path, tmp_path: Path) -> None:
    events = next((data_dir / "private").glob("events_*.jsonl"))
    whole = events.read_bytes()
    events.write_bytes(whole + b'{"half": ')
    backup(data_dir, tmp_path / "b.tar.gz")
    restore(tmp_path / "b.tar.gz", tmp_path / "back")
    assert (tmp_path / "back" / "private" / events.name).read_bytes() == whole


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_restores_nothing(data_dir: Path, tmp_path: Path, harm: str) -> None:
    file = tmp_path / "b.tar.gz"
    backup(data_dir, file)
    raw = bytearray(file.read_bytes())
    if harm == "cut":
        raw = raw[: len(raw) * 2 // 3]
    elif harm == "flip":
        raw[len(raw) // 2] ^= 0x10
    elif harm == "empty":
        raw = bytearray()
    else:
        raw = bytearray(b"not a backup at all" * 50)
    file.write_bytes(raw)
    with pytest.raises(TomatoError) as caught:
        restore(file, tmp_path / "back")
    assert caught.value.code == "E-BACKUP-DAMAGED"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar.gz", "data"], "nothing half-done is left"


def crafted(path: Path, name: str, text: bytes, listed: bytes | None = None) -> None:
    """A file made by somebody with other intentions."""
    import hashlib

    with gzip.open(path, "wb") as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(text)
        tar.addfile(info, io.BytesIO(text))
        digest = hashlib.sha256(text if listed is None else listed).hexdigest()
        manifest = json.dumps({"format": "tomato backup 1", "files": {name: {"size": len(text), "sha256": digest}}})
        info = tarfile.TarInfo(MANIFEST)
        info.size = len(manifest)
        tar.addfile(info, io.BytesIO(manifest.encode()))


@pytest.mark.parametrize("name", ["../evil", "/evil", "a/../../evil"])
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    crafted(tmp_path / "b.tar.gz", name, b"x")
    with pytest.raises(TomatoError, match="not a complete backup"):
        restore(tmp_path / "b.tar.gz", tmp_path / "deep" / "back")
    assert not list(tmp_path.rglob("evil"))


def test_a_file_that_is_not_what_was_saved(tmp_path: Path) -> None:
    crafted(tmp_path / "b.tar.gz", "metadata.json", b"now", listed=b"then")
    with pytest.raises(TomatoError, match=r"metadata\.json is not what was saved"):
        restore(tmp_path / "b.tar.gz", tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_only_into_an_empty_place_and_never_into_itself(data_dir: Path, tmp_path: Path) -> None:
    backup(data_dir, tmp_path / "b.tar.gz")
    with pytest.raises(TomatoError) as caught:
        restore(tmp_path / "b.tar.gz", data_dir)
    assert caught.value.code == "E-RESTORE-NOT-EMPTY"
    with pytest.raises(TomatoError) as caught:
        backup(data_dir, data_dir / "b.tar.gz")
    assert caught.value.code == "E-BACKUP-INSIDE"
    with pytest.raises(TomatoError) as caught:
        backup(tmp_path / "nothing", tmp_path / "c.tar.gz")
    assert caught.value.code == "E-BACKUP-NO-DATA"
    with pytest.raises(TomatoError) as caught:
        backup(data_dir, tmp_path / "no" / "such" / "folder.tar.gz")
    assert caught.value.code == "E-BACKUP-WRITE"
