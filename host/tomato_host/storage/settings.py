"""Settings of the dataset."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Fsync = Literal["always", "interval", "never"]
Rotate = Literal["month", "day", "size"]
OnMalformed = Literal["raise", "skip"]


class StorageSettings(BaseModel):
    """How `Dataset.open` writes; docs/dataset.md explains them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fsync: Fsync = "interval"
    """always: on the disk when `append` returns. interval: as the next two keys say. never: when the system decides."""
    fsync_interval_s: Annotated[float, Field(gt=0.0, le=3_600.0)] = 5.0
    """Decisions, refusals, actions, events, alarms."""
    fsync_telemetry_s: Annotated[float, Field(gt=0.0, le=3_600.0)] = 60.0
    """Readings and what follows from them alone; gathering them spares an SD card."""
    flush_every: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Lines gathered into one write; more than 1 acknowledges records before they left the process."""
    rotate: Rotate = "month"
    """When a new file is begun."""
    max_bytes: Annotated[int, Field(ge=1_024)] = 64 * 1024 * 1024
    """Largest file with rotate = "size"."""
    mb_per_day: Annotated[float, Field(ge=0.5, le=100_000.0)] = 20.0
    """Records a day. Beyond that readings are thinned evenly; decisions, refusals, events and alarms never are."""
    mb_total: Annotated[float, Field(ge=10.0, le=10_000_000.0)] = 4_000.0
    """All records together. Beyond that the oldest files of raw readings are deleted, and nothing else."""
    photos_mb_total: Annotated[float, Field(ge=1.0, le=10_000_000.0)] = 2_000.0
    """All photos together. Beyond that those of the oldest days are deleted."""
    on_malformed: OnMalformed = "raise"
    """What happens to something that is not a valid record: an error to the caller, or logged and left out."""
