"""What makes a large log quick changes nothing of what is read: plain cells, the order of rows, zones, line numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest
from tomato_host.importing.imported import TABLE, write_imported
from tomato_host.importing.mapping import TableMapping
from tomato_host.importing.reading import TableRow, read_tables
from tomato_host.importing.report import ImportReport

from tests.importing.logs import moments, write


def _mapping(**more: object) -> TableMapping:
    start: dict[str, object] = {"name": "m", "time_column": "time", "columns": {"air_temp_c": "T"}}
    return TableMapping.model_validate({"time_zone": "Europe/Vienna", **start, **more})


def _read(path: Path, mapping: TableMapping) -> tuple[list[TableRow], ImportReport]:
    with read_tables([(path, mapping)], judge=False) as reading:
        return list(reading.iterate()), reading.report


def _utc(local: datetime, zone: ZoneInfo) -> datetime:
    """A time that the clock leaves out counts by the offset before; of a doubled one the first is meant."""
    return local.replace(tzinfo=zone, fold=0).astimezone(UTC)


@pytest.mark.parametrize(
    "name",
    ["Europe/Vienna", "America/New_York", "Australia/Sydney", "Asia/Kolkata", "Africa/Casablanca", "America/Sao_Paulo"],
)
def test_local_times_around_every_change_of_a_clock(tmp_path: Path, name: str) -> None:
    zone, step = ZoneInfo(name), timedelta(minutes=20)
    days = [datetime(2018, 1, 1) + timedelta(days=k) for k in range(3 * 365)]
    changing = [
        day
        for day in days
        if day.replace(tzinfo=zone).utcoffset() != (day + timedelta(days=1)).replace(tzinfo=zone).utcoffset()
    ]
    local = [day + k * step for day in changing or days[:2] for k in range(73)]
    path = write(tmp_path / "a.csv", ["time,T", *(f"{ts:%Y-%m-%d %H:%M:%S},21" for ts in local)])
    rows, _ = _read(path, _mapping(time_zone=name))
    assert {row.ts for row in rows} == {_utc(ts, zone) for ts in local}


def test_a_clock_that_is_set_back_half_an_hour_only(tmp_path: Path) -> None:
    """No hour is shown twice; what is shown twice counts as the second."""
    path = write(
        tmp_path / "a.csv", ["time,T", *(f"2025-04-06 0{h}:{m:02d}:00,21" for h in (0, 1, 2) for m in (0, 45))]
    )
    rows, _ = _read(path, _mapping(time_zone="Australia/Lord_Howe"))
    assert [row.ts.strftime("%H:%M") for row in rows] == ["13:00", "13:45", "14:00", "15:15", "15:30", "16:15"]


SPELLINGS = ("{}", " {}", "{} ", "{}0", "+{}", "{} °C", "0{}", "{}e0")


@pytest.mark.parametrize("decimal", [".", ","])
def test_plain_and_other_spellings_of_a_number_read_alike(tmp_path: Path, decimal: str) -> None:
    cells = [SPELLINGS[k % len(SPELLINGS)].format(f"{21 + k}{decimal}5") for k in range(40)]
    lines = [f"{ts:%Y-%m-%d %H:%M:%S};{cell}" for ts, cell in zip(moments(40), cells, strict=True)]
    path = write(tmp_path / "a.csv", ["time;T", *lines])
    rows, report = _read(path, _mapping(decimal=decimal, delimiter=";"))
    assert [row.values["air_temp_c"] for row in rows] == [21.5 + k for k in range(40)] and not report.findings


def test_a_number_that_means_an_empty_cell_is_told_apart_by_its_text(tmp_path: Path) -> None:
    lines = [f"{ts:%Y-%m-%d %H:%M:%S},{'20.0' if k % 3 else '20'}" for k, ts in enumerate(moments(30))]
    path = write(tmp_path / "a.csv", ["time,T", *lines])
    rows, report = _read(path, _mapping(empty=["20"]))
    assert [row.values["air_temp_c"] for row in rows] == [20.0 if k % 3 else None for k in range(30)]
    assert report.quantities[0].values == 20


@pytest.mark.parametrize("end", ["Z", "+00:00", ".250Z", ".250000+00:00", "+02:00", "-00:30"])
@pytest.mark.parametrize("between", [" ", "T"])
def test_times_with_an_offset(tmp_path: Path, end: str, between: str) -> None:
    stamps = [f"{ts:%Y-%m-%d}{between}{ts:%H:%M:%S}{end}" for ts in moments(30)]
    path = write(tmp_path / "a.csv", ["time,T", *(f"{stamp},21" for stamp in stamps)])
    rows, _ = _read(path, _mapping())
    assert [row.ts for row in rows] == [datetime.fromisoformat(stamp).astimezone(UTC) for stamp in stamps]


def _shuffled(kind: str, lines: list[str]) -> Iterable[str]:
    draw = random.Random(7)
    if kind == "a few lines late":
        for k in (40, 200, 333):
            lines.insert(k + 25, lines.pop(k))
    elif kind == "a few written twice":
        for k in (400, 120, 119):
            lines.insert(k, lines[k])
    elif kind == "newest first":
        lines.reverse()
    elif kind == "a part at the end":
        lines = [*lines[:100], *lines[200:], *lines[100:200]]
    elif kind == "in any order":
        draw.shuffle(lines)
    return lines


KINDS = ("in order", "a few lines late", "a few written twice", "newest first", "a part at the end", "in any order")


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_whatever_order_give_the_same_import(tmp_path: Path, kind: str) -> None:
    stamps = moments(500)
    lines = [f"{ts:%Y-%m-%dT%H:%M:%SZ},{k / 10}" for k, ts in enumerate(stamps)]
    path = write(tmp_path / "a.csv", ["time,T", *_shuffled(kind, lines)])
    with read_tables([(path, _mapping())]) as reading:
        write_imported(reading, tmp_path / "out")
        report = reading.report
    found = duckdb.execute(f"SELECT ts, air_temp_c FROM '{tmp_path / 'out' / TABLE}'").fetchall()
    assert found == [(ts.replace(tzinfo=None), k / 10) for k, ts in enumerate(stamps)]
    assert report.rows_kept == 500 and report.count("duplicate") == (3 if kind == "a few written twice" else 0)


@pytest.mark.parametrize("select", [{}, {"house": "A"}])
def test_lines_of_a_long_file_are_named_as_they_stand(tmp_path: Path, select: dict[str, str]) -> None:
    begin, bad = datetime(2026, 1, 1), 150_001
    cells = ((begin + timedelta(seconds=k), "?" if k == bad else f"{20 + k % 7}") for k in range(160_000))
    path = write(tmp_path / "a.csv", ["time,T,house", *(f"{ts:%Y-%m-%d %H:%M:%S},{cell},A" for ts, cell in cells)])
    with read_tables([(path, _mapping(select=select))], judge=False) as reading:
        (finding,) = reading.report.findings
    assert finding.example is not None and (finding.example.line, finding.example.shown) == (bad + 2, "?")
