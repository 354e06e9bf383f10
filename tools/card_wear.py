"""What a day of records costs an SD card, measured: real ext4 on a file, real syncs, a simulated day's own records.

Linux, as root (it mounts). The block layer's own counter is read before and after: data, journal and metadata.
    python tools/card_wear.py DATASET [--hours 4]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import timedelta
from itertools import dropwhile, takewhile
from pathlib import Path

from tomato_host.storage import Dataset, dataset
from tomato_host.storage.reader import read_records

from shared_schemas.records import Record

IMAGE_MB = 256
SECTOR_BYTES = 512
FIELD_SECTORS_WRITTEN = 6
"""Of /sys/block/*/stat."""
WARM_UP = timedelta(hours=6)
MONOTONIC = time.monotonic


@contextlib.contextmanager
def card(folder: Path) -> Iterator[tuple[Path, Path]]:
    """A mounted file system of its own, and the counter of its device."""
    image, place = folder / "card.img", folder / "card"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_MB * 1_000_000)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop", str(image), str(place)], check=True)
    try:
        asked = ["findmnt", "-n", "-o", "SOURCE", str(place)]
        device = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()).name
        yield place, Path("/sys/block") / device / "stat"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def written_bytes(counter: Path) -> int:
    """What the device has taken so far, everything flushed."""
    os.sync()
    return int(counter.read_text().split()[FIELD_SECTORS_WRITTEN]) * SECTOR_BYTES


def keep(records: list[Record], place: Path) -> int:
    """Append them as the host would have in their own time; returns the bytes of their lines."""
    now_s = 0.0
    dataset.time.monotonic = lambda: now_s  # type: ignore[assignment]  # the records' time is the only one here
    try:
        with Dataset.open(place / "data") as kept:
            for record in records:
                now_s = (record.ts - records[0].ts).total_seconds()
                kept.append(record)
                while kept._background._work is not None:
                    time.sleep(0.0005)
    finally:
        dataset.time.monotonic = MONOTONIC
    return sum(path.stat().st_size for path in (place / "data" / "private").glob("*.jsonl"))


def main() -> None:
    """Print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--hours", type=float, default=4.0)
    args = parser.parse_args()
    everything = read_records(args.dataset)
    first = next(everything).ts + WARM_UP
    span = timedelta(hours=args.hours)
    records = list(takewhile(lambda r: r.ts < first + span, dropwhile(lambda r: r.ts < first, everything)))
    with tempfile.TemporaryDirectory() as folder, card(Path(folder)) as (place, counter):
        before = written_bytes(counter)
        lines = keep(records, place)
        card_mb = (written_bytes(counter) - before) / 1e6 * 24 / args.hours
    record_mb = lines / 1e6 * 24 / args.hours
    print(
        json.dumps(
            {
                "records": len(records),
                "hours": args.hours,
                "record_mb_per_day": round(record_mb, 2),
                "card_mb_per_day": round(card_mb, 1),
                "years_per_tbw": round(1e6 / card_mb / 365, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
