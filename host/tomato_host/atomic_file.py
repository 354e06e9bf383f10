"""Small files that are written completely or not at all: the one way in which this program replaces a file."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make new and renamed names in a directory durable; systems that cannot sync a directory do not need it."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def replace_file(
    path: Path, content: bytes, *, mode: int | None = None, durable: bool = True, parents: bool = False
) -> None:
    """Write beside `path`, sync, rename: a reader sees the old file or the whole new one, even after a power cut.

    `mode`: permission bits, whatever the umask says; None: 0o644 less the umask. `durable=False` leaves out the syncs,
    for files that a power cut may take (requests, caches). `parents` makes missing directories. The temporary name
    begins with a dot and ends in `.part`: no reader's pattern and no backup takes it for the file. Raises OSError, and
    leaves neither a temporary file nor a changed one behind.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        _write(temporary, content, mode, durable)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if durable:
        sync_directory(path.parent)


def _write(path: Path, content: bytes, mode: int | None, durable: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    fd = os.open(path, flags, 0o644 if mode is None else mode)
    try:
        if mode is not None:
            os.chmod(path, mode)
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)
