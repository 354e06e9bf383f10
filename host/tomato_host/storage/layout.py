"""Where everything stands in a dataset directory: streams, file names, run directories, the copy of the schemas."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from shared_schemas.records import RECORDS, EventV1
from tomato_host.atomic_file import make_directory, replace_file
from tomato_host.errors import TomatoError
from tomato_host.logs import Log
from tomato_host.storage.settings import Rotate

STREAM_OF: dict[str, str] = {
    "observation_v1": "sensors_raw",
    "device_status_v1": "devices",
    "state_v1": "states",
    "sensor_health_v1": "sensor_health",
    "anomaly_v1": "anomalies",
    "action_v1": "actions",
    "vision_v1": "vision",
    "vision_cv_v1": "vision_cv",
    "forecast_36h_v1": "forecasts",
    "prediction_36h_v1": "predictions",
    "targets_v1": "targets",
    "sampling_plan_v1": "sampling_plans",
    "weather_adapter_log_v1": "weather_log",
    "plan_v1": "plans",
    "event_v1": "events",
    "agent_v1": "agents",
    "growth_event_v1": "growth_events",
    "growth_report_v1": "growth_reports",
    "journal_v1": "journal",
    "extra_reading_v1": "extra_readings",
}
"""The stream that each kind of record is filed in."""

RESERVE: dict[str, float] = {
    "sensors_raw": 0.5,
    "devices": 0.1,
    "sensor_health": 0.1,
    "predictions": 0.1,
    "extra_readings": 0.1,
    "sampling_plans": 0.1,
    "weather_log": 0.1,
}
"""Streams that may be thinned, and how full the bucket must be (of the burst) for each: readings go first.

What is not named here is never thinned: actions with their refusals, plans, events, anomalies, states, targets.
"""

FORMAT = "tomato dataset 1"
METADATA = "metadata.json"
_log = Log("storage")
HEADS = "heads.json"
ANCHORED = "anchored"
"""Key of metadata.json: heads.json was written before the first record, so where it is missing it was deleted."""

_DATA_FILE = re.compile(r"(?P<stream>[a-z_]+?)_(?P<part>\d{4}-\d{2}(-\d{2})?|\d{6})\.jsonl")


def stream_of(schema_version: str) -> str:
    """The stream of a record kind; a kind unknown here gets its own, named after it."""
    return STREAM_OF.get(schema_version, schema_version.rsplit("_v", 1)[0])


def period(moment: datetime, rotate: Rotate) -> str:
    """The part of a file name that time decides, in UTC: a day is 24 h there, on change days too."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m}" if rotate == "month" else f"{utc:%Y-%m-%d}"


def file_name(stream: str, part: str, public: bool = False) -> str:
    """`states_2026-02.jsonl`, `states_public_2026-02.jsonl`, `states_000003.jsonl`."""
    return f"{stream}_public_{part}.jsonl" if public else f"{stream}_{part}.jsonl"


def split_name(name: str) -> tuple[str, str] | None:
    """Stream and part of a data file's name, or None for any other file."""
    match = _DATA_FILE.fullmatch(name)
    return None if match is None else (match["stream"], match["part"])


def create_run(base: Path, day: date) -> Path:
    """Make and return a fresh directory `run_YYYYMMDD` (then `run_YYYYMMDD_2`, ...) for a simulated run.

    Raises TomatoError E-STORAGE-UNWRITABLE.
    """
    number = 1
    while True:
        name = f"run_{day:%Y%m%d}" + (f"_{number}" if number > 1 else "")
        try:
            make_directory(base / name, exist_ok=False)
        except FileExistsError:
            number += 1
            continue
        except OSError as error:
            raise TomatoError(
                "E-STORAGE-UNWRITABLE",
                f"{base / name} cannot be made: {error.strerror or error}.",
                "Give another output directory, free space on its disk, or allow writing there.",
            ) from error
        return base / name


def find_runs(base: Path) -> list[Path]:
    """All run directories below `base`, oldest day first, repeated days in the order they were made."""
    found: list[tuple[str, int, Path]] = []
    for path in base.glob("run_*"):
        match = re.fullmatch(r"run_(\d{8})(?:_(\d+))?", path.name)
        if match and path.is_dir():
            found.append((match[1], int(match[2] or 1), path))
    return [path for _, _, path in sorted(found)]


def write_schemas(folder: Path) -> str:
    """Write one JSON Schema per record kind; returns the SHA-256 over all of them."""
    digest = hashlib.sha256()
    for version, model in RECORDS.items():
        text = json.dumps(model.model_json_schema(), indent=1, sort_keys=True) + "\n"
        digest.update(text.encode())
        replace_file(folder / f"{version}.schema.json", text.encode(), durable=False)
    return digest.hexdigest()


def read_metadata(root: Path) -> dict[str, Any]:
    """What metadata.json of a dataset holds; empty when there is none.

    Raises TomatoError E-STORAGE-DAMAGED, E-STORAGE-NEWER for a dataset that a later version of this program has made.
    """
    try:
        found = json.loads((root / METADATA).read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except (FileNotFoundError, NotADirectoryError):  # a single file of records has none either
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise TomatoError(
            "E-STORAGE-DAMAGED",
            f"{root / METADATA} cannot be read: {' '.join(str(error).split())}.",
            "take the file out of a backup; `tomato-host run` makes a new one and sets this one aside",
        ) from None
    if str(found.get("format", FORMAT)) != FORMAT:
        raise TomatoError(
            "E-STORAGE-NEWER",
            f"{root} has the format {str(found['format'])[:60]!r}, and this version knows {FORMAT!r}.",
            "use the version that made it, or give another --data-dir; nothing was changed",
        )
    return found


def _needs_metadata(root: Path) -> bool:
    """Whether metadata.json is to be written. A damaged one is set aside: the plant needs its records all the same.

    Raises TomatoError E-STORAGE-NEWER.
    """
    path = root / METADATA
    if not path.exists():
        return True
    try:
        read_metadata(root)
    except TomatoError as error:
        if error.code != "E-STORAGE-DAMAGED":
            raise
        path.replace(path.with_name(f"{METADATA}.damaged"))
        _log.warning("metadata_set_aside", reason=error.message)
        return True
    return False


def make_layout(root: Path, about: Mapping[str, Any]) -> None:
    """Make the directories of a dataset and, in a new one, its schemas and metadata.json.

    Raises TomatoError E-STORAGE-UNWRITABLE, E-STORAGE-NEWER.
    """
    try:
        for folder in ("private/images", "public/images", "schema"):
            make_directory(root / folder)
        if _needs_metadata(root):
            schema_hash = write_schemas(root / "schema")
            metadata = {
                "format": FORMAT,
                ANCHORED: True,
                "schemas_sha256": schema_hash,
                "time_zone_of_file_names": "UTC",
                **about,
            }
            replace_file(root / METADATA, json.dumps(metadata, indent=1).encode() + b"\n")
    except OSError as error:
        raise TomatoError(
            "E-STORAGE-UNWRITABLE",
            f"The data directory {root} cannot be written: {error.strerror or error}.",
            "Give another --data-dir, free space on its disk, or allow writing there.",
        ) from error


def storage_event(ts: datetime, level: str, name: str, text: str, **data: int) -> EventV1:
    """An event of kind storage."""
    return EventV1.model_validate(
        {
            "schema_version": "event_v1",
            "ts": ts,
            "level": level,
            "kind": "storage",
            "name": name,
            "text": text,
            "data": data,
        }
    )
