"""Durable writing: whole lines appended to one file, and a lock for the one writer."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tomato_host.atomic_file import PRIVATE_FILE, sync_directory
from tomato_host.errors import TomatoError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class LineAppender:
    """A file that only grows by whole lines.

    What `append` returned from is whole in the file (and on the disk after `sync`). What it raised from is not
    in the file at all: a partial line is cut off again, at once or, if even that fails, before the next line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = -1
        try:
            is_new = not path.exists()
            self._fd = os.open(path, _FLAGS, PRIVATE_FILE)
            self.size = os.fstat(self._fd).st_size
            if is_new:
                sync_directory(path.parent)
        except OSError as error:
            self.close()
            raise _write_error(path, error) from error
        self._unsynced = False
        self._truncate_pending = False

    def append(self, lines: bytes) -> None:
        """Write complete lines. Raises TomatoError E-STORAGE-FULL or E-STORAGE-WRITE; then nothing was added."""
        if self._truncate_pending:
            self._truncate()
        try:
            written = os.write(self._fd, lines)
            while written < len(lines):
                # A short write means that space or a quota just ran out; writing again shows which.
                written += os.write(self._fd, lines[written:])
        except OSError as error:
            self._truncate_pending = True
            self._try_truncate()
            raise _write_error(self.path, error) from error
        self.size += len(lines)
        self._unsynced = True

    def sync(self) -> None:
        """Put everything written so far on the disk. Raises TomatoError E-STORAGE-WRITE."""
        if not self._unsynced:
            return
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise _write_error(self.path, error) from error
        self._unsynced = False

    def handle(self) -> int:
        """A second handle on the file, to be synced and closed by the caller."""
        return os.dup(self._fd)

    def truncate_to(self, size: int) -> None:
        """Forget everything after `size` bytes: lines written whose sync failed were never acknowledged."""
        self.size = size
        self._truncate_pending = True
        self._try_truncate()

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _truncate(self) -> None:
        try:
            os.ftruncate(self._fd, self.size)
        except OSError as error:
            raise _write_error(self.path, error) from error
        self._truncate_pending = False

    def _try_truncate(self) -> None:
        try:
            self._truncate()
        except TomatoError:
            # Tried again before the next line; until then the torn tail stays, and opening the file repairs it.
            pass


def _write_error(path: Path, error: OSError) -> TomatoError:
    if error.errno in _FULL:
        return TomatoError(
            "E-STORAGE-FULL",
            f"No space left to write {path.name}; the record was not stored.",
            "Free some space on that disk; writing resumes by itself, everything stored before is whole.",
        )
    return TomatoError(
        "E-STORAGE-WRITE",
        f"Writing {path.name} failed: {error.strerror or error}.",
        f"Check the disk and the permissions of {path.parent}.",
    )


if os.name == "nt":  # pragma: no cover - exercised on Windows only
    import msvcrt

    def _lock(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
else:
    import fcntl

    def _lock(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """Holds `private/.lock`. Raises TomatoError E-STORAGE-BUSY when another process writes here."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), PRIVATE_FILE)
        try:
            _lock(self._fd)
        except OSError as error:
            os.close(self._fd)
            self._fd = -1
            raise TomatoError(
                "E-STORAGE-BUSY",
                f"Another process is writing to {folder.parent}.",
                "Stop it, or give this run its own --data-dir.",
            ) from error

    def release(self) -> None:
        """Let the next writer in; releasing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def is_held(folder: Path) -> bool:
    """Whether some process writes to the dataset whose `private` folder this is. Creates nothing."""
    try:
        fd = os.open(folder / ".lock", os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        _lock(fd)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
