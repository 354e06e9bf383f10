"""What a gate must know of a block as the brain will read it: written, read back, and compared with its learner."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import numpy as np

from tomato_host.brain.world_model.arrays import Array
from tomato_host.brain.world_model.data import HORIZON_H
from tomato_host.brain.world_model.grown_block import MOST_TYPICAL, block_from_arrays, correction
from tomato_host.brain.world_model.grown_features import FEATURES
from tomato_host.learn.residuals import ResidualTable
from tomato_host.learn.slot_learner import LearnerKind, SlotLearner

SAME = 1e-4
"""Largest difference between numpy and the learner, in typical errors: float32 in torch, float64 here."""

_SAMPLE = 2_000
_REPEATS = 5


@dataclass(frozen=True)
class ExportFacts:
    """Measured on the exported block."""

    outputs_finite: bool
    same_as_trainer: bool
    pause_resume: bool
    forward_ms: float
    shift_p99: float
    """99th percentile of the correction, in typical errors."""


def export_facts(
    learner: SlotLearner, kind: LearnerKind, table: ResidualTable, cpu_s: Callable[[], float] = time.thread_time
) -> ExportFacts:
    """Write the block, read it back, evaluate it. A block that cannot be read back fails every fact."""
    arrays = learner.arrays(table.typical)
    body, back = _round_trip(arrays)
    try:
        block = block_from_arrays("checked", kind, table.weather, back, "")
    except ValueError:
        return ExportFacts(False, False, False, float("inf"), float("inf"))
    x = table.x[-_SAMPLE:]
    one_typical = block_from_arrays("checked", kind, table.weather, back | {"typical": np.ones(HORIZON_H)}, "")
    added = correction(one_typical, x[:, None, :], np.array([1], dtype=np.int64))[:, 0]
    own = np.clip(learner.predict(x), -MOST_TYPICAL, MOST_TYPICAL)
    times = []
    hours, horizons = np.zeros((1, HORIZON_H, len(FEATURES))), np.arange(1, HORIZON_H + 1, dtype=np.int64)
    for _ in range(_REPEATS):
        started = cpu_s()
        correction(block, hours, horizons)
        times.append((cpu_s() - started) * 1_000.0)
    return ExportFacts(
        bool(np.isfinite(added).all()),
        bool(np.abs(added - own).max() <= SAME),
        _round_trip(back)[0] == body,
        statistics.median(times),
        float(np.quantile(np.abs(added), 0.99)),
    )


def _round_trip(arrays: dict[str, Array]) -> tuple[bytes, dict[str, Array]]:
    buffer = BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy types **kwds as bool
    with np.load(BytesIO(buffer.getvalue()), allow_pickle=False) as stored:
        back = {name: stored[name] for name in stored.files}
    return b"".join(array.tobytes() for _, array in sorted(arrays.items())), back
