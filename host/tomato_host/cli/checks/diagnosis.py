"""The result of one check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]
"""`note`: works, but worth knowing. `problem`: must be fixed; the doctor then exits with 1."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Name of the check, level, result, and the next step."""

    name: str
    level: Level
    text: str
    next_step: str = ""
