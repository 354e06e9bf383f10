"""The parts of a dataset: lines and their chain, the appender and its lock, file names, reading back, and tails."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tomato_host.errors import TomatoError
from tomato_host.storage import Dataset, appender, recovery
from tomato_host.storage import layout as layouts
from tomato_host.storage.appender import LineAppender, WriterLock, is_held
from tomato_host.storage.chain import (
    ChainedLine,
    Head,
    follows,
    genesis,
    link_hash,
    next_line,
    parse_heads,
    parse_line,
    read_heads,
)
from tomato_host.storage.layout import create_run, file_name, find_runs, period, split_name, stream_of
from tomato_host.storage.reader import (
    dataset_lines,
    first_seq,
    is_dataset,
    read_all,
    read_lines,
    read_records,
    require_dataset,
    stream_files,
)
from tomato_host.storage.recovery import last_head, last_payload, repair_tail
from tomato_host.storage.settings import StorageSettings
from tomato_host.storage.stream import StreamWriter
from tomato_host.storage.verify import DatasetProblem, verify

from shared_schemas.records import RECORDS
from tests.storage.samples import START, action, event, lines_of, observations

PAYLOAD = b'{"a":1}'


# -- lines and their chain ----------------------------------------------------------------------------------------


def test_a_line_byte_by_byte() -> None:
    head = genesis("events")
    assert head == Head(0, 0, hashlib.sha256(b"tomato dataset 1\nevents").hexdigest()[:32])
    line, after = next_line(head, 5, PAYLOAD)
    digest = hashlib.sha256(f"{head.hash}\n5\n1\n".encode() + PAYLOAD).hexdigest()[:32]
    assert line == b'{"n":5,"seq":1,"hash":"' + digest.encode() + b'","record":{"a":1}}\n'
    assert after == Head(5, 1, digest) and link_hash(head.hash, 5, 1, PAYLOAD) == digest
    assert parse_line(line) == parse_line(line.rstrip()) == ChainedLine(5, 1, digest, PAYLOAD)


@pytest.mark.parametrize("what", ["", "x", "{}", '{"n":1,"seq":1,"hash":"' + "0" * 31 + '","record":{}}'])
def test_what_is_no_line_is_an_error(what: str) -> None:
    with pytest.raises(ValueError, match="not a whole line"):
        parse_line(what.encode())


def test_a_line_whose_record_is_no_json_is_an_error() -> None:
    line, _ = next_line(genesis("events"), 1, b'{"a":}')
    with pytest.raises(ValueError, match="Expecting value"):
        parse_line(line)


def link(seq: int, n: int, previous: str = "0" * 32, payload: bytes = PAYLOAD) -> ChainedLine:
    return ChainedLine(n, seq, link_hash(previous, n, seq, payload), payload)


@pytest.mark.parametrize(
    ("seq", "n", "says"),
    [
        (4, 11, ""),
        (5, 11, "record 5 follows 3: 1 record missing"),
        (6, 11, "record 6 follows 3: 2 records missing"),
        (3, 11, "record 3 follows 3: out of order or doubled"),
        (2, 11, "record 2 follows 3: out of order or doubled"),
        (4, 10, "count n=10 follows 10: out of order"),
        (4, 9, "count n=9 follows 10: out of order"),
    ],
)
def test_a_line_follows_its_head(seq: int, n: int, says: str) -> None:
    assert follows(link(seq, n), Head(10, 3, "0" * 32)) == says


def test_a_line_of_another_past_does_not_follow() -> None:
    assert "does not match its hash" in follows(link(4, 11, "1" * 32), Head(10, 3, "0" * 32))


def test_heads_are_parsed_or_refused(tmp_path: Path) -> None:
    text = json.dumps({"streams": {"events": {"n": 3, "seq": 2, "hash": "ab"}}}).encode()
    assert parse_heads(text) == {"events": Head(3, 2, "ab")}
    for wrong in (b"", b"[]", b"{}", b'{"streams": {"events": {"n": 1}}}', b'{"streams": 3}', b'{"streams": {"e": 1}}'):
        with pytest.raises(ValueError):
            parse_heads(wrong)
    assert read_heads(tmp_path) == {}
    (tmp_path / "heads.json").write_bytes(b"{}")
    assert read_heads(tmp_path) == {}
    (tmp_path / "heads.json").write_bytes(text)
    assert read_heads(tmp_path) == {"events": Head(3, 2, "ab")}


# -- the appender and its lock ------------------------------------------------------------------------------------


def test_an_appender_goes_on_behind_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    first = LineAppender(path)
    assert first.size == 0
    first.append(b"one\n")
    assert first.size == 4
    first.close()
    first.close()
    second = LineAppender(path)
    assert second.size == 4
    second.append(b"two\n")
    second.truncate_to(4)
    assert path.read_bytes() == b"one\n" and second.size == 4
    second.append(b"three\n")
    handle = second.handle()
    os.close(handle)
    second.close()
    assert path.read_bytes() == b"one\nthree\n"


def test_a_sync_without_news_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, synced = LineAppender(tmp_path / "x.jsonl"), list[int]()
    monkeypatch.setattr(os, "fsync", synced.append)
    file.sync()
    file.append(b"one\n")
    file.sync()
    file.sync()
    assert len(synced) == 1
    file.close()


def test_a_sync_that_fails_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, synced = LineAppender(tmp_path / "x.jsonl"), list[int]()

    def refuse(fd: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    file.append(b"one\n")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(TomatoError, match=r"Writing x\.jsonl failed: input/output error") as caught:
        file.sync()
    assert caught.value.code == "E-STORAGE-WRITE" and str(tmp_path) in caught.value.next_step
    monkeypatch.setattr(os, "fsync", synced.append)
    file.sync()
    assert len(synced) == 1
    file.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_disk_without_room_has_its_own_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    file = LineAppender(tmp_path / "x.jsonl")

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(appender.os, "write", refuse)
        with pytest.raises(TomatoError) as caught:
            file.append(b"one\n")
    assert caught.value.code == ("E-STORAGE-WRITE" if number == errno.EIO else "E-STORAGE-FULL")
    assert "x.jsonl" in caught.value.message and file.size == 0
    file.close()


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=20))
def test_short_writes_are_continued_to_the_last_byte(parts: list[int]) -> None:
    import tempfile
    from unittest import mock

    data, real = bytes(range(65, 65 + min(sum(parts), 50))) + b"\n", os.write
    pieces = iter(parts)

    def short(fd: int, rest: bytes) -> int:
        return real(fd, rest[: next(pieces, 1_000)])

    with tempfile.TemporaryDirectory() as folder:
        file = LineAppender(Path(folder) / "x.jsonl")
        with mock.patch.object(appender.os, "write", short):
            file.append(data)
        assert (Path(folder) / "x.jsonl").read_bytes() == data and file.size == len(data)
        file.close()


def test_a_line_torn_by_a_full_disk_is_cut_off_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, real, calls = LineAppender(tmp_path / "x.jsonl"), os.write, []
    file.append(b"one\n")

    def torn(fd: int, data: bytes) -> int:
        calls.append(data)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "full")
        return real(fd, data[:2])

    with monkeypatch.context() as patch:
        patch.setattr(appender.os, "write", torn)
        with pytest.raises(TomatoError):
            file.append(b"two\n")
    assert (tmp_path / "x.jsonl").read_bytes() == b"one\n" and file.size == 4
    file.append(b"three\n")
    file.close()
    assert (tmp_path / "x.jsonl").read_bytes() == b"one\nthree\n"


def test_lines_taken_back_that_cannot_be_cut_are_cut_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineAppender(tmp_path / "x.jsonl")
    file.append(b"one\n")
    file.append(b"two\n")

    def refuse(fd: int, size: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(appender.os, "ftruncate", refuse)
        file.truncate_to(4)
        with pytest.raises(TomatoError):
            file.append(b"three\n")
    assert (tmp_path / "x.jsonl").read_bytes() == b"one\ntwo\n"
    file.append(b"three\n")
    file.close()
    assert (tmp_path / "x.jsonl").read_bytes() == b"one\nthree\n"


def test_a_file_that_cannot_be_opened_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(TomatoError, match=r"Writing x\.jsonl failed") as caught:
        LineAppender(tmp_path / "missing" / "x.jsonl")
    assert caught.value.code == "E-STORAGE-WRITE"


def test_a_new_file_is_made_durable_in_its_directory_and_an_old_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(appender, "sync_directory", synced.append)
    LineAppender(tmp_path / "x.jsonl").close()
    LineAppender(tmp_path / "x.jsonl").close()
    assert synced == [tmp_path]


def test_the_lock_is_held_by_one_and_seen_by_all(tmp_path: Path) -> None:
    folder = tmp_path / "private"
    assert is_held(folder) is False, "nothing there"
    folder.mkdir()
    assert is_held(folder) is False and not list(folder.iterdir()), "asking makes no file"
    lock = WriterLock(folder)
    assert is_held(folder) is True
    with pytest.raises(TomatoError, match=f"Another process is writing to {tmp_path}") as caught:
        WriterLock(folder)
    assert caught.value.code == "E-STORAGE-BUSY"
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        is_held(folder)
        with pytest.raises(TomatoError):
            WriterLock(folder)
    assert len(os.listdir("/proc/self/fd")) == before, "no handle is left"
    lock.release()
    lock.release()
    assert is_held(folder) is False
    WriterLock(folder).release()


# -- names and directories ----------------------------------------------------------------------------------------


def test_streams_periods_and_file_names() -> None:
    assert (stream_of("action_v1"), stream_of("state_v1"), stream_of("future_thing_v2")) == (
        *("actions", "states", "future_thing"),
    )
    assert {stream_of(version) for version in RECORDS} == set(layouts.STREAM_OF.values())
    night = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
    assert (period(night, "month"), period(night, "day")) == ("2026-02", "2026-02-28")
    assert period(datetime.fromisoformat("2026-03-01T00:30:00+01:00"), "day") == "2026-02-28"
    assert file_name("states", "2026-02") == "states_2026-02.jsonl"
    assert file_name("states", "2026-02", public=True) == "states_public_2026-02.jsonl"
    for name, parts in (
        ("states_2026-02.jsonl", ("states", "2026-02")),
        ("sensors_raw_2026-02-14.jsonl", ("sensors_raw", "2026-02-14")),
        ("events_000012.jsonl", ("events", "000012")),
        ("events_12.jsonl", None),
        ("events_2026-02.jsonl.1.torn", None),
        ("heads.json", None),
    ):
        assert split_name(name) == parts


def test_only_readings_and_what_follows_from_them_may_wait() -> None:
    assert layouts.RESERVE == {
        "sensors_raw": 0.5,
        "devices": 0.1,
        "sensor_health": 0.1,
        "predictions": 0.1,
        "sampling_plans": 0.1,
        "weather_log": 0.1,
        "extra_readings": 0.1,
    }


def test_runs_are_numbered_and_found_in_the_order_they_were_made(tmp_path: Path) -> None:
    base, day = tmp_path / "runs", date(2026, 2, 14)
    names = [create_run(base, day).name for _ in range(11)]
    assert names[:3] == ["run_20260214", "run_20260214_2", "run_20260214_3"] and names[-1] == "run_20260214_11"
    create_run(base, date(2026, 2, 13))
    (base / "run_20260215").write_text("no directory")
    (base / "run_extra").mkdir()
    assert [path.name for path in find_runs(base)] == ["run_20260213", *names]
    (tmp_path / "file").write_text("")
    with pytest.raises(TomatoError, match=r"run_20260214 cannot be made: Not a directory\.") as caught:
        create_run(tmp_path / "file", day)
    assert caught.value.code == "E-STORAGE-UNWRITABLE"


def test_a_new_dataset_has_its_folders_schemas_and_their_digest(tmp_path: Path) -> None:
    Dataset.open(tmp_path, about={"seed": 1}).close()
    assert (tmp_path / "private" / "images").is_dir() and (tmp_path / "public" / "images").is_dir()
    files = [tmp_path / "schema" / f"{version}.schema.json" for version in RECORDS]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    text = (tmp_path / "metadata.json").read_bytes()
    assert json.loads(text) == {
        "format": "tomato dataset 1",
        "schemas_sha256": digest,
        "time_zone_of_file_names": "UTC",
        "seed": 1,
        "anchored": True,
    }
    assert text.startswith(b'{\n "format"') and text.endswith(b"}\n")
    assert all(file.read_text().startswith('{\n "') and file.read_text().endswith("}\n") for file in files)
    Dataset.open(tmp_path, about={"seed": 2}).close()
    assert (tmp_path / "metadata.json").read_bytes() == text, "an old one keeps its own"


# -- reading back -------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path) as dataset:
        for number in range(4):
            dataset.append(event(number))
            dataset.append(action(number))
            dataset.append(observations(4)[number])
    return tmp_path


def test_what_is_a_dataset(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert is_dataset(root)
    require_dataset(root)
    half = tmp_path_factory.mktemp("half")
    (half / "private").mkdir()
    assert not is_dataset(half)
    other = tmp_path_factory.mktemp("other")
    (other / "metadata.json").write_text("{}")
    assert not is_dataset(other)
    for call in (require_dataset, verify, read_all):
        with pytest.raises(TomatoError, match="holds no dataset") as caught:
            call(half)  # type: ignore[operator]  # each takes the root
        assert caught.value.code == "E-STORAGE-NO-DATASET"


def test_all_streams_merge_into_the_order_of_writing(root: Path) -> None:
    assert [line.link.n for line in read_all(root)] == list(range(1, 13))
    assert [line.link.n for line in read_all(root, {"actions"})] == [2, 5, 8, 11]
    assert [line.number for line in read_all(root, {"actions"})] == [1, 2, 3, 4]
    assert [type(record).__name__ for record in read_records(root)][:3] == ["EventV1", "ActionV1", "ObservationV1"]
    assert [place for place, _ in dataset_lines(root)] == [f"sensors_raw_2026-02.jsonl line {n}" for n in range(1, 5)]


def test_a_damaged_line_is_named(root: Path) -> None:
    path = next((root / "private").glob("events_*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"rubbish\n" + b"".join(lines[2:]))
    with pytest.raises(TomatoError, match=r"events_2026-02.jsonl line 2 is not a whole record") as caught:
        list(read_lines([path]))
    assert caught.value.code == "E-STORAGE-DAMAGED"
    path.write_bytes(lines[0] + next_line(Head(1, 1, "0" * 32), 4, b'{"schema_version":"event_v1"}')[0])
    with pytest.raises(TomatoError, match=r"events_2026-02.jsonl line 2 breaks its contract: "):
        list(read_records(root))


def test_files_are_in_the_order_they_were_written_whatever_their_names(tmp_path: Path) -> None:
    def put(name: str, seq: int) -> None:
        line = next_line(Head(seq - 1, seq - 1, "0" * 32), seq, PAYLOAD)[0]
        (tmp_path / name).write_bytes(b"torn\n" + line)

    put("events_2026-02.jsonl", 11)
    put("events_000001.jsonl", 21)
    put("events_2026-02-01.jsonl", 1)
    (tmp_path / "events_2026-03.jsonl").write_bytes(b"torn\n")
    put("actions_2026-02.jsonl", 1)
    (tmp_path / "notes.jsonl").write_bytes(b"")
    found = stream_files(tmp_path)
    assert list(found) == ["actions", "events"]
    assert [path.name for path in found["events"]] == [
        "events_2026-02-01.jsonl",
        "events_2026-02.jsonl",
        "events_000001.jsonl",
        "events_2026-03.jsonl",
    ]
    assert (
        first_seq(tmp_path / "events_2026-02.jsonl") == 11 and first_seq(tmp_path / "events_2026-03.jsonl") == 1 << 62
    )


# -- tails --------------------------------------------------------------------------------------------------------


def chain(count: int, payload: bytes = PAYLOAD) -> tuple[bytes, Head]:
    head, data = genesis("events"), b""
    for n in range(1, count + 1):
        line, head = next_line(head, n, payload)
        data += line
    return data, head


@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_last_whole_record_is_found_behind_any_tail(tmp_path: Path, count: int) -> None:
    data, head = chain(count)
    path = tmp_path / "events_2026-02.jsonl"
    path.write_bytes(data + b"torn\n" * 3)
    assert last_head(path) == (head if count else None)
    assert last_payload(path) == (PAYLOAD if count else None)
    found, repair = repair_tail(path)
    assert found == (head if count else None) and path.read_bytes() == data
    assert repair is not None and repair.cut_bytes == 15 and repair.kept_in is not None
    assert repair.text == "events_2026-02.jsonl: a torn tail of 15 bytes was moved to events_2026-02.jsonl.1.torn."
    assert repair_tail(path) == (found, None), "nothing more to do"
    assert [p.name for p in tmp_path.iterdir() if p.suffix == ".torn"] == [repair.kept_in.name]


def test_a_record_without_its_newline_gets_it_and_nothing_is_cut(tmp_path: Path) -> None:
    data, head = chain(2)
    path = tmp_path / "events_2026-02.jsonl"
    path.write_bytes(data[:-1])
    found, repair = repair_tail(path)
    assert found == head and path.read_bytes() == data
    assert repair is not None and (repair.cut_bytes, repair.kept_in) == (0, None)
    assert repair.text == "events_2026-02.jsonl: the last record lacked its newline; set."


@pytest.mark.parametrize("size", [1, 65_000, 65_536, 65_537, 300_000])
def test_records_and_tails_larger_than_a_block_are_read_whole(tmp_path: Path, size: int) -> None:
    big = b'{"a":"' + b"x" * size + b'"}'
    data, head = chain(2, big)
    path = tmp_path / "events_2026-02.jsonl"
    for tail in (b"", b"y" * size, b"\n" * 3, b"\0" * size + b"\n"):
        path.write_bytes(data + tail)
        assert last_head(path) == head and last_payload(path) == big
        assert repair_tail(path)[0] == head and path.read_bytes() == data


def test_a_cut_tail_is_safe_before_the_file_is_shortened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this order: tail aside and synced, its name synced, then the file cut and synced."""
    data, _ = chain(1)
    path = tmp_path / "events_2026-02.jsonl"
    path.write_bytes(data + b"torn")
    steps: list[tuple[str, int]] = []

    def fsync(fd: int) -> None:
        steps.append((Path(os.readlink(f"/proc/self/fd/{fd}")).suffix, path.stat().st_size))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(recovery, "sync_directory", lambda folder: steps.append(("directory", path.stat().st_size)))
    repair_tail(path)
    whole = len(data) + 4
    assert steps == [(".torn", whole), ("directory", whole), (".jsonl", len(data))]
    path.write_bytes(data[:-1])
    steps.clear()
    repair_tail(path)
    assert steps == [(".jsonl", len(data))]


def writer(folder: Path, **options: Any) -> StreamWriter:
    return StreamWriter(folder, "events", stream_files(folder).get("events", []), StorageSettings(**options))


def test_a_stream_goes_on_in_the_last_file_with_a_whole_record(tmp_path: Path) -> None:
    first = writer(tmp_path)
    assert first.head == genesis("events") and first.file_name == "" and first.handle() is None
    assert first.append(1, PAYLOAD, START) == 1 and first.file_name == "events_2026-02.jsonl"
    first.close()
    assert first.file_name == ""
    (tmp_path / "events_2026-03.jsonl").write_bytes(b"torn")
    second = writer(tmp_path)
    assert second.head.seq == 1 and second.file_name == "events_2026-02.jsonl" and len(second.repairs) == 1
    assert second.append(2, PAYLOAD, START) == 2
    second.close()
    assert verify_chain(tmp_path / "events_2026-02.jsonl") == 2


def verify_chain(path: Path) -> int:
    head = genesis("events")
    for line in path.read_bytes().splitlines(keepends=True):
        parsed = parse_line(line)
        assert follows(parsed, head) == ""
        head = Head(parsed.n, parsed.seq, parsed.hash)
    return head.seq


def test_an_undone_append_leaves_no_trace(tmp_path: Path) -> None:
    stream = writer(tmp_path)
    stream.append(1, PAYLOAD, START)
    stream.append(2, PAYLOAD, START)
    stream.undo_last()
    assert stream.head.seq == 1
    assert stream.append(2, b'{"b":2}', START) == 2
    stream.close()
    assert verify_chain(tmp_path / "events_2026-02.jsonl") == 2


def test_a_gathered_line_that_cannot_be_written_is_dropped_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = writer(tmp_path, flush_every=3, rotate="size", max_bytes=1_024)
    stream.append(1, PAYLOAD, START)
    stream.append(2, PAYLOAD, START)

    def refuse(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(appender.os, "write", refuse)
        for _ in range(2):
            with pytest.raises(TomatoError):
                stream.append(3, PAYLOAD, START)
    assert stream.head.seq == 2
    assert stream.append(3, b'{"c":3}', START) == 3
    stream.close()
    assert verify_chain(tmp_path / "events_000001.jsonl") == 3


def test_gathered_lines_count_for_the_size_of_a_file(tmp_path: Path) -> None:
    stream = writer(tmp_path, flush_every=100, rotate="size", max_bytes=1_024)
    length = len(chain(1)[0])
    for n in range(1, 31):
        stream.append(n, PAYLOAD, START)
    stream.close()
    sizes = [path.stat().st_size for path in sorted(tmp_path.glob("*.jsonl"))]
    assert len(sizes) > 2 and all(1_024 - length - 4 <= size <= 1_024 for size in sizes[:-1])


def test_a_file_may_be_filled_to_the_last_byte(tmp_path: Path) -> None:
    line = len(chain(1)[0])
    pad = 1_024 - line
    stream = writer(tmp_path, rotate="size", max_bytes=1_024)
    stream.append(1, b'{"a":1' + b" " * pad + b"}", START)
    stream.append(2, PAYLOAD, START)
    stream.close()
    assert [p.stat().st_size for p in sorted(tmp_path.glob("*.jsonl"))][:1] == [1_024]
    exact = tmp_path / "exact"
    exact.mkdir()
    stream = writer(exact, rotate="size", max_bytes=1_024)
    stream.append(1, PAYLOAD, START)
    stream.append(2, b'{"a":1' + b" " * (pad - line) + b"}", START)
    stream.close()
    assert [p.stat().st_size for p in exact.glob("*.jsonl")] == [1_024]


def test_the_old_file_is_synced_before_the_next_begins_unless_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for fsync, expected in (("interval", ["events_2026-02-14.jsonl"]), ("never", [])):
        folder = tmp_path / fsync
        folder.mkdir()
        stream, synced = writer(folder, rotate="day", fsync=fsync), list[str]()
        stream.append(1, PAYLOAD, START)
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", lambda fd, to=synced: to.append(Path(os.readlink(f"/proc/self/fd/{fd}")).name))
            stream.append(2, PAYLOAD, START.replace(day=15))
        assert [name for name in synced if name.endswith(".jsonl")] == expected
        stream.close()


# -- verify -------------------------------------------------------------------------------------------------------


def test_what_verify_counts(root: Path) -> None:
    result = verify(root)
    assert (result.records, result.files, result.let_go, result.torn_files, result.ok) == (12, 3, 0, [], True)
    assert {stream: head.seq for stream, head in result.streams.items()} == {
        "actions": 4,
        "events": 4,
        "sensors_raw": 4,
    }
    assert DatasetProblem("a", 0, "b").text == "a: b" and DatasetProblem("a", 3, "b").text == "a line 3: b"


def events_file(root: Path) -> Path:
    return next((root / "private").glob("events_*.jsonl"))


def problems(root: Path) -> list[tuple[str, int, str]]:
    return [(p.file, p.line, p.what.split(":")[0]) for p in verify(root).problems]


def test_a_torn_line_and_one_that_is_none_are_told_apart(root: Path) -> None:
    path = events_file(root)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert problems(root) == [("events_2026-02.jsonl", 4, "the line is torn")]
    path.write_bytes(data + b"rubbish\n")
    assert problems(root) == [("events_2026-02.jsonl", 5, "not a whole record")]


def test_after_the_first_bad_line_the_rest_of_its_stream_is_not_judged(root: Path) -> None:
    path = events_file(root)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b"a\nb\n" + b"".join(lines[1:]))
    assert problems(root) == [("events_2026-02.jsonl", 2, "not a whole record")]
    assert verify(root).records == 9 and verify(root).streams["events"].seq == 1


HEADS_GONE = ("heads.json", 0, "is missing, and was there before the first record")


def test_unreadable_heads_are_a_problem_and_so_are_missing_ones(root: Path) -> None:
    heads = root / "private" / "heads.json"
    heads.write_bytes(b"{}")
    assert problems(root) == [("heads.json", 0, "is not readable; delete it, closing the dataset writes it anew")]
    heads.unlink()
    assert problems(root) == [HEADS_GONE]


def test_newer_records_than_the_heads_saw_are_no_problem(root: Path) -> None:
    heads = (root / "private" / "heads.json").read_bytes()
    with Dataset.open(root) as dataset:
        dataset.append(event(9))
    (root / "private" / "heads.json").write_bytes(heads)
    assert verify(root).ok


def test_a_run_of_missing_numbers_is_one_problem(root: Path) -> None:
    (root / "private" / "heads.json").unlink()
    for pattern in ("events_*", "actions_*"):
        next((root / "private").glob(pattern)).unlink()
    assert HEADS_GONE in problems(root)
    found = [p for p in verify(root).problems if p.file != "heads.json"]
    assert len(found) == len(problems(root)) - 1
    assert [p.what for p in found] == [
        f"records n={n} to n={n + 1} are missing from every stream" for n in (1, 4, 7, 10)
    ]
    assert all((p.file, p.line) == ("private", 0) for p in found)


def let_go(root: Path, **changes: Any) -> None:
    """Delete the first file of readings as the disk budget does, with its note."""
    lines = [parse_line(line) for line in lines_of(root, "sensors_raw")]
    note = {"n": lines[1].n, "seq": 2, "hash": lines[1].hash, "files": ["sensors_raw_2026-01.jsonl"]} | changes
    (root / "private" / "let_go.json").write_text(json.dumps(note))
    path = next((root / "private").glob("sensors_raw_*"))
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[2:]))


def test_readings_that_were_let_go_are_counted_and_no_problem(root: Path) -> None:
    let_go(root)
    result = verify(root)
    assert result.ok and result.let_go == 2 and result.records == 10
    (root / "private" / "sensors_raw_2026-01.jsonl").write_bytes(b"half deleted")
    assert verify(root).ok and verify(root).files == 3


def test_more_missing_than_was_let_go_is_a_problem(root: Path) -> None:
    let_go(root)
    note = json.loads((root / "private" / "let_go.json").read_text())
    (root / "private" / "heads.json").unlink()
    path = events_file(root)
    path.unlink()
    assert HEADS_GONE in problems(root)
    found = [p.what for p in verify(root).problems if p.file != "heads.json"]
    assert note["n"] == 6 and found == [
        "3 records up to n=6 are missing, and 2 were deleted",
        "records n=6 to n=7 are missing from every stream",
        "record n=10 is missing from every stream",
    ]


def test_an_unreadable_note_is_a_problem(root: Path) -> None:
    (root / "private" / "let_go.json").write_text("{}")
    assert problems(root) == [("let_go.json", 0, "is not readable")]


def test_a_break_of_the_contract_is_told_in_one_line(root: Path) -> None:
    path = events_file(root)
    last = parse_line(path.read_bytes().splitlines(keepends=True)[-1])
    line, _ = next_line(Head(last.n, last.seq, last.hash), 13, b'{"schema_version":"event_v1"}')
    path.write_bytes(path.read_bytes() + line)
    (problem,) = verify(root).problems
    assert problem.line == 5 and problem.what.startswith("breaks its contract: ") and "\n" not in problem.what
    assert "validation error" in problem.what
    assert verify(root, contract=False).ok
