"""What storage costs: appends per second by fsync policy beside a bare loop, replay speed, memory after a year."""

from __future__ import annotations

import os
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.sources.replay import ReplaySource
from tomato_host.sources.synthetic import SyntheticSource
from tomato_host.storage import Dataset
from tomato_host.storage.reader import dataset_lines
from tomato_host.storage.settings import Fsync
from tomato_host.storage.verify import verify

from shared_schemas.records import ObservationV1

SITE_ZONE = ZoneInfo("Europe/Vienna")
TITLE = "Storage: appends, replay, memory"
START = datetime(2026, 1, 1, tzinfo=UTC)


def run(quick: bool) -> dict[str, object]:
    """Plain figures; `quick` uses fewer records and a simulated month in place of a year."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        synced, plain = (200, 2_000) if quick else (1_000, 20_000)
        observations = _observations(plain)
        figures: dict[str, object] = {"record_bytes": len(observations[0].to_json())}
        for policy, count in (("always", synced), ("interval", plain), ("never", plain)):
            ours, bare = _side_by_side(base, observations[:count], policy)  # type: ignore[arg-type]  # a literal
            figures[f"appends_per_s_{policy}"] = round(ours)
            figures[f"bare_writes_per_s_{policy}"] = round(bare)
            figures[f"share_of_bare_{policy}"] = round(ours / bare, 3)
        figures |= _replay_speed(base / "never", plain)
        figures |= _memory(base / "year", days=30 if quick else 365)
    return figures


def _observations(count: int) -> list[ObservationV1]:
    source = SyntheticSource(1, START, count / 360.0, 10.0, zone=SITE_ZONE)
    return [observation for _ in range(count) if (observation := source.next_observation()) is not None]


def _per_s(count: int, work: Callable[[], None]) -> float:
    begin = time.perf_counter()
    work()
    return count / (time.perf_counter() - begin)


def _side_by_side(base: Path, observations: list[ObservationV1], policy: Fsync) -> tuple[float, float]:
    """Records per second of the dataset, and of a bare os.write with the same syncs, in turns of a tenth each.

    The bare loop is given the finished JSON; the dataset also serialises, counts, hashes and chains.
    """
    fd = os.open(base / f"bare_{policy}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    lines = [observation.to_json().encode() + b"\n" for observation in observations]
    ours_s = bare_s = 0.0
    step = len(lines) // 10
    with Dataset.open(base / policy, fsync=policy) as dataset:
        for begin in range(0, len(lines), step):
            started = time.perf_counter()
            for observation in observations[begin : begin + step]:
                dataset.append(observation)
            ours_s += time.perf_counter() - started
            started = time.perf_counter()
            for line in lines[begin : begin + step]:
                os.write(fd, line)
                if policy == "always":
                    os.fsync(fd)
            bare_s += time.perf_counter() - started
    os.close(fd)
    return len(lines) / ours_s, len(lines) / bare_s


def _replay_speed(root: Path, count: int) -> dict[str, object]:
    """Records per second: read and validated; verified; and all the way through the estimator."""

    def read() -> None:
        source = ReplaySource(dataset_lines(root))
        while source.next_observation() is not None:
            pass

    def estimate() -> None:
        source, estimator = ReplaySource(dataset_lines(root)), Estimator(EstimatorSettings())
        while (observation := source.next_observation()) is not None:
            estimator.step(observation, source.device_status())

    return {
        "read_records_per_s": round(_per_s(count, read)),
        "verify_records_per_s": round(_per_s(count, lambda: _verify(root))),
        "replay_records_per_s": round(_per_s(count, estimate)),
    }


def _verify(root: Path) -> None:
    if not verify(root).ok:
        raise RuntimeError("the benchmark's own dataset does not verify")


def _memory(root: Path, days: int) -> dict[str, object]:
    """Python memory that source, estimator and dataset hold on to, after ten days and after the whole span.

    Hourly observations: the estimator's 48 h are full and every module is loaded by then; what grows is a leak.
    """
    tracemalloc.start()
    source = SyntheticSource(1, START, days * 24.0, 3_600.0, zone=SITE_ZONE)
    estimator = Estimator(EstimatorSettings(sample_period_s=3_600.0))
    held: dict[int, int] = {}
    with Dataset.open(root, fsync="never") as dataset:
        while (observation := source.next_observation()) is not None:
            estimate = estimator.step(observation, source.device_status())
            dataset.append(observation)
            dataset.append(estimate.state)
            day = (observation.ts - START) // timedelta(days=1)
            if day in (10, days - 1) and day not in held:
                held[day] = tracemalloc.get_traced_memory()[0]
        records = dataset.records
    tracemalloc.stop()
    return {
        "memory_days": days,
        "memory_records": records,
        "memory_kib_day_10": held[10] // 1024,
        "memory_kib_last_day": held[days - 1] // 1024,
        "memory_growth_kib": (held[days - 1] - held[10]) // 1024,
    }


if __name__ == "__main__":
    for name, value in run(quick="--quick" in sys.argv).items():
        print(f"{name:28s} {value}")
