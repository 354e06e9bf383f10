"""Find and repair the tail that a kill or a power cut left; nothing is thrown away silently."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tomato_host.atomic_file import private_opener, sync_directory
from tomato_host.storage.chain import ChainedLine, Head, parse_line

_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class TailRepair:
    """What was done to one file when it was opened."""

    path: Path
    cut_bytes: int
    kept_in: Path | None
    """The file beside it that holds the cut bytes; None when only the last newline had to be set."""

    @property
    def text(self) -> str:
        """One line for the log."""
        if self.kept_in is None:
            return f"{self.path.name}: the last record lacked its newline; set."
        return f"{self.path.name}: a torn tail of {self.cut_bytes} bytes was moved to {self.kept_in.name}."


def repair_tail(path: Path) -> tuple[Head | None, TailRepair | None]:
    """Make `path` end with a whole record; returns its last head (None for no record at all) and what was done.

    Only the tail is looked at: bytes behind the last whole record. Damage before it is for `verify` to name.
    """
    size = path.stat().st_size
    link, end, has_newline = _last_whole_line(path, size)
    head = None if link is None else Head(link.n, link.seq, link.hash)
    repair = None
    if end < size:
        repair = _cut(path, end, size)
    elif link is not None and not has_newline:
        with path.open("ab") as file:
            file.write(b"\n")
            file.flush()
            os.fsync(file.fileno())
        repair = TailRepair(path, 0, None)
    return head, repair


def last_head(path: Path) -> Head | None:
    """The head that the last whole record of a file makes; nothing is repaired."""
    link, _, _ = _last_whole_line(path, path.stat().st_size)
    return None if link is None else Head(link.n, link.seq, link.hash)


def last_payload(path: Path) -> bytes | None:
    """The last whole record of a file, as its own JSON."""
    link, _, _ = _last_whole_line(path, path.stat().st_size)
    return None if link is None else link.payload


def _last_whole_line(path: Path, size: int) -> tuple[ChainedLine | None, int, bool]:
    """The last line that is a whole record, the offset behind it, and whether its newline stands."""
    span = _BLOCK
    while True:
        begin = max(0, size - span)
        with path.open("rb") as file:
            file.seek(begin)
            block = file.read(size - begin)
        found = _search_back(block, at_start=begin == 0)
        if found is not None:
            link, end, has_newline = found
            return link, begin + end, has_newline
        if begin == 0:
            return None, 0, False
        span *= 4


def _search_back(block: bytes, at_start: bool) -> tuple[ChainedLine, int, bool] | None:
    end = len(block)
    while end > 0:
        has_newline = block[end - 1 : end] == b"\n"
        begin = block.rfind(b"\n", 0, end - 1) + 1
        if begin == 0 and not at_start:
            return None
        link = _whole(block[begin:end])
        if link is not None:
            return link, end, has_newline
        end = begin
    return None


def _whole(line: bytes) -> ChainedLine | None:
    # A strict prefix of a JSON object is never JSON, and a block of zeros is not either.
    try:
        return parse_line(line)
    except ValueError:
        return None


def _cut(path: Path, end: int, size: int) -> TailRepair:
    kept_in = _free_name(path)
    with path.open("rb") as file:
        file.seek(end)
        tail = file.read(size - end)
    with open(kept_in, "xb", opener=private_opener) as aside:
        aside.write(tail)
        aside.flush()
        os.fsync(aside.fileno())
    sync_directory(path.parent)
    with path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    return TailRepair(path, size - end, kept_in)


def _free_name(path: Path) -> Path:
    number = 1
    while (candidate := path.with_name(f"{path.name}.{number}.torn")).exists():
        number += 1
    return candidate
