"""A log file that cannot fill the disk: everything the host and its processes print, in a few files of bounded size.

Under systemd nothing of this is needed: the journal bounds and rotates itself.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Annotated, TextIO

from pydantic import BaseModel, ConfigDict, Field

from tomato_host.atomic_file import PRIVATE_FILE, make_directory
from tomato_host.errors import TomatoError
from tomato_host.toml_file import shown

AT_ONCE_BYTES = 65_536
FLUSH_WAIT_S = 2.0
"""How long the end waits for the last lines to be written."""


class LogSettings(BaseModel):
    """Section `[logs]`: a file of its own for what the host prints; the journal needs none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str = ""
    """Path of the newest file; empty: standard output. Older ones are `<file>.1`, `<file>.2`, ..."""
    max_mb: Annotated[float, Field(ge=0.01, le=10_000.0)] = 5.0
    """Largest size of one file."""
    keep: Annotated[int, Field(ge=0, le=100)] = 4
    """Older files kept; all together never take more than `max_mb` times (`keep` + 1)."""


def check_log_file(settings: LogSettings, config: Path | None, data_dir: Path) -> None:
    """Raises TomatoError E-CONFIG-INVALID when the log would be written into the settings file or between records."""
    if not settings.file:
        return
    path = Path(settings.file).resolve()
    kept = (data_dir / "private", data_dir / "public", data_dir / "inbox", data_dir / "metadata.json")
    if (config is not None and path == config.resolve()) or any(path.is_relative_to(one.resolve()) for one in kept):
        raise TomatoError(
            "E-CONFIG-INVALID",
            f"{config or 'settings'}: logs.file = {shown(settings.file)}: the log would be written into the settings or"
            " the records.",
            "give it a path of its own, for example logs/host.log",
        )


class BoundedFiles:
    """Appends to `path`; full files are renamed, the last one is deleted. A full disk loses lines only."""

    def __init__(self, path: Path, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self.lost_bytes = 0
        self._fd = -1
        self._open()

    def write(self, text: bytes) -> None:
        """Keep whole lines together where they fit."""
        for line in text.splitlines(keepends=True):
            line = line[: self._max_bytes]
            try:
                if self._size + len(line) > self._max_bytes:
                    self._rotate()
                self._size += os.write(self._fd, line)
            except OSError:
                self.lost_bytes += len(line)

    def close(self) -> None:
        """Closing twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE_FILE)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        names = [self._path, *(self._path.with_name(f"{self._path.name}.{n}") for n in range(1, self._keep + 1))]
        names[-1].unlink(missing_ok=True)
        for newer, older in reversed(list(pairwise(names))):
            with suppress(FileNotFoundError):
                newer.rename(older)
        self.close()
        self._open()


@contextmanager
def log_to(settings: LogSettings) -> Iterator[TextIO]:
    """Redirect everything printed, also by child processes, to the file. Yields the terminal as it was.

    Raises TomatoError E-LOG-FILE.
    """
    if not settings.file:
        yield sys.stdout
        return
    try:
        make_directory(Path(settings.file).parent)
        files = BoundedFiles(Path(settings.file), round(settings.max_mb * 1e6), settings.keep)
    except OSError as error:
        raise TomatoError(
            "E-LOG-FILE",
            f"The log file {settings.file} cannot be written: {error.strerror or error}.",
            "set another path in [logs] file, free space on its disk, or allow writing there",
        ) from None
    with _redirected(files) as terminal:
        yield terminal
    files.close()


@contextmanager
def _redirected(files: BoundedFiles) -> Iterator[TextIO]:
    """Descriptors 1 and 2 lead into a pipe, which a thread empties whatever the disk does."""
    reading, writing = os.pipe()
    before = [os.dup(number) for number in (1, 2)]
    pump = threading.Thread(target=_pump, args=(reading, files), name="log-file", daemon=True)
    pump.start()
    _point_output_to(writing, writing)
    os.close(writing)
    with os.fdopen(os.dup(before[0]), "w") as terminal:
        try:
            yield terminal
        finally:
            _point_output_to(*before)
            for number in before:
                os.close(number)
            pump.join(FLUSH_WAIT_S)  # a child that lives on still holds the pipe


def _point_output_to(out: int, err: int) -> None:
    """Point standard output and standard error at these descriptors."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os.dup2(out, 1)
    os.dup2(err, 2)


def _pump(reading: int, files: BoundedFiles) -> None:
    rest = b""
    while text := os.read(reading, AT_ONCE_BYTES):
        whole, newline, rest = (rest + text).rpartition(b"\n")
        files.write(whole + newline)
        if len(rest) > AT_ONCE_BYTES:
            files.write(rest)
            rest = b""
    files.write(rest)
    os.close(reading)
