"""Read a dataset back: stream by stream, or all records in the order in which they were written."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from shared_schemas.records import Record, parse_record
from tomato_host.errors import TomatoError, first_reason
from tomato_host.storage.chain import ChainedLine, parse_line
from tomato_host.storage.layout import METADATA, split_name

Report = Callable[[float], None]
"""Called with the share that is done, 0 to 1."""
REPORT_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class StoredLine:
    """A line and where it stands."""

    path: Path
    number: int
    link: ChainedLine


def is_dataset(root: Path) -> bool:
    """True for a directory that a Dataset was opened in."""
    return (root / METADATA).is_file() and (root / "private").is_dir()


def require_dataset(root: Path) -> None:
    """Raises TomatoError E-STORAGE-NO-DATASET when `root` holds none."""
    if not is_dataset(root):
        raise TomatoError(
            "E-STORAGE-NO-DATASET",
            f"{root} holds no dataset ({METADATA} and private/ are missing).",
            "Give the directory that --data-dir or --output-dir wrote, for a simulation its run_YYYYMMDD folder.",
        )


def stream_files(folder: Path) -> dict[str, list[Path]]:
    """Data files per stream, in the order they were written (by the first record's count, whatever their names)."""
    found: dict[str, list[tuple[int, str, Path]]] = {}
    for path in folder.glob("*.jsonl"):
        parts = split_name(path.name)
        if parts is not None:
            found.setdefault(parts[0], []).append((first_seq(path), parts[1], path))
    return {stream: [path for _, _, path in sorted(files)] for stream, files in sorted(found.items())}


def first_seq(path: Path) -> int:
    """The count of the first readable record; a file without any sorts last."""
    with path.open("rb") as file:
        for line in file:
            try:
                return parse_line(line).seq
            except ValueError:
                continue
    return 1 << 62


class BytesRead:
    """Share of the bytes of some files that were read, reported every now and then."""

    def __init__(self, files: Iterable[Path], report: Report | None) -> None:
        self._report = report
        self._total = sum(path.stat().st_size for path in files) if report is not None else 0
        self._done = self._reported = 0

    def add(self, count: int) -> None:
        """So many bytes more were read."""
        self._done += count
        if self._report is not None and self._done - self._reported >= REPORT_BYTES:
            self._reported = self._done
            self._report(self._done / max(1, self._total))


def read_lines(files: list[Path], done: BytesRead | None = None) -> Iterator[StoredLine]:
    """Every line of the files. Raises TomatoError E-STORAGE-DAMAGED at a line that is none."""
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if done is not None:
                    done.add(len(line))
                try:
                    link = parse_line(line)
                except ValueError:
                    raise _damaged(path, number) from None
                yield StoredLine(path, number, link)


def read_all(root: Path, streams: set[str] | None = None, report: Report | None = None) -> Iterator[StoredLine]:
    """Lines of all (or the named) streams, merged into the order in which they were written.

    `report` gets the share of them that was read, 0 to 1.
    """
    require_dataset(root)
    files = stream_files(root / "private")
    wanted = [paths for stream, paths in files.items() if streams is None or stream in streams]
    done = BytesRead((path for paths in wanted for path in paths), report)
    sources = [read_lines(paths, done) for paths in wanted]
    return heapq.merge(*sources, key=lambda line: line.link.n)


def read_records(root: Path, streams: set[str] | None = None, report: Report | None = None) -> Iterator[Record]:
    """Records in the order in which they were written; `report` as above. Raises TomatoError E-STORAGE-DAMAGED."""
    for line in read_all(root, streams, report):
        try:
            yield parse_record(line.link.payload)
        except ValueError as error:
            raise _damaged(line.path, line.number, f"breaks its contract: {first_reason(error)}") from error


def _damaged(path: Path, number: int, what: str = "is not a whole record") -> TomatoError:
    return TomatoError(
        "E-STORAGE-DAMAGED",
        f"{path.name} line {number} {what}.",
        "Run `tomato-host dataset verify` on the dataset; opening it for writing repairs a torn tail.",
    )


_WANTED = {"sensors_raw", "devices"}


def dataset_lines(root: Path, report: Report | None = None) -> Iterator[tuple[str, bytes]]:
    """Place and record of every observation and device status. Raises TomatoError E-STORAGE-*."""
    for line in read_all(root, _WANTED, report):
        yield f"{line.path.name} line {line.number}", line.link.payload
