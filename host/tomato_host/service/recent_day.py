"""The last 24 hours inside a host that has a terminal: read from its dataset once, then kept up to date."""

from __future__ import annotations

import json
from pathlib import Path

from shared_schemas.records import ObservationV1, Record, StateV1, TargetsV1
from shared_schemas.records.targets_v1 import TargetSet
from tomato_host.loop.recorder import Recorder
from tomato_host.service.history import History


def recent_day(data_dir: Path, recorder: Recorder, usual_targets: TargetSet) -> History:
    """The history of the last day; every new observation, state and target is added to it.

    `usual_targets` hold until the first `targets_v1`.
    """
    day = History(data_dir)
    day.usual_targets = usual_targets.model_dump(mode="json")
    day.load_last_day()

    def add(record: Record) -> None:
        if isinstance(record, ObservationV1 | StateV1 | TargetsV1):
            day.add(json.loads(record.to_json()))

    recorder.listeners.append(add)
    return day
