"""After a kill the board tells its last samples again; those the dataset holds are not stored twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from tomato_host.board.events import Sample
from tomato_host.loop.clock import SimClock, wall_time_at
from tomato_host.recovery.stored_samples import stored_samples
from tomato_host.storage.dataset import Dataset

from shared_schemas.records import ObservationV1
from shared_schemas.records.observation_v1 import QUANTITIES, BoardStamp

START = datetime(2026, 2, 14, 10, 0, tzinfo=UTC)


def observation(boot_id: int, seq: int) -> ObservationV1:
    """What the dataset holds of one sample: nothing measured, all named."""
    return ObservationV1(
        schema_version="observation_v1",
        ts=START + timedelta(seconds=10 * seq),
        origin="board",
        soil=(),
        missing=dict.fromkeys(QUANTITIES, "timeout"),
        board=BoardStamp(boot_id=boot_id, seq=seq, t_ms=10_000 * seq),
        **dict.fromkeys(QUANTITIES),
    )


def sample(boot_id: int, seq: int, host_ms: float) -> Sample:
    return Sample(boot_id, seq, 10_000 * seq, host_ms, {}, {}, 0, "READY", True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with Dataset.open(tmp_path / "data") as dataset:
        for seq in range(20):
            dataset.append(observation(7, seq))
    return tmp_path / "data"


def test_the_same_sample_is_known_again_and_only_that(root: Path) -> None:
    clock = SimClock(START + timedelta(hours=1))
    known = stored_samples(root, partial(wall_time_at, clock))
    taken_ms = -3_600_000.0 + 50_000
    assert known(sample(7, 5, taken_ms))
    assert not known(sample(7, 20, taken_ms)), "never stored"
    assert not known(sample(8, 5, taken_ms)), "another boot"
    assert not known(sample(7, 5, 0.0)), "a virtual board's boot number, used again an hour later"


def test_a_damaged_or_missing_dataset_knows_nothing(root: Path, tmp_path: Path) -> None:
    clock = SimClock(START)
    assert not stored_samples(tmp_path / "nowhere", partial(wall_time_at, clock))(sample(7, 0, 0.0))
    for path in (root / "private").glob("sensors_raw*.jsonl"):
        path.write_bytes(b"{broken\n" + path.read_bytes()[:-40])
    known = stored_samples(root, partial(wall_time_at, clock))
    assert known(sample(7, 0, 0.0))
    assert not known(sample(7, 19, 190_000.0))
