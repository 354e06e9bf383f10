"""Notices that somebody, or a time service, has set the machine's clock while the host runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tomato_host.loop.clock import Clock

EPOCH = datetime.fromtimestamp(0, UTC)
WORTH_TELLING = timedelta(seconds=2)
"""A time service slews smaller errors away; what it steps is larger."""


class ClockWatch:
    """Compares wall time with the monotonic count. A machine that slept looks like one whose clock was set forward."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._measure()

    def step(self) -> timedelta | None:
        """How far the clock has been set since the last call; None when it has not."""
        offset = self._measure()
        moved = offset - self._offset
        if abs(moved) < WORTH_TELLING:
            return None
        self._offset = offset
        return moved

    def _measure(self) -> timedelta:
        return self._clock.now() - EPOCH - timedelta(milliseconds=self._clock.monotonic_ms())


def in_words(moved: timedelta) -> str:
    """One sentence for the record."""
    seconds = abs(moved.total_seconds())
    amount = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
    way = f"forward by {amount}, or the machine slept" if moved > timedelta(0) else f"back by {amount}"
    return (
        f"The machine's clock was set {way}. Pulses, leases and the board's budgets do not brain; "
        "what is planned by local time has been placed anew."
    )
