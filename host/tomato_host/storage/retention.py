"""Limits of the whole dataset: the oldest files of raw readings are deleted, and a file lists them for `verify`."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from tomato_host.atomic_file import replace_file
from tomato_host.storage.chain import Head
from tomato_host.storage.reader import first_seq, stream_files
from tomato_host.storage.recovery import last_head, last_payload

DELETION_FILE = "let_go.json"
DELETABLE = "sensors_raw"
"""The only stream that is ever deleted from: nine tenths of all bytes, and nothing but readings."""


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True)
class DeletedReadings:
    """What was deleted of the stream: its first `seq` records, the last of which was `n` with `hash`."""

    n: int
    seq: int
    hash: str
    files: tuple[str, ...]
    """The files deleted last; one that still exists was being deleted when the power failed."""

    @property
    def head(self) -> Head:
        """Where the chain continues."""
        return Head(self.n, self.seq, self.hash)


def read_deletion(folder: Path) -> DeletedReadings | None:
    """The deletion file in `private/`; None when nothing was deleted. Raises ValueError when it cannot be read."""
    try:
        told = json.loads((folder / DELETION_FILE).read_bytes())
        return DeletedReadings(int(told["n"]), int(told["seq"]), str(told["hash"]), tuple(map(str, told["files"])))
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError) as error:
        raise ValueError(f"not a deletion file: {error!r}") from error


def stored_bytes(folder: Path) -> int:
    """Size of all records."""
    return sum(path.stat().st_size for path in folder.glob("*.jsonl"))


def files_to_delete(folder: Path, most_bytes: float) -> list[Path]:
    """The files to delete, oldest first; never the one that is being filled."""
    over = stored_bytes(folder) - most_bytes
    out = []
    for path in stream_files(folder).get(DELETABLE, [])[:-1]:
        if over <= 0:
            break
        over -= path.stat().st_size
        out.append(path)
    return out


def record_deletion(folder: Path, paths: list[Path]) -> int:
    """Record durably that these files are deleted; returns how many records they hold. Deleting comes after."""
    head = last_head(paths[-1])
    if head is None:
        return 0
    before = read_deletion(folder)
    note = DeletedReadings(head.n, head.seq, head.hash, tuple(path.name for path in paths))
    replace_file(folder / DELETION_FILE, json.dumps(asdict(note), indent=1).encode() + b"\n")
    return head.seq - (before.seq if before is not None else first_seq(paths[0]) - 1)


def delete_recorded(folder: Path) -> None:
    """Delete the recorded files that still exist; to be called again after a power cut."""
    try:
        note = read_deletion(folder)
    except ValueError:
        return  # without a readable deletion file nothing is deleted
    for name in note.files if note is not None else ():
        path = folder / name
        head = last_head(path) if path.parent == folder and path.is_file() else None
        if note is not None and head is not None and head.seq <= note.seq:
            path.unlink()


def old_photos(folder: Path, most_bytes: float) -> list[Path]:
    """Photos to delete, whole days, oldest first; never those of the newest day."""
    days = sorted(path for path in (folder / "images").glob("*") if _DAY.fullmatch(path.name) and path.is_dir())
    photos = {day: sorted(path for path in day.iterdir() if path.is_file() and not path.is_symlink()) for day in days}
    sizes = {day: sum(path.stat().st_size for path in found) for day, found in photos.items()}
    over, out = sum(sizes.values()) - most_bytes, []
    for day in days[:-1]:
        if over <= 0:
            break
        over -= sizes[day]
        out += photos[day]
    return out


def delete_photos(photos: list[Path]) -> None:
    """Delete them and the days that are empty then."""
    for path in photos:
        path.unlink(missing_ok=True)
    for day in {path.parent for path in photos}:
        if not any(day.iterdir()):
            day.rmdir()


STEADY_STREAM = "states"
"""A stream that is written steadily and never thinned: its first and last record give the time span."""
SHORTEST_DAYS = 0.25
"""Less than six hours give no estimate."""


class DatasetGrowth(NamedTuple):
    """All records together, and what a day adds; None while it is too early to say."""

    stored_bytes: int
    bytes_per_day: float | None


def dataset_growth(root: Path) -> DatasetGrowth | None:
    """What the dataset at `root` takes; None where there is none."""
    folder = root / "private"
    if not folder.is_dir():
        return None
    stored = stored_bytes(folder)
    files = stream_files(folder).get(STEADY_STREAM, [])
    first, last = (_moment(_first_line(files[0])), _moment(last_payload(files[-1]))) if files else (None, None)
    if first is None or last is None:
        return DatasetGrowth(stored, None)
    days = (last - first).total_seconds() / 86_400.0
    return DatasetGrowth(stored, stored / days if days >= SHORTEST_DAYS else None)


def _first_line(path: Path) -> bytes | None:
    with path.open("rb") as file:
        try:
            return json.dumps(json.loads(file.readline())["record"]).encode()
        except (ValueError, KeyError):
            return None


def _moment(record: bytes | None) -> datetime | None:
    return None if record is None else datetime.fromisoformat(json.loads(record)["ts"])
