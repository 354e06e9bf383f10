"""Check a dataset from the first line to the last: form, contract, chain, file names, heads, the overall count.

What a hash chain proves is order and completeness of what is there: an edit, a gap, a doubled or moved line breaks it.
It proves nothing about what followed its last line. That needs a later witness: `heads.json`, which is written when the
dataset opens, every few minutes, and when it closes; the count over all streams, where another stream went on; or heads
that were published or noted elsewhere. So a verification says up to which record a witness vouches (`vouched_n`), and
whether the dataset was closed in order; the rest is whole as far as it goes, and more may have followed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shared_schemas.records import parse_record
from tomato_host.errors import TomatoError
from tomato_host.storage.chain import ChainedLine, Head, follows, genesis, parse_heads, parse_line
from tomato_host.storage.layout import ANCHORED, HEADS, METADATA, period, read_metadata, split_name
from tomato_host.storage.reader import BytesRead, Report, require_dataset, stream_files
from tomato_host.storage.retention import DELETABLE, DELETION_FILE, DeletedReadings, read_deletion
from tomato_host.storage.settings import Rotate


@dataclass(frozen=True, slots=True)
class DatasetProblem:
    """The first bad line of a stream, or something missing at its end. `line` is 0 when no line is to blame."""

    file: str
    line: int
    what: str

    @property
    def text(self) -> str:
        """One line of text."""
        return f"{self.file} line {self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


@dataclass(slots=True)
class Verification:
    """What was checked and what was found."""

    records: int = 0
    files: int = 0
    streams: dict[str, Head] = field(default_factory=dict)
    problems: list[DatasetProblem] = field(default_factory=list)
    let_go: int = 0
    """Oldest readings that the disk budget deleted, as the dataset itself records; not a problem."""
    vouched_n: int = 0
    """Up to this count over all streams heads.json vouches that nothing was cut off."""
    last_n: int = 0
    """The count of the last record that is there."""
    closed: bool = False
    """heads.json was written when the dataset was closed in order, and nothing followed."""
    torn_files: list[str] = field(default_factory=list)
    """Tails that a repair moved to files of their own; not a problem of the dataset, but worth knowing."""

    @property
    def ok(self) -> bool:
        """True when every record is whole, in its place and unchanged."""
        return not self.problems

    @property
    def proof(self) -> str:
        """What is proven about the end of the dataset, in one line."""
        if self.closed and self.vouched_n == self.last_n:
            return "the end is proven: the dataset was closed after its last record"
        beyond = self.last_n - self.vouched_n
        if self.vouched_n == 0:
            return "the end is not proven: nothing vouches for it, more records may have followed"
        return (
            f"the end is proven up to n={self.vouched_n}; the {beyond} records behind it are in order, and whether more"
            " followed cannot be proven"
        )


def verify(
    root: Path, *, contract: bool = True, noted: Mapping[str, Head] | None = None, report: Report | None = None
) -> Verification:
    """Verify all private streams. With `contract` every record is also read by its schema (slower).

    `report` gets the share of the bytes that was read. `noted`: heads by stream that were published or written down
    elsewhere; the chains must run through them.
    After the first bad line of a stream the rest of that stream is not judged: its chain is broken there.
    Raises TomatoError E-STORAGE-NO-DATASET.
    """
    require_dataset(root)
    folder = root / "private"
    result = Verification(torn_files=sorted(path.name for path in folder.glob("*.torn")))
    counts: list[tuple[int, int]] = []
    passed = NotedHeads(noted or {})
    deleted = _read_note(folder, result)
    streams = stream_files(folder)
    done = BytesRead((path for files in streams.values() for path in files), report)
    for stream, files in streams.items():
        begin = genesis(stream)
        if deleted is not None and stream == DELETABLE:
            files = [path for path in files if path.name not in deleted.files]
            begin = deleted.head
        result.files += len(files)
        _verify_stream(stream, begin, _lines(files, done), contract, result, counts, passed)
        _verify_names(files, result)
    result.last_n = max((head.n for head in result.streams.values()), default=0)
    _verify_heads(folder, result)
    if result.ok:
        _verify_count(counts, deleted, result)
    result.problems += passed.problems(deleted)
    anchored = _is_anchored(root, result)
    if not (folder / HEADS).is_file() and anchored:
        what = "is missing, and was there before the first record: whether ends of streams are missing, too, is unknown"
        result.problems.append(DatasetProblem(HEADS, 0, what))
    return result


class NotedHeads:
    """Heads noted elsewhere, and what the chains had at their places."""

    def __init__(self, noted: Mapping[str, Head]) -> None:
        self._noted = noted
        self._found: dict[str, str] = {}

    def note(self, stream: str, link: ChainedLine) -> None:
        """A record of the chain."""
        wanted = self._noted.get(stream)
        if wanted is not None and link.seq == wanted.seq:
            self._found[stream] = link.hash

    def problems(self, deleted: DeletedReadings | None) -> list[DatasetProblem]:
        """Heads that the chains do not run through; what the disk budget deleted on record is not judged."""
        found = []
        for stream, head in self._noted.items():
            if deleted is not None and stream == DELETABLE and head.seq < deleted.seq:
                continue
            if deleted is not None and stream == DELETABLE and head.seq == deleted.seq:
                self._found.setdefault(stream, deleted.hash)
            if stream not in self._found:
                found.append(DatasetProblem(stream, 0, f"record {head.seq}, noted elsewhere, is not there"))
            elif self._found[stream] != head.hash:
                found.append(DatasetProblem(stream, 0, f"record {head.seq} is not the one that was noted elsewhere"))
        return found


def _is_anchored(root: Path, result: Verification) -> bool:
    """What metadata.json says; one that says nothing is a problem of its own."""
    try:
        return bool(read_metadata(root).get(ANCHORED))
    except TomatoError as error:
        result.problems.append(DatasetProblem(METADATA, 0, f"is not readable: {error.message}"))
        return False


def _verify_names(files: list[Path], result: Verification) -> None:
    """A file is begun by a record of its period, or numbered upwards: a renamed one does not fit."""
    number = 0
    for path in files:
        part, first = (split_name(path.name) or ("", ""))[1], _first_record(path)
        if first is None:
            continue
        if part.isdigit():
            if int(part) <= number:
                what = f"holds later records than number {number:06d}: it was renamed"
                result.problems.append(DatasetProblem(path.name, 0, what))
            number = max(number, int(part))
            continue
        rotate: Rotate = "month" if len(part) == 7 else "day"
        begun = period(first, rotate)
        if begun != part:
            what = f"begins with a record of {begun}: it was renamed, or its first records are missing"
            result.problems.append(DatasetProblem(path.name, 0, what))


def _first_record(path: Path) -> datetime | None:
    """The time of the first record; None where the first line is none (the chain says so)."""
    with path.open("rb") as file:
        try:
            return datetime.fromisoformat(json.loads(parse_line(file.readline()).payload)["ts"])
        except (ValueError, KeyError, TypeError):
            return None


def _read_note(folder: Path, result: Verification) -> DeletedReadings | None:
    try:
        deleted = read_deletion(folder)
    except ValueError as error:
        result.problems.append(DatasetProblem(DELETION_FILE, 0, f"is not readable: {error}"))
        return None
    result.let_go = deleted.seq if deleted is not None else 0
    return deleted


def _verify_stream(
    stream: str,
    head: Head,
    lines: Iterator[tuple[Path, int, bytes]],
    contract: bool,
    result: Verification,
    counts: list[tuple[int, int]],
    passed: NotedHeads,
) -> None:
    for path, number, line in lines:
        link, fault = _read(line, head, contract)
        if link is None or fault:
            result.problems.append(DatasetProblem(path.name, number, fault))
            return
        head = Head(link.n, link.seq, link.hash)
        result.records += 1
        passed.note(stream, link)
        _add_count(counts, link.n)
        result.streams[stream] = head


def _lines(files: list[Path], done: BytesRead) -> Iterator[tuple[Path, int, bytes]]:
    """File, number and text of every line."""
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                done.add(len(line))
                yield path, number, line


def _read(line: bytes, head: Head, contract: bool) -> tuple[ChainedLine | None, str]:
    if not line.endswith(b"\n"):
        return None, "the line is torn: its end is missing (opening the dataset for writing repairs that)"
    try:
        link = parse_line(line)
    except ValueError:
        return None, "not a whole record: torn, overwritten or edited"
    fault = follows(link, head)
    if not fault and contract:
        try:
            parse_record(link.payload)
        except ValueError as error:
            fault = f"breaks its contract: {str(error).splitlines()[0]}"
    return link, fault


def _verify_heads(folder: Path, result: Verification) -> None:
    """What heads.json saw must still be there: this is how a tail cut off whole is noticed."""
    path = folder / HEADS
    if not path.is_file():
        return
    try:
        text = path.read_bytes()
        wanted = parse_heads(text)
    except ValueError:
        result.problems.append(
            DatasetProblem(HEADS, 0, "is not readable; delete it, closing the dataset writes it anew")
        )
        return
    result.vouched_n = max((head.n for head in wanted.values()), default=0)
    result.closed = bool(json.loads(text).get("closed"))
    broken = {problem.file.rsplit("_", 1)[0] for problem in result.problems}
    for stream, head in wanted.items():
        found = result.streams.get(stream, genesis(stream))
        if stream not in broken and found.seq < head.seq:
            what = f"the last {head.seq - found.seq} records are missing (record {head.seq} was there)"
            result.problems.append(DatasetProblem(stream, 0, what))
        elif found.seq == head.seq and found.hash != head.hash:
            result.problems.append(DatasetProblem(stream, 0, f"record {head.seq} is not the one that heads.json saw"))


def _add_count(runs: list[tuple[int, int]], n: int) -> None:
    """Store the counts seen as runs of consecutive numbers: streams are read one after the other."""
    if runs and runs[-1][1] == n - 1:
        runs[-1] = (runs[-1][0], n)
    else:
        runs.append((n, n))


def _verify_count(runs: list[tuple[int, int]], deleted: DeletedReadings | None, result: Verification) -> None:
    """What is missing in the count over all streams must be what was let go, no more and no less."""
    gaps = list(_gaps(sorted(runs)))
    if deleted is not None:
        before = [(begin, end) for begin, end in gaps if end <= deleted.n]
        missing = sum(end - begin + 1 for begin, end in before)
        if missing != deleted.seq:
            what = f"{missing} records up to n={deleted.n} are missing, and {deleted.seq} were deleted"
            result.problems.append(DatasetProblem("private", 0, what))
        gaps = [gap for gap in gaps if gap not in before]
    for begin, end in gaps:
        lost = f"records n={begin} to n={end} are" if end > begin else f"record n={begin} is"
        result.problems.append(DatasetProblem("private", 0, f"{lost} missing from every stream"))


def _gaps(runs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    expected = 1
    for begin, end in runs:
        if begin > expected:
            yield expected, begin - 1
        expected = max(expected, end + 1)
