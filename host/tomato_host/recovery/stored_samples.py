"""Which samples and events of the board are stored already: a killed process had not acknowledged its last ones."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tomato_host.board.events import BoardEvent, Sample
from tomato_host.storage.layout import stream_of
from tomato_host.storage.reader import stream_files

TAIL_BYTES = 2_000_000
"""Enough for four times what the board's rings can hold, and for some days of actions."""
SAME_MOMENT = timedelta(seconds=30)
"""Boot ids of virtual boards repeat; the same number at another time is another sample."""

Numbered = dict[tuple[int, int], datetime]


def stored_samples(root: Path, wall_time: Callable[[float], datetime]) -> Callable[[Sample | BoardEvent], bool]:
    """A predicate for samples and events that the dataset at `root` already holds. Damaged lines are skipped.

    `wall_time` turns the host's monotonic milliseconds into an aware moment.
    """
    samples, events = _samples(root), _events(root)

    def is_stored(item: Sample | BoardEvent) -> bool:
        stored = (samples if isinstance(item, Sample) else events).get((item.boot_id, item.seq))
        if stored is None:
            return False
        # An event is stamped when it was received, which may be later than it happened; never much earlier.
        late = timedelta(days=4) if isinstance(item, BoardEvent) else SAME_MOMENT
        return -SAME_MOMENT < stored - wall_time(item.host_ms) < late

    return is_stored


def tail(root: Path, version: str) -> Iterator[dict[str, Any]]:
    """Records of one stream from the end of its last two files, as they were written; damaged lines are skipped."""
    if not (root / "private").is_dir():
        return
    for path in stream_files(root / "private").get(stream_of(version), [])[-2:]:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - TAIL_BYTES))
            for line in file.read().splitlines():
                try:
                    yield json.loads(line)["record"]
                except (ValueError, KeyError, TypeError):
                    continue


def newest(root: Path, version: str) -> dict[str, Any] | None:
    """The last record of a stream that can be read; None without one."""
    found = deque(tail(root, version), maxlen=1)
    return found[0] if found else None


def _samples(root: Path) -> Numbered:
    found: Numbered = {}
    for record in tail(root, "observation_v1"):
        stamp = record.get("board")
        if stamp:
            found[stamp["boot_id"], stamp["seq"]] = datetime.fromisoformat(record["ts"])
    return found


def _events(root: Path) -> Numbered:
    found: Numbered = {}
    for record in tail(root, "event_v1"):
        data = record.get("data") or {}
        if record.get("kind") == "board" and "boot" in data and "seq" in data:
            found[int(data["boot"]), int(data["seq"])] = datetime.fromisoformat(record["ts"])
    return found
