"""Run directories and the layout inside them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset
from tomato_host.storage.layout import STREAM_OF, create_run, find_runs, split_name, stream_of
from tomato_host.storage.reader import read_records, require_dataset

from shared_schemas.records import RECORDS
from tests.storage.samples import action, event, observations, state


def test_create_run_directory_naming(tmp_path: Path) -> None:
    first = Dataset.create_run(tmp_path, date(2026, 2, 14))
    first.close()
    assert first.root == tmp_path / "run_20260214"
    assert (first.root / "private" / "images").is_dir() and (first.root / "public" / "images").is_dir()
    # The same simulated day again gets its own directory; nothing is overwritten.
    assert create_run(tmp_path, date(2026, 2, 14)).name == "run_20260214_2"
    assert create_run(tmp_path, date(2026, 1, 2)).name == "run_20260102"
    (tmp_path / "run_notes").mkdir()
    assert [path.name for path in find_runs(tmp_path)] == ["run_20260102", "run_20260214", "run_20260214_2"]


def test_every_kind_of_record_has_its_stream() -> None:
    assert set(STREAM_OF) == set(RECORDS)
    assert len(set(STREAM_OF.values())) == len(STREAM_OF)
    assert stream_of("something_new_v3") == "something_new"
    for stream in STREAM_OF.values():
        for part in ("2026-02", "2026-02-14", "000012"):
            assert split_name(f"{stream}_{part}.jsonl") == (stream, part)
    assert split_name("states_2026-02.jsonl.1.torn") is None


def test_records_come_back_in_the_order_they_were_written(tmp_path: Path) -> None:
    written = [*observations(3), state(), event(1), action(2), *observations(2), state(), event(3)]
    with Dataset.open(tmp_path) as dataset:
        for record in written:
            dataset.append(record)
    assert list(read_records(tmp_path)) == written
    assert list(read_records(tmp_path, {"states", "actions"})) == [written[3], written[5], written[8]]


def test_a_directory_without_a_dataset_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(TomatoError) as caught:
        require_dataset(tmp_path)
    assert caught.value.code == "E-STORAGE-NO-DATASET"
