"""Three isolation violations within five minutes quarantine a slot; older ones do not count."""

from __future__ import annotations

from tomato_host.learn.isolation import ViolationWindow


def test_the_third_violation_within_five_minutes_brings_the_quarantine_once() -> None:
    window = ViolationWindow()
    assert [window.add(t) for t in (0.0, 100.0, 299.0, 299.5)] == [False, False, True, False]
    assert window.quarantined and window.count(299.5) == 4


def test_violations_that_are_spread_out_do_not() -> None:
    window = ViolationWindow()
    assert not any(window.add(t * 150.1) for t in range(50))
    assert window.count(49 * 150.1 + 1_000.0) == 0


def test_a_reset_ends_the_quarantine() -> None:
    window = ViolationWindow()
    for t in range(3):
        window.add(float(t))
    window.clear()
    assert not window.quarantined and not window.add(4.0)
