"""The settings and the time zone a dataset was recorded with; commands that read it show its local times."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from tomato_host.errors import TomatoError

if TYPE_CHECKING:
    from tomato_host.settings import Settings

_ZONE_KEYS = (("site", "timezone"), ("control", "time_zone"), ("estimator", "timezone"))
"""Where the zone stands in recorded settings, newest form first; 0.1 recorded the last two only."""


def dataset_settings(recording: Path, config: Path | None) -> Settings:
    """Those of `config`, else those the dataset was recorded with, else the defaults. Raises TomatoError E-CONFIG-*."""
    from tomato_host.settings import load_settings, parse_settings

    recorded = _recorded(recording)
    if config is not None or not recorded:
        return load_settings(config)
    return parse_settings(recorded, str(recording / "metadata.json"))


def dataset_zone(recording: Path, config: Path | None = None) -> ZoneInfo:
    """The time zone of the plants: of `config`, else of the recording, else of the defaults."""
    recorded = _recorded(recording) if config is None else {}
    for section, key in _ZONE_KEYS:
        name = recorded.get(section, {}).get(key)
        if isinstance(name, str):
            return ZoneInfo(name)
    return ZoneInfo(dataset_settings(recording, config).site.timezone)


def _recorded(recording: Path) -> dict[str, Any]:
    metadata = recording / "metadata.json"
    if not metadata.is_file():
        return {}
    return dict(json.loads(metadata.read_bytes()).get("settings") or {})


def parse_local_time(text: str, zone: ZoneInfo, code: str, example: str) -> datetime:
    """An ISO 8601 time; without an offset it is local time of `zone`. Raises TomatoError with `code`."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        next_step = f"write it like {example}, with an offset if it is not local time"
        raise TomatoError(code, f"{text!r} is not a valid time.", next_step) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
