"""The disk budget: what a day may write, what goes first, what never goes, and that the dataset can vouch for it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from tomato_host.cli.main import main
from tomato_host.loop.disk_watch import DiskWatch
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.feed import status_line
from tomato_host.service.live_state import LiveState
from tomato_host.service.metrics import PlantCollector
from tomato_host.service.operations.backup import backup, restore
from tomato_host.storage import Dataset, StorageSettings
from tomato_host.storage.budgeted_store import AT_LEAST_EVERY_S, DAY_S, RESERVE, BudgetedStore, WriteBudget
from tomato_host.storage.layout import STREAM_OF
from tomato_host.storage.public import export_public
from tomato_host.storage.reader import read_records, stream_files
from tomato_host.storage.retention import DELETION_FILE, delete_recorded, files_to_delete, record_deletion
from tomato_host.storage.verify import verify

from shared_schemas.records import EventV1, ObservationV1, Record
from tests.storage.samples import observations, state

START = datetime(2026, 5, 1, tzinfo=UTC)
ONE = observations(1)[0]
PROTECTED = ("actions", "plans", "events", "anomalies", "states", "targets", "forecasts", "vision")


def reading(at: timedelta) -> ObservationV1:
    return ONE.model_copy(update={"ts": START + at})


def alarm(at: timedelta, n: int = 0) -> EventV1:
    return EventV1(schema_version="event_v1", ts=START + at, level="ALARM", kind="board", name=f"alarm_{n}", text="x")


def store(root: Path, mb_per_day: float = 0.5, mb_total: float = 10_000.0, **more: Any) -> BudgetedStore:
    wanted = StorageSettings(fsync="never", mb_per_day=mb_per_day, mb_total=mb_total, **more)
    clock = [0.0]
    made = BudgetedStore(Dataset.from_settings(root, wanted), lambda: clock[0])
    made.clock = clock  # type: ignore[attr-defined]
    return made


def give(disk: BudgetedStore, record: Record) -> None:
    """At the moment the record names."""
    disk.clock[0] = (record.ts - START).total_seconds()  # type: ignore[attr-defined]
    disk.offer(record)


def kept(root: Path, stream: str) -> list[Record]:
    return list(read_records(root, {stream}))


def test_what_may_be_thinned_is_a_short_list() -> None:
    assert set(RESERVE) <= set(STREAM_OF.values())
    assert not set(RESERVE) & set(PROTECTED)
    assert all(RESERVE["sensors_raw"] > share for name, share in RESERVE.items() if name != "sensors_raw")


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([*RESERVE, *PROTECTED]), st.integers(1, 3_000), st.integers(0, 600)), max_size=400
    )
)
def test_any_day_stays_within_the_budget_and_nothing_protected_is_refused(flow: list[tuple[str, int, int]]) -> None:
    per_day = 50_000
    budget, now_s = WriteBudget(per_day), 0.0
    admitted: list[tuple[float, int]] = []
    kept_at_s: dict[str, float] = {}
    for stream, size, wait_s in flow:
        now_s += wait_s
        taken = budget.admits(stream, now_s, size)
        if stream in PROTECTED:
            assert taken
        elif now_s - kept_at_s.get(stream, float("-inf")) >= AT_LEAST_EVERY_S:
            assert taken, "never blind for longer than ten minutes"
            kept_at_s[stream] = now_s
        elif taken:
            kept_at_s[stream] = now_s
            admitted.append((now_s, size))
    for begin_s, _ in admitted:
        assert sum(size for at_s, size in admitted if begin_s <= at_s < begin_s + DAY_S) <= per_day


def test_a_long_rest_fills_no_more_than_a_burst() -> None:
    budget = WriteBudget(8_000)
    assert sum(budget.admits("sensors_raw", 0.0, 100) for _ in range(20)) == 5, "half the burst is for others"
    assert sum(budget.admits("sensors_raw", 300 * DAY_S, 100) for _ in range(20)) == 5


def test_the_times_that_records_name_fill_no_bucket(tmp_path: Path) -> None:
    """A board's store comes hours late, between what is live; two clocks differ; a clock is set. None of it is time."""
    disk = store(tmp_path)
    for n in range(3_000):
        disk.offer(reading(timedelta(seconds=n) if n % 2 else timedelta(hours=n)))
    disk._dataset.close()
    assert sum(path.stat().st_size for path in (tmp_path / "private").glob("*.jsonl")) < 0.5e6 / 8 / 2 + 2_000


def test_a_flood_of_readings_is_thinned_evenly_and_every_alarm_is_kept(tmp_path: Path) -> None:
    disk = store(tmp_path)
    for minute in range(1_440):
        for second in range(0, 60, 4):
            give(disk, reading(timedelta(minutes=minute, seconds=second)))
        if minute % 10 == 0:
            give(disk, alarm(timedelta(minutes=minute), minute))
    disk._dataset.close()
    written = sum(path.stat().st_size for path in (tmp_path / "private").glob("*.jsonl"))
    alarms = [r for r in kept(tmp_path, "events") if isinstance(r, EventV1)]
    assert [r.name for r in alarms if r.level == "ALARM"] == [f"alarm_{m}" for m in range(0, 1_440, 10)]
    assert [r.name for r in alarms if r.name.startswith("raw")] == ["raw_thinned"], "said once, not each time"
    assert written <= 0.5e6, "a day's bytes"
    by_hour = [0] * 24
    for record in kept(tmp_path, "sensors_raw"):
        by_hour[record.ts.hour] += 1
    assert min(by_hour[3:]) > 0.5 * max(by_hour[3:]), "evenly: the evening is as fine as the noon"
    assert disk.tally.thinned == 1_440 * 15 - sum(by_hour)
    assert verify(tmp_path).ok


def test_when_it_is_over_it_is_said(tmp_path: Path) -> None:
    disk = store(tmp_path)
    for second in range(1_000):
        give(disk, reading(timedelta(seconds=second)))
    for minute in range(60, 240, 5):
        give(disk, reading(timedelta(minutes=minute)))
    disk._dataset.close()
    said = [r for r in kept(tmp_path, "events") if isinstance(r, EventV1)]
    assert [r.name for r in said] == ["raw_thinned", "raw_whole"]
    assert said[1].data["count"] == disk.tally.thinned > 0
    assert not disk.tally.is_thinning


def fill_days(root: Path, days: int) -> None:
    disk = store(root, mb_per_day=1_000.0, rotate="day")
    for day in range(days):
        for n in range(200):
            give(disk, reading(timedelta(days=day, minutes=n)))
            if n % 20 == 0:
                give(disk, alarm(timedelta(days=day, minutes=n), n))
    disk._dataset.close()


def test_the_oldest_readings_go_and_the_dataset_vouches_for_the_rest(tmp_path: Path) -> None:
    fill_days(tmp_path, 4)
    folder = tmp_path / "private"
    before = verify(tmp_path)
    paths = files_to_delete(folder, sum(p.stat().st_size for p in folder.glob("*.jsonl")) - 1)
    assert [path.name for path in paths] == ["sensors_raw_2026-05-01.jsonl"]
    assert record_deletion(folder, paths) == 200
    delete_recorded(folder)
    after = verify(tmp_path)
    assert (after.ok, after.let_go, after.records) == (True, 200, before.records - 200)
    assert record_deletion(folder, stream_files(folder)["sensors_raw"][:2]) == 400, "the second time, what is new"
    assert verify(tmp_path).ok, "a power cut between note and deletion"
    delete_recorded(folder)
    assert (verify(tmp_path).ok, verify(tmp_path).let_go) == (True, 600)
    with Dataset.open(tmp_path) as dataset:
        assert dataset.losses == []
        dataset.append(reading(timedelta(days=9)))
    assert verify(tmp_path).ok, "and it goes on"


def test_a_restored_dataset_vouches_for_what_went_and_can_be_published(tmp_path: Path) -> None:
    saved, back = tmp_path / "saved", tmp_path / "back"
    fill_days(saved, 3)
    folder = saved / "private"
    record_deletion(folder, stream_files(folder)["sensors_raw"][:1])
    delete_recorded(folder)
    backup(saved, tmp_path / "b.tar.gz")
    restore(tmp_path / "b.tar.gz", back)
    assert (verify(back).ok, verify(back).let_go) == (True, 200)
    export_public(back)
    assert list((back / "public").glob("events_public_2026-05*.jsonl"))


@pytest.mark.parametrize("action", ["one file too many", "forged note", "broken note"])
def test_what_was_not_let_go_and_is_gone_is_found(tmp_path: Path, action: str) -> None:
    fill_days(tmp_path, 4)
    folder = tmp_path / "private"
    record_deletion(folder, stream_files(folder)["sensors_raw"][:1])
    delete_recorded(folder)
    if action == "one file too many":
        (folder / "sensors_raw_2026-05-02.jsonl").unlink()
    elif action == "forged note":
        told = json.loads((folder / DELETION_FILE).read_text())
        (folder / DELETION_FILE).write_text(json.dumps({**told, "seq": told["seq"] + 1}))
    else:
        (folder / DELETION_FILE).write_text("{}")
    assert not verify(tmp_path).ok


def test_a_running_host_makes_room_by_itself_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    big = "m" * 4_000
    disk = store(tmp_path, mb_per_day=1_000.0, mb_total=10.0, rotate="day")
    for day in range(6):
        for n in range(700):
            # Long reasons make readings large, so that ten megabytes are soon full.
            disk._dataset.append(
                EventV1(
                    schema_version="event_v1", ts=START, level="INFO", kind="process", name="filler", text=big[:3_500]
                )
            )
            give(disk, reading(timedelta(days=day, minutes=n)))
    disk._dataset.close()
    said = [r for r in kept(tmp_path, "events") if isinstance(r, EventV1) and r.name == "raw_let_go"]
    assert said
    assert sum(int(r.data["count"] or 0) for r in said) == disk.tally.let_go == verify(tmp_path).let_go
    assert not (tmp_path / "private" / "sensors_raw_2026-05-01.jsonl").exists()
    main_ended = None
    try:
        main(["dataset", "verify", str(tmp_path), "--no-contract"])
    except SystemExit as ended:
        main_ended = ended.code
    assert main_ended in (None, 0)
    assert f"removed the first {disk.tally.let_go} readings" in capsys.readouterr().out


def test_status_and_metrics_show_the_disk(tmp_path: Path) -> None:
    disk = store(tmp_path)
    status = Status(START, START)
    recorder = Recorder(disk, status)
    disk.record_event = recorder.record
    heard: list[str] = []
    recorder.listeners.append(lambda record: heard.append(getattr(record, "name", "")))
    for second in range(300):
        recorder.record(reading(timedelta(seconds=second)))
    assert heard.count("raw_thinned") == 1, "the dashboard and the phone hear of it, too"
    watch = DiskWatch(disk, status, tmp_path, monotonic=lambda: 0.0)
    watch.tick(START)
    present = LiveState()
    present.update(status_line(status))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(PlantCollector(present))
    text = generate_latest(registry).decode()
    assert f"tomato_disk_written_bytes_total {float(disk.tally.written_bytes)}" in text
    assert f"tomato_disk_readings_thinned_total {float(disk.tally.thinned)}" in text
    assert "tomato_disk_over_budget 1.0" in text
    assert "tomato_disk_free_bytes" in text
    assert disk.tally.thinned > 0
    disk._dataset.close()
    real = sum(path.stat().st_size for path in (tmp_path / "private").glob("*.jsonl"))
    assert real == pytest.approx(disk.tally.written_bytes, rel=0.05)


def test_the_doctor_says_how_long_it_lasts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomato_host.cli.checks import data
    from tomato_host.settings import load_settings

    def look(config: Path | None):  # type: ignore[no-untyped-def]
        return data.check_disk_budget(load_settings(config).storage, tmp_path)

    assert "no day of records yet" in look(None).text
    disk = store(tmp_path, mb_per_day=1_000.0)
    for hour in range(49):
        give(disk, state(START + timedelta(hours=hour)))
        for n in range(60):
            give(disk, reading(timedelta(hours=hour, minutes=n)))
    disk._dataset.close()
    found = look(None)
    taken = sum(path.stat().st_size for path in (tmp_path / "private").glob("*.jsonl"))
    assert found.level == "ok"
    assert f"{taken / 2 / 1e6:.1f} MB a day" in found.text
    short = type("Usage", (), {"free": taken * 5})
    monkeypatch.setattr(data.shutil, "disk_usage", lambda _: short)
    found = look(None)
    assert (found.level, "full in 10 days" in found.text) == ("problem", True)
    config = tmp_path / "tomato.toml"
    config.write_text("[storage]\nmb_total = 10.0\n")
    monkeypatch.setattr(data.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 29 * 10**6}))
    assert look(config).level == "ok", "the budget of all days ends before the disk"


def test_the_oldest_days_of_photos_go_and_nothing_else(tmp_path: Path) -> None:
    images = tmp_path / "private" / "images"
    disk = store(tmp_path, photos_mb_total=1.0)
    for day in range(1, 6):
        folder = images / f"2026-05-0{day}"
        folder.mkdir()
        for n in range(3):
            (folder / f"camera_main_12000{n}.jpg").write_bytes(b"x" * 100_000)
    (images / "notes.txt").write_text("mine")
    give(disk, alarm(timedelta()))
    disk._dataset.close()
    assert sorted(path.name for path in images.iterdir()) == ["2026-05-03", "2026-05-04", "2026-05-05", "notes.txt"]
    (said,) = [r for r in kept(tmp_path, "events") if isinstance(r, EventV1) and r.name == "photos_let_go"]
    assert (said.data["count"], "up to 2026-05-02" in said.text) == (6, True)
    one = store(tmp_path / "one", photos_mb_total=1.0)
    folder = tmp_path / "one" / "private" / "images" / "2026-05-01"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"x" * 2_000_000)
    give(one, alarm(timedelta()))
    one._dataset.close()
    assert (folder / "a.jpg").exists(), "never the newest day"
