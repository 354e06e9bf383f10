"""The settings and the time zone a dataset was recorded with; commands that read it show its local times."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.settings import Settings


def dataset_settings(recording: Path, config: Path | None) -> Settings:
    """Those of `config`, else those the dataset was recorded with, else the defaults. Raises TomatoError E-CONFIG-*,
    E-STORAGE-DAMAGED, E-STORAGE-NEWER."""
    from tomato_host.settings import load_settings, parse_recorded_settings
    from tomato_host.storage.layout import METADATA, read_metadata

    if config is None:
        recorded = read_metadata(recording).get("settings")
        if isinstance(recorded, dict) and recorded:
            return parse_recorded_settings(recorded, str(recording / METADATA))
    return load_settings(config)


def dataset_zone(recording: Path, config: Path | None = None) -> ZoneInfo:
    """The time zone of the plants: of `config`, else of the recording, else of the defaults."""
    return dataset_settings(recording, config).site.zone


def parse_local_time(text: str, zone: ZoneInfo, code: str, example: str) -> datetime:
    """An ISO 8601 time; without an offset it is local time of `zone`. Raises TomatoError with `code`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        next_step = f"write it like {example}, with an offset if it is not local time"
        raise TomatoError(code, f"{text!r} is not a valid time.", next_step) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
