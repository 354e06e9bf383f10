"""The chain: every edit, loss and reordering is found, and the first bad line is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tomato_host.storage import Dataset
from tomato_host.storage.chain import Head, follows, genesis, next_line, parse_line
from tomato_host.storage.reader import REPORT_BYTES, BytesRead
from tomato_host.storage.retention import DELETABLE, DeletedReadings
from tomato_host.storage.verify import NotedHeads, verify

from tests.storage.samples import action, event, state

COUNT = 12


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path) as dataset:
        for number in range(COUNT):
            dataset.append(event(number))
            dataset.append(action(number))
    return tmp_path


def edit(root: Path, change: object, stream: str = "events") -> None:
    path = next((root / "private").glob(f"{stream}_*.jsonl"))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(change(lines)))  # type: ignore[operator]  # a function from lines to lines


def only_problem(root: Path) -> tuple[str, int, str]:
    problems = verify(root).problems
    assert len(problems) == 1
    return problems[0].file, problems[0].line, problems[0].what


def test_an_untouched_dataset_is_in_order(root: Path) -> None:
    result = verify(root)
    assert result.ok and result.records == 2 * COUNT and set(result.streams) == {"events", "actions"}


def test_an_edited_value_is_found(root: Path) -> None:
    edit(root, lambda lines: [line.replace(b"event 4", b"event 5") for line in lines])
    file, line, what = only_problem(root)
    assert (file, line) == ("events_2026-02.jsonl", 5) and "changed" in what


def test_an_edit_of_the_very_last_record_is_found(root: Path) -> None:
    edit(root, lambda lines: [*lines[:-1], lines[-1].replace(b"event 11", b"event 77")])
    assert only_problem(root)[1] == COUNT


def test_a_removed_line_is_found(root: Path) -> None:
    edit(root, lambda lines: lines[:6] + lines[7:])
    _file, line, what = only_problem(root)
    assert line == 7 and "1 record missing" in what


def test_a_removed_first_line_is_found(root: Path) -> None:
    edit(root, lambda lines: lines[1:])
    assert only_problem(root)[1] == 1


def test_a_tail_cut_off_whole_is_found_by_the_heads(root: Path) -> None:
    edit(root, lambda lines: lines[:-3])
    file, line, what = only_problem(root)
    assert (file, line) == ("events", 0) and "last 3 records are missing" in what


def test_a_tail_cut_off_without_heads_is_found_by_the_count_over_all_streams(root: Path) -> None:
    (root / "private" / "heads.json").unlink()
    edit(root, lambda lines: lines[:-3])
    *wheres, heads = [(p.file, p.what) for p in verify(root).problems]
    assert wheres == [("private", f"record n={n} is missing from every stream") for n in (19, 21, 23)]
    assert heads[0] == "heads.json" and "is missing" in heads[1]


def test_a_whole_stream_thrown_away_is_found(root: Path) -> None:
    next((root / "private").glob("actions_*.jsonl")).unlink()
    assert "the last 12 records are missing" in only_problem(root)[2]


def test_swapped_and_doubled_lines_are_found(root: Path) -> None:
    edit(root, lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]])
    assert only_problem(root)[1] == 4
    edit(root, lambda lines: [*lines[:2], lines[1], *lines[2:]], stream="actions")
    assert [(p.file, p.line) for p in verify(root).problems] == [
        ("actions_2026-02.jsonl", 3),
        ("events_2026-02.jsonl", 4),
    ]


def test_a_line_of_another_stream_is_found(root: Path) -> None:
    foreign = next((root / "private").glob("actions_*.jsonl")).read_bytes().splitlines(keepends=True)
    edit(root, lambda lines: [*lines[:5], foreign[5], *lines[6:]])
    assert only_problem(root)[1] == 6


def test_a_record_that_breaks_its_contract_is_found_though_its_chain_holds(root: Path) -> None:
    def forge(lines: list[bytes]) -> list[bytes]:
        last = parse_line(lines[-1])
        payload = json.loads(last.payload) | {"level": "LOUD"}
        line, _ = next_line(Head(last.n, last.seq, last.hash), 2 * COUNT + 1, json.dumps(payload).encode())
        return [*lines, line]

    edit(root, forge)
    _file, line, what = only_problem(root)
    assert line == COUNT + 1 and "breaks its contract" in what
    assert verify(root, contract=False).ok


def test_a_dataset_rewritten_with_a_fresh_chain_differs_from_the_heads(root: Path) -> None:
    def rewrite(lines: list[bytes]) -> list[bytes]:
        head, out = genesis("events"), []
        for line in lines:
            link = parse_line(line)
            new, head = next_line(head, link.n, link.payload.replace(b"event 3", b"event 4"))
            out.append(new)
        return out

    edit(root, rewrite)
    assert "not the one that heads.json saw" in only_problem(root)[2]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_single_byte_can_change_unnoticed(root: Path, data: st.DataObject) -> None:
    path = next((root / "private").glob("events_*.jsonl"))
    content = path.read_bytes()
    where = data.draw(st.integers(0, len(content) - 1))
    what = data.draw(st.integers(0, 255).filter(lambda byte: byte != content[where]))
    try:
        path.write_bytes(content[:where] + bytes([what]) + content[where + 1 :])
        result = verify(root, contract=False)
        assert not result.ok
        bad_line = content[:where].count(b"\n") + 1
        assert result.problems[0].line in (bad_line, bad_line + 1)
    finally:
        path.write_bytes(content)


def test_follows_explains_itself() -> None:
    line, head = next_line(genesis("states"), 4, state().to_json().encode())
    link = parse_line(line)
    assert follows(link, genesis("states")) == ""
    assert "does not match its hash" in follows(link, genesis("actions"))
    later = parse_line(next_line(head, 3, b"{}")[0])
    assert "count n=3 follows 4" in follows(later, head)


def test_the_chain_must_run_through_heads_that_were_noted_elsewhere(root: Path) -> None:
    lines = next((root / "private").glob("events_*.jsonl")).read_bytes().splitlines(keepends=True)
    fifth = parse_line(lines[4])
    noted = Head(fifth.n, 5, fifth.hash)
    assert verify(root, noted={"events": noted}).ok
    for head, what in (
        (Head(fifth.n, 6, fifth.hash), "record 6 is not the one that was noted elsewhere"),
        (Head(fifth.n, COUNT + 1, fifth.hash), f"record {COUNT + 1}, noted elsewhere, is not there"),
    ):
        found = verify(root, noted={"events": head}).problems
        assert [(problem.file, problem.line, problem.what) for problem in found] == [("events", 0, what)]


@pytest.mark.parametrize(
    ("stream", "seq", "digest", "in_order"),
    [
        (DELETABLE, 6, "other", True),
        (DELETABLE, 7, "last", True),
        (DELETABLE, 7, "other", False),
        (DELETABLE, 8, "last", False),
        ("events", 6, "last", False),
        ("events", 7, "last", False),
    ],
)
def test_what_the_disk_budget_deleted_on_record_is_not_asked_for(
    stream: str, seq: int, digest: str, in_order: bool
) -> None:
    """The first seven readings are gone. Of them only the last is still known, by its hash."""
    heads = NotedHeads({stream: Head(99, seq, digest)})
    assert (heads.problems(DeletedReadings(90, 7, "last", ())) == []) is in_order
    assert len(NotedHeads({stream: Head(99, seq, digest)}).problems(None)) == 1, "where nothing was deleted it is"


def test_progress_is_told_at_each_full_step_as_a_share_of_all_bytes(tmp_path: Path) -> None:
    """Not at every line, which would cost more than the reading; exactly a step counts as one."""
    file = tmp_path / "records.jsonl"
    file.write_bytes(b"x" * (4 * REPORT_BYTES))
    told: list[float] = []
    done = BytesRead([file], told.append)
    for _ in range(8):
        done.add(REPORT_BYTES // 2)
    assert told == [0.25, 0.5, 0.75, 1.0]
