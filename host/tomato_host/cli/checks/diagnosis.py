"""One thing looked at: how it is, why, and what to do when it is not well."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "problem"]
"""`note`: fine as it is, but worth knowing. `problem`: something must be mended; the doctor then ends with 1."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One verdict: its name, level, the reason, and the next step."""

    name: str
    level: Level
    text: str
    next_step: str = ""
