"""Rotation by month, day and size; one chain through all files; a clock set back; a change of policy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tomato_host.storage import Dataset
from tomato_host.storage.reader import read_records, stream_files
from tomato_host.storage.verify import verify

from tests.storage.samples import event

EVENING = datetime(2026, 2, 27, 22, 0, tzinfo=UTC)


def write_hours(root: Path, hours: int, rotate: str, **options: object) -> list[str]:
    with Dataset.open(root, rotate=rotate, **options) as dataset:  # type: ignore[arg-type]  # options by name
        for hour in range(hours):
            dataset.append(event(hour, EVENING + timedelta(hours=hour)))
    return [path.name for path in stream_files(root / "private")["events"]]


def test_rotate_on_day_change(tmp_path: Path) -> None:
    names = write_hours(tmp_path, 30, "day")
    assert names == ["events_2026-02-27.jsonl", "events_2026-02-28.jsonl", "events_2026-03-01.jsonl"]
    counts = [len((tmp_path / "private" / name).read_bytes().splitlines()) for name in names]
    assert counts == [2, 24, 4]
    assert verify(tmp_path).ok


def test_rotate_on_max_size(tmp_path: Path) -> None:
    names = write_hours(tmp_path, 200, "size", max_bytes=4_096)
    sizes = [(tmp_path / "private" / name).stat().st_size for name in names]
    assert names[:3] == ["events_000001.jsonl", "events_000002.jsonl", "events_000003.jsonl"]
    assert all(3_800 < size <= 4_096 for size in sizes[:-1]) and sizes[-1] <= 4_096
    result = verify(tmp_path)
    assert result.ok and result.records == 200


def test_a_line_larger_than_the_limit_gets_its_own_file(tmp_path: Path) -> None:
    with Dataset.open(tmp_path, rotate="size", max_bytes=1_024) as dataset:
        for number, length in enumerate((10, 3_000, 10)):
            dataset.append(event(number, text="x" * length))
    assert len(stream_files(tmp_path / "private")["events"]) == 3
    assert verify(tmp_path).ok


def test_rotate_on_month_change_by_default(tmp_path: Path) -> None:
    names = write_hours(tmp_path, 60, "month")
    assert names == ["events_2026-02.jsonl", "events_2026-03.jsonl"]


def test_size_rotation_goes_on_after_reopening(tmp_path: Path) -> None:
    write_hours(tmp_path, 30, "size", max_bytes=4_096)
    names = write_hours(tmp_path, 100, "size", max_bytes=4_096)
    assert names == [f"events_{n:06d}.jsonl" for n in range(1, len(names) + 1)] and len(names) > 3
    assert verify(tmp_path).ok


def test_a_clock_set_back_does_not_reopen_an_older_file(tmp_path: Path) -> None:
    moments = [EVENING, EVENING + timedelta(days=3), EVENING + timedelta(days=1), EVENING + timedelta(days=4)]
    with Dataset.open(tmp_path, rotate="day") as dataset:
        for number, moment in enumerate(moments):
            dataset.append(event(number, moment))
    assert [record.ts for record in read_records(tmp_path)] == moments
    assert verify(tmp_path).ok


def test_a_change_of_policy_keeps_one_chain(tmp_path: Path) -> None:
    count = 0
    for rotate in ("month", "day", "size", "month", "day", "day", "size", "month"):
        with Dataset.open(tmp_path, rotate=rotate, max_bytes=1_024) as dataset:  # type: ignore[arg-type]
            for _ in range(12):
                dataset.append(event(count, EVENING + timedelta(minutes=count)))
                count += 1
    result = verify(tmp_path)
    assert result.ok and result.records == count
    assert [record.ts for record in read_records(tmp_path)] == [EVENING + timedelta(minutes=n) for n in range(count)]
