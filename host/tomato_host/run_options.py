"""What `tomato-host run` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

SIM = "sim"
"""Address of the virtual board."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of `tomato-host run`."""

    board: str | None
    config: Path | None
    data_dir: Path
    time_scale: float = 1.0
    duration_hours: float | None = None
    seed: int = 0
    scenario: str = ""
    start: datetime | None = None
    as_json: bool = False
    setup_port: int | None = None
    """Port of the set-up pages on the first run; None: the usual one."""
    fault_menu: bool = False
    """The dashboard offers faults of the simulated tent; for the demo alone."""
