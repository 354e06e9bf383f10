"""The 48-hour memory: bounded, contiguous, honest about gaps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tomato_host.brain.estimator.ring_buffer import RingBuffer


def _filled(count: int, capacity: int, period_s: float = 10.0) -> RingBuffer:
    buffer = RingBuffer(("a", "b"), capacity)
    for i in range(count):
        buffer.append((i * period_s, float(i), -float(i)))
    return buffer


def test_ring_buffer_overwrites_oldest() -> None:
    buffer = _filled(25, capacity=10)
    assert len(buffer) == 10
    assert buffer.rows()[:, 1].tolist() == [float(i) for i in range(15, 25)]
    assert buffer.rows()[0, 0] == 150.0


def test_get_last_n_hours() -> None:
    buffer = _filled(48 * 360, capacity=48 * 360)
    assert len(buffer.last_n_hours(1.0)) == 361  # both ends of the hour
    window = buffer.last_n_hours(6.0)
    assert window[-1, 0] - window[0, 0] == 6 * 3_600.0
    assert len(buffer.last_n_hours(1_000.0)) == len(buffer)
    assert buffer.column("b", 1.0).tolist() == [-v for v in buffer.column("a", 1.0).tolist()]
    with pytest.raises(KeyError):
        buffer.column("c", 1.0)
    with pytest.raises(ValueError, match="positive"):
        buffer.last_n_hours(0.0)
    assert len(RingBuffer(("a",), 3).last_n_hours(1.0)) == 0


def test_last_n_hours_counts_time_not_rows() -> None:
    buffer = RingBuffer(("a",), 100)
    for t in (0.0, 10.0, 7_200.0, 7_210.0):
        buffer.append((t, 1.0))
    assert buffer.last_n_hours(1.0)[:, 0].tolist() == [7_200.0, 7_210.0]


def test_get_stats() -> None:
    buffer = RingBuffer(("a",), 1_000)
    values = [1.0, 2.0, math.nan, 4.0]
    for i, value in enumerate(values):
        buffer.append((i * 1_800.0, value))
    stats = buffer.stats("a", 48.0)
    assert (stats.count, stats.lowest, stats.highest, stats.first, stats.last) == (3, 1.0, 4.0, 1.0, 4.0)
    assert stats.mean == pytest.approx(7.0 / 3.0)
    assert stats.std == pytest.approx(float(np.std([1.0, 2.0, 4.0])))
    assert stats.slope_per_h == pytest.approx(float(np.polyfit([0.0, 0.5, 1.5], [1.0, 2.0, 4.0], 1)[0]))
    nothing = RingBuffer(("a",), 4).stats("a", 1.0)
    assert nothing.count == 0
    assert math.isnan(nothing.mean)


def test_memory_is_flat_and_views_are_not_copies() -> None:
    buffer = _filled(5, capacity=7)
    before = buffer.nbytes
    for i in range(5, 500):
        buffer.append((i * 10.0, 0.0, 0.0))
    assert buffer.nbytes == before
    assert buffer.rows().base is not None
    with pytest.raises(ValueError, match="read-only"):
        buffer.rows()[0, 0] = 1.0


def test_time_must_grow() -> None:
    buffer = _filled(3, capacity=2)
    for stale in (20.0, 19.0):
        with pytest.raises(ValueError, match="not later"):
            buffer.append((stale, 0.0, 0.0))


@given(st.integers(1, 12), st.lists(st.floats(0.1, 5_000.0), min_size=1, max_size=60))
def test_behaves_like_a_list_that_forgets(capacity: int, steps: list[float]) -> None:
    buffer = RingBuffer(("a",), capacity)
    model: list[tuple[float, float]] = []
    t = 0.0
    for i, step in enumerate(steps):
        t += step
        buffer.append((t, float(i)))
        model = [*model, (t, float(i))][-capacity:]
        assert [tuple(row) for row in buffer.rows().tolist()] == model
        assert [tuple(r) for r in buffer.last_n_hours(1.0).tolist()] == [r for r in model if r[0] >= t - 3_600.0]
