"""What may be acknowledged to the board: only what has had the time to reach the disk."""

from __future__ import annotations

from tomato_host.board.delayed_watermark import DelayedWatermark


def test_without_a_span_all_is_safe_at_once() -> None:
    count = DelayedWatermark()
    for value in range(5):
        count.update(value, value * 10)
        assert count.value == value


def test_with_a_span_it_lags_behind_by_just_that() -> None:
    count = DelayedWatermark(1_000)
    for moment in range(0, 5_000, 100):
        count.update(moment // 100, moment)
        assert count.value == max(-1, moment // 100 - 10)


def test_a_number_that_rests_ripens_once_and_a_new_boot_begins_anew() -> None:
    count = DelayedWatermark(1_000)
    for moment in range(0, 3_000, 10):
        count.update(7, moment)
    assert count.value == 7
    count.clear()
    count.update(0, 3_000)
    assert count.value == -1
    count.update(0, 4_000)
    assert count.value == 0
