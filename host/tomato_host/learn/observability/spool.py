"""Documents that wait on the disk until they can be stored: a bounded file of lines; the oldest goes first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tomato_host.atomic_file import private_opener, replace_file


class Spool:
    """Lines in a file. A torn last line (a kill while writing) is left out by the reader."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self.path, self._most = path, most_bytes
        self.lost = 0
        """Documents that had to go, because more waited than fit."""

    @property
    def size(self) -> int:
        """Bytes that wait."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def add(self, lines: Sequence[str]) -> None:
        """Append documents. Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8", opener=private_opener) as file:
            file.writelines(line + "\n" for line in lines)
        if self.size > self._most:
            waiting = self.read()
            kept: list[str] = []
            size = 0
            for line in reversed(waiting):
                size += len(line.encode()) + 1
                if size > self._most // 2:
                    break
                kept.append(line)
            self.lost += len(waiting) - len(kept)
            self.replace(kept[::-1])

    def read(self) -> list[str]:
        """Everything that waits, oldest first."""
        try:
            text = self.path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        lines = text.split("\n")
        return [line for line in lines[:-1] if line]

    def replace(self, lines: Sequence[str]) -> None:
        """These documents alone wait from now on. Raises OSError."""
        replace_file(self.path, "".join(line + "\n" for line in lines).encode(), durable=False, parents=True)
