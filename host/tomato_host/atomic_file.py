"""Small files that are written completely or not at all, and directories and files that only their owner may read.

The records, photos and logs of a tent show who is at home and when: 0o700 and 0o600 unless a caller says otherwise.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
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


PRIVATE_DIRECTORY, PRIVATE_FILE = 0o700, 0o600


def make_directory(path: Path, exist_ok: bool = True) -> None:
    """Make `path` and its missing parents for the owner alone; those that exist stay as they are. Raises OSError."""
    missing = [parent for parent in path.parents if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
    path.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=exist_ok)


def private_opener(path: str, flags: int) -> int:
    """For `open(..., opener=private_opener)`: a new file is the owner's alone."""
    return os.open(path, flags, PRIVATE_FILE)


@contextmanager
def owner_only() -> Iterator[None]:
    """Whatever is written meanwhile, also by child processes and other libraries, is the owner's alone."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def replace_file(
    path: Path, content: bytes, *, mode: int | None = None, durable: bool = True, parents: bool = False
) -> None:
    """Write beside `path`, sync, rename: a reader sees the old file or the whole new one, even after a power cut.

    `mode`: permission bits, whatever the umask says; None: the owner alone (0o600). `durable=False` leaves out the
    syncs, for files that a power cut may take (requests, caches). `parents` makes missing directories. The temporary
    name begins with a dot and ends in `.part`: no reader's pattern and no backup takes it for the file. Raises
    OSError, and leaves neither a temporary file nor a changed one behind.
    """
    if parents:
        make_directory(path.parent)
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
    fd = os.open(path, flags, PRIVATE_FILE if mode is None else mode)
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
