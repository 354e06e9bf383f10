"""SQL and Parquet: the numbers that come out are the numbers that went in."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset
from tomato_host.storage.analysis import query, write_parquet

from tests.storage.samples import START, action, event, observations, state

duckdb = pytest.importorskip("duckdb", reason="needs the extra `data`")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path, rotate="day") as dataset:
        for day in range(3):
            begin = START + timedelta(days=day)
            for observation in observations(20, begin):
                dataset.append(observation)
            dataset.append(state(begin))
            dataset.append(action(day, begin))
    return tmp_path


def test_queries_see_all_files_of_a_stream(root: Path) -> None:
    expected = [o for day in range(3) for o in observations(20, START + timedelta(days=day))]
    rows = query(root, "SELECT air_temp_c, soil[1].moisture_pct FROM sensors_raw ORDER BY n").rows
    assert rows == [(o.air_temp_c, o.soil[0].moisture_pct) for o in expected]
    table = query(root, "SELECT count(*) AS c, max(n) AS n, min(ts) AS first FROM sensors_raw")
    assert table.columns == ["c", "n", "first"]
    assert table.rows == [(60, 64, START.replace(tzinfo=None))]


def test_streams_can_be_joined_by_time(root: Path) -> None:
    sql = """SELECT a.params.ml, s.env.vpd_kpa FROM actions a JOIN states s ON a.ts = s.ts ORDER BY a.ts"""
    assert query(root, sql).rows == [(120.0, 1.16)] * 3


def test_every_column_can_be_fetched(root: Path) -> None:
    for stream in ("sensors_raw", "states", "actions"):
        table = query(root, f"SELECT * FROM {stream}")
        assert {"n", "seq", "ts", "schema_version"} <= set(table.columns) and table.rows


def test_parquet_files_hold_the_same(root: Path, tmp_path: Path) -> None:
    written = write_parquet(root, tmp_path / "out")
    assert [path.name for path in written] == ["actions.parquet", "sensors_raw.parquet", "states.parquet"]
    source = str(tmp_path / "out" / "sensors_raw.parquet")
    found = duckdb.sql(f"SELECT n, air_temp_c FROM read_parquet('{source}') ORDER BY n").fetchall()
    assert found == query(root, "SELECT n, air_temp_c FROM sensors_raw ORDER BY n").rows and len(found) == 60


def test_a_wrong_query_names_the_tables(root: Path) -> None:
    with pytest.raises(TomatoError) as caught:
        query(root, "SELECT * FROM tomatoes")
    assert caught.value.code == "E-QUERY" and "actions, sensors_raw, states" in caught.value.next_step


def test_a_path_with_a_quote_in_it(tmp_path: Path) -> None:
    root = tmp_path / "the grower's data"
    with Dataset.open(root) as dataset:
        dataset.append(event(1))
    assert query(root, "SELECT name FROM events").rows == [("tick",)]


def test_without_duckdb_the_extra_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(TomatoError) as caught:
        query(root, "SELECT 1")
    assert caught.value.code == "E-EXTRA-DATA" and ".[data]" in caught.value.next_step
