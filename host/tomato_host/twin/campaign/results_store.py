"""Runs of a campaign as they finish, one JSON line each, so that one that was stopped can go on where it was.

The first line tells the code that made them: runs of other code are not mixed with these, for the same cell must always
mean the same run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.twin.campaign.matrix import Cell, CellOutcome
from tomato_host.twin.source_fingerprint import source_fingerprint

NAME = "runs.jsonl"


class ResultsStore:
    """The finished runs in one folder. `begin` first; what cannot be read again is run again."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def begin(self, resume: bool) -> dict[Cell, CellOutcome]:
        """The runs that need not be run again: none, unless `resume`. Raises TomatoError `E-CAMPAIGN`."""
        made_by = source_fingerprint()
        found = dict(self._read(made_by)) if resume and self.path.exists() else {}
        self.path.write_text(json.dumps({"code": made_by}) + "\n", encoding="utf-8")
        for cell, outcome in found.items():
            self.add(cell, outcome)
        return found

    def add(self, cell: Cell, outcome: CellOutcome) -> None:
        """Store one run."""
        line = json.dumps({"cell": asdict(cell), "row": outcome.row, "course": outcome.course})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _read(self, made_by: str) -> Iterator[tuple[Cell, CellOutcome]]:
        head, *lines = self.path.read_text(encoding="utf-8").splitlines() or [""]
        if head != json.dumps({"code": made_by}):
            raise TomatoError(
                "E-CAMPAIGN",
                f"The runs in {self.path} were made by other code than this.",
                "Leave --resume out to begin anew, or give another folder with --out.",
            )
        for line in lines:
            try:
                stored = json.loads(line)
            except ValueError:  # torn by the stop itself
                continue
            yield Cell(**stored["cell"]), CellOutcome(stored["row"], tuple(tuple(point) for point in stored["course"]))
