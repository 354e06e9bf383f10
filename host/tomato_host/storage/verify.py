"""Check a dataset from the first line to the last: form, contract, chain, heads, and the count over all streams."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from shared_schemas.records import parse_record
from tomato_host.storage.chain import ChainedLine, Head, follows, genesis, parse_heads, parse_line
from tomato_host.storage.layout import HEADS
from tomato_host.storage.reader import require_dataset, stream_files
from tomato_host.storage.retention import DELETABLE, DELETION_FILE, DeletedReadings, read_deletion


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
    torn_files: list[str] = field(default_factory=list)
    """Tails that a repair moved to files of their own; not a problem of the dataset, but worth knowing."""

    @property
    def ok(self) -> bool:
        """True when every record is whole, in its place and unchanged."""
        return not self.problems


def verify(root: Path, *, contract: bool = True) -> Verification:
    """Verify all private streams. With `contract` every record is also read by its schema (slower).

    After the first bad line of a stream the rest of that stream is not judged: its chain is broken there.
    Raises TomatoError E-STORAGE-NO-DATASET.
    """
    require_dataset(root)
    folder = root / "private"
    result = Verification(torn_files=sorted(path.name for path in folder.glob("*.torn")))
    counts: list[tuple[int, int]] = []
    deleted = _read_note(folder, result)
    for stream, files in stream_files(folder).items():
        begin = genesis(stream)
        if deleted is not None and stream == DELETABLE:
            files = [path for path in files if path.name not in deleted.files]
            begin = deleted.head
        result.files += len(files)
        _verify_stream(stream, begin, files, contract, result, counts)
    _verify_heads(folder, result)
    if result.ok:
        _verify_count(counts, deleted, result)
    return result


def _read_note(folder: Path, result: Verification) -> DeletedReadings | None:
    try:
        deleted = read_deletion(folder)
    except ValueError as error:
        result.problems.append(DatasetProblem(DELETION_FILE, 0, f"is not readable: {error}"))
        return None
    result.let_go = deleted.seq if deleted is not None else 0
    return deleted


def _verify_stream(
    stream: str, head: Head, files: list[Path], contract: bool, result: Verification, counts: list[tuple[int, int]]
) -> None:
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                link, fault = _read(line, head, contract)
                if link is None or fault:
                    result.problems.append(DatasetProblem(path.name, number, fault))
                    return
                head = Head(link.n, link.seq, link.hash)
                result.records += 1
                _add_count(counts, link.n)
                result.streams[stream] = head


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
        wanted = parse_heads(path.read_bytes())
    except ValueError:
        result.problems.append(
            DatasetProblem(HEADS, 0, "is not readable; delete it, closing the dataset writes it anew")
        )
        return
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
