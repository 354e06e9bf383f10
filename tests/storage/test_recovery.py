"""Opening after a power cut: every possible torn tail, zeros, rubbish; nothing disappears silently."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tomato_host.storage import Dataset
from tomato_host.storage.reader import read_records
from tomato_host.storage.verify import verify

from tests.storage.samples import START, event, lines_of


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("power") / "original"
    with Dataset.open(root, fsync="always") as dataset:
        for number in range(6):
            dataset.append(event(number))
    # A power cut comes before the heads are renewed.
    (root / "private" / "heads.json").unlink()
    shutil.rmtree(root / "schema")
    return root


def data_file(root: Path) -> Path:
    return next((root / "private").glob("events_*.jsonl"))


def test_every_cut_of_the_tail_is_repaired_and_kept_aside(original: Path, tmp_path: Path) -> None:
    content = data_file(original).read_bytes()
    lines = content.splitlines(keepends=True)
    begin_of_last = len(content) - len(lines[-1])
    for cut in range(begin_of_last - 5, len(content) + 1):
        root = tmp_path / str(cut)
        shutil.copytree(original, root)
        data_file(root).write_bytes(content[:cut])
        whole = sum(1 for n in range(1, 7) if cut >= len(b"".join(lines[:n])) - 1)
        with Dataset.open(root) as dataset:
            assert dataset.records == whole, cut
            dataset.append(event(99))
        assert verify(root).ok and verify(root).records == whole + 1
        kept = b"".join(path.read_bytes() for path in (root / "private").glob("*.torn"))
        assert content[:cut].startswith(b"".join(lines[:whole])[:cut])
        assert kept == content[:cut][len(b"".join(lines[:whole])) :]


@pytest.mark.parametrize(
    "tail", [b"\0" * 4096, b"\0" * 70_000, b"rubbish\n", b'{"n":7,"seq":7,"ha', b"\xff\xfe\n\n", b"{}\n" * 40_000]
)
def test_zeros_and_rubbish_behind_the_last_record_are_moved_aside(original: Path, tmp_path: Path, tail: bytes) -> None:
    root = tmp_path / "data"
    shutil.copytree(original, root)
    with data_file(root).open("ab") as file:
        file.write(tail)
    with Dataset.open(root) as dataset:
        assert [repair.cut_bytes for repair in dataset.repairs] == [len(tail)]
        assert dataset.repairs[0].kept_in is not None and dataset.repairs[0].kept_in.read_bytes() == tail
        assert dataset.records == 6
    assert verify(root).ok


def test_an_intact_last_record_without_newline_is_completed_not_cut(original: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(original, root)
    path = data_file(root)
    path.write_bytes(path.read_bytes()[:-1])
    with Dataset.open(root) as dataset:
        assert dataset.records == 6 and dataset.repairs[0].kept_in is None
    assert verify(root).ok and not list((root / "private").glob("*.torn"))


def test_a_repair_is_recorded_as_an_event(original: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(original, root)
    with data_file(root).open("ab") as file:
        file.write(b'{"n":7,"seq"')
    Dataset.open(root, now=lambda: START).close()
    told = list(read_records(root))[-1].model_dump()
    assert told["name"] == "tail_repaired" and "12 bytes" in told["text"] and told["level"] == "WARNING"
    Dataset.open(root, now=lambda: START).close()
    assert len(lines_of(root, "events")) == 7


def test_a_first_file_without_any_whole_record(tmp_path: Path) -> None:
    Dataset.open(tmp_path).close()
    (tmp_path / "private" / "events_2026-02.jsonl").write_bytes(b'{"n":1,"seq":1,"hash":"0123')
    with Dataset.open(tmp_path) as dataset:
        assert dataset.records == 0 and len(dataset.repairs) == 1
        dataset.append(event(0))
    assert verify(tmp_path).ok and verify(tmp_path).records == 1


def test_a_kill_between_making_a_file_and_its_first_line(original: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(original, root)
    (root / "private" / "events_2026-03.jsonl").touch()
    with Dataset.open(root) as dataset:
        assert dataset.records == 6 and dataset.repairs == []
        dataset.append(event(30 * 86_400))
        assert dataset._streams["events"].file_name == "events_2026-03.jsonl"
    assert verify(root).ok


def test_reopening_after_a_repair_twice_keeps_both_tails(original: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(original, root)
    for tail in (b"one", b"two"):
        with data_file(root).open("ab") as file:
            file.write(tail)
        Dataset.open(root).close()
    assert [p.read_bytes() for p in sorted((root / "private").glob("*.torn"))] == [b"one", b"two"]
    assert verify(root).torn_files == ["events_2026-02.jsonl.1.torn", "events_2026-02.jsonl.2.torn"]


def test_records_that_a_power_cut_took_are_owned_up_to(tmp_path: Path) -> None:
    with Dataset.open(tmp_path, fsync="never") as dataset:
        for number in range(10):
            dataset.append(event(number))
    path = data_file(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:7]))
    with Dataset.open(tmp_path, now=lambda: START) as dataset:
        assert dataset.losses == ["events: the last 3 records are gone (record 10 was there)."]
    told = list(read_records(tmp_path))[-1].model_dump()
    assert told["name"] == "records_lost" and told["level"] == "ALARM"
    # Told once: closing renewed the heads.
    with Dataset.open(tmp_path) as dataset:
        assert dataset.losses == []
