"""Which of the board's samples the dataset holds already: a killed process had not acknowledged its last ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from tomato_host.board.events import Sample
from tomato_host.runtime.clock import Clock
from tomato_host.storage.layout import stream_of
from tomato_host.storage.reader import stream_files

TAIL_BYTES = 2_000_000
"""Enough for four times what the board's ring can hold."""
SAME_MOMENT = timedelta(seconds=30)
"""Boot ids of virtual boards repeat; the same number at another time is another sample."""


def stored_samples(root: Path, clock: Clock) -> Callable[[Sample], bool]:
    """A test for samples that the dataset at `root` already holds. A damaged line holds nothing."""
    files = stream_files(root / "private").get(stream_of("observation_v1"), [])
    moments = dict(line for path in files[-2:] for line in _tail(path))

    def is_stored(sample: Sample) -> bool:
        stored = moments.get((sample.boot_id, sample.seq))
        if stored is None:
            return False
        age = timedelta(milliseconds=clock.monotonic_ms() - sample.host_ms)
        return abs(clock.now() - age - stored) < SAME_MOMENT

    return is_stored


def _tail(path: Path) -> list[tuple[tuple[int, int], datetime]]:
    """(boot_id, seq) and time of the last observations of a file."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        lines = file.read().splitlines()
    found = []
    for line in lines:
        try:
            record = json.loads(line)["record"]
            stamp = record["board"]
            found.append(((stamp["boot_id"], stamp["seq"]), datetime.fromisoformat(record["ts"])))
        except (ValueError, KeyError, TypeError):
            continue
    return found
