"""The last 24 hours inside a host that has a terminal: read from its dataset once, then kept up to date."""

from __future__ import annotations

import json
from pathlib import Path

from shared_schemas.records import ObservationV1, Record, StateV1, TargetsV1
from tomato_host.loop.recorder import Recorder
from tomato_host.service.history import History


def recent_day(data_dir: Path, recorder: Recorder) -> History:
    """The history of the last day; every new observation, state and target is added to it."""
    day = History(data_dir)
    day.load_last_day()

    def add(record: Record) -> None:
        if isinstance(record, ObservationV1 | StateV1 | TargetsV1):
            day.add(json.loads(record.to_json()))

    recorder.listeners.append(add)
    return day
