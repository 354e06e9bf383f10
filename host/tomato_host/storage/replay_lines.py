"""A dataset as the lines that a replay wants: in the order in which they were written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tomato_host.storage.reader import read_all

_WANTED = {"sensors_raw", "devices"}


def dataset_lines(root: Path) -> Iterator[tuple[str, bytes]]:
    """Place and record of every observation and device status. Raises TomatoError E-STORAGE-*."""
    for line in read_all(root, _WANTED):
        yield f"{line.path.name} line {line.number}", line.link.payload
