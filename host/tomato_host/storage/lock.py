"""One writer per dataset: a lock that the system itself drops when the process dies."""

from __future__ import annotations

import os
from pathlib import Path

from tomato_host.errors import TomatoError

if os.name == "nt":  # pragma: no cover - exercised on Windows only
    import msvcrt

    def _take(fd: int) -> None:
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]  # Windows only
else:
    import fcntl

    def _take(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


class WriterLock:
    """Holds `private/.lock`. Raises TomatoError E-STORAGE-BUSY when another process writes here."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _take(self._fd)
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
    """Whether some process writes to the dataset whose `private` folder this is. Looks only; nothing is made."""
    try:
        fd = os.open(folder / ".lock", os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return False
    try:
        _take(fd)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False
