"""Two times from one clock: wall time for records, a monotonic count for everything that waits.

Everything timed in the host asks an injected `Clock`; nothing calls `time` or `datetime.now` on its own. There are
three: `RealClock` (the machine's), `SimClock` (logical time, at any scale) and the twin's lock step, for which
waiting *is* what moves board and tent (`twin/board_runtime.py`).

Wall time may step: an operator, a time service or a battery-less Raspberry Pi sets it by hours. The monotonic count
never goes back. Hence leases, retries, pulses and the scheduler use the count only; wall time goes into records and
into what follows the local day. Two consequences need care. A moment of the board arrives as a monotonic moment and
becomes wall time by what the wall clock shows *now* (`wall_time_at`), not by an offset fixed at the start. And spans
counted in wall time, such as how long the link has been down, must be moved when the clock is set: `ClockWatch`
detects a step by comparing the two times, the supervisor records it (`clock_set`), and a replay applies the same
correction.

`SimClock` stands still between waits and lands on each deadline exactly. So the steps of a run do not depend on the
scale or on how busy the machine is; with a scale above 0 only the pacing differs, and it is paced against the sum of
all waits, so that work done in between does not accumulate as delay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Wake(Protocol):
    """Something that may end a wait early, such as a serial port with bytes to read."""

    def wait(self, timeout_s: float) -> bool | None:
        """Block for `timeout_s` seconds at most; a true answer means: stop waiting, there is work."""


class Clock(Protocol):
    """The time source of every timed part. Wall time may step; `monotonic_ms` never goes back."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds since some fixed moment."""

    def wait_until_ms(self, deadline_ms: int, wake: Wake | None = None) -> None:
        """Return when `monotonic_ms()` has reached `deadline_ms`, or earlier when `wake` says so."""


def wall_time_at(clock: Clock, monotonic_ms: float) -> datetime:
    """The wall time (aware) of a past moment of the monotonic count, by what the wall clock shows now."""
    return clock.now() - timedelta(milliseconds=clock.monotonic_ms() - monotonic_ms)


class _Sleeper:
    """The wake of a wait for time alone."""

    def wait(self, timeout_s: float) -> bool | None:
        time.sleep(timeout_s)
        return False


_SLEEPER = _Sleeper()


class RealClock:
    """The machine's own time. A step of the wall clock (NTP, a person) leaves `monotonic_ms` undisturbed."""

    def __init__(
        self,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall = wall
        self._monotonic_ns = monotonic_ns

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return self._wall()

    def monotonic_ms(self) -> int:
        """Milliseconds of the machine's monotonic clock."""
        return self._monotonic_ns() // 1_000_000

    def wait_until_ms(self, deadline_ms: int, wake: Wake | None = None) -> None:
        """Sleep until the deadline; `wake` may end the sleep early."""
        waker = wake or _SLEEPER
        while (left_ms := deadline_ms - self.monotonic_ms()) > 0:
            if waker.wait(left_ms / 1000.0):
                return


class SimClock:
    """Logical time that runs `time_scale` times as fast as the wall; 0 jumps from deadline to deadline at once.

    Logical time stands still between waits and lands on each deadline exactly, so a run takes the same
    steps at every scale. Only a `wake` that fires during a scaled wait lands between deadlines.
    """

    def __init__(
        self,
        start: datetime,
        time_scale: float = 0.0,
        *,
        start_ms: int = 0,
        real_monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if start.tzinfo is None:
            raise ValueError("SimClock needs an aware start time")
        if not 0.0 <= time_scale < float("inf"):
            raise ValueError(f"time_scale must be 0 (as fast as possible) or more, not {time_scale}")
        self._start = start.astimezone(UTC)
        self._start_ms = start_ms
        self._now_ms = start_ms
        self._scale = float(time_scale)
        self._real_ns = real_monotonic_ns
        self._paced_to_ns: int | None = None

    @property
    def time_scale(self) -> float:
        """Logical seconds per wall second; 0 means no pacing."""
        return self._scale

    def now(self) -> datetime:
        """Logical wall time, aware, UTC."""
        return self._start + timedelta(milliseconds=self._now_ms - self._start_ms)

    def monotonic_ms(self) -> int:
        """Logical milliseconds; `start_ms` at the start."""
        return self._now_ms

    def advance_to_ms(self, moment_ms: int) -> None:
        """Set logical time to `moment_ms` without waiting; earlier moments are ignored (time never goes back)."""
        self._now_ms = max(self._now_ms, moment_ms)

    def wait_until_ms(self, deadline_ms: int, wake: Wake | None = None) -> None:
        """Move logical time to the deadline, paced by `time_scale`; `wake` may stop the move early."""
        if deadline_ms <= self._now_ms:
            return
        if self._scale == 0.0:
            if wake is None or not wake.wait(0.0):
                self._now_ms = deadline_ms
            return
        self._wait_paced(deadline_ms, wake or _SLEEPER)

    def _wait_paced(self, deadline_ms: int, waker: Wake) -> None:
        # Paced against the sum of all waits, so that the work done between them does not slow the day down.
        begin_ns = self._real_ns() if self._paced_to_ns is None else self._paced_to_ns
        end_ns = begin_ns + round((deadline_ms - self._now_ms) * 1e6 / self._scale)
        while (left_ns := end_ns - self._real_ns()) > 0:
            if waker.wait(left_ns / 1e9):
                woken_ns = min(max(self._real_ns(), begin_ns), end_ns)
                self._now_ms += int((woken_ns - begin_ns) * self._scale / 1e6)
                self._paced_to_ns = woken_ns
                return
        self._now_ms = deadline_ms
        self._paced_to_ns = end_ns


EPOCH = datetime.fromtimestamp(0, UTC)
CLOCK_SET_THRESHOLD = timedelta(seconds=2)
"""A time service slews smaller errors away; what it steps is larger."""


class ClockWatch:
    """Detects that the wall clock was set, by comparing it with the monotonic count.

    A machine that slept looks like one whose clock was set forward.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset = self._measure()

    def step(self) -> timedelta | None:
        """How far the clock has been set since the last call; None when it has not."""
        offset = self._measure()
        moved = offset - self._offset
        if abs(moved) < CLOCK_SET_THRESHOLD:
            return None
        self._offset = offset
        return moved

    def _measure(self) -> timedelta:
        return self._clock.now() - EPOCH - timedelta(milliseconds=self._clock.monotonic_ms())


def describe_clock_step(moved: timedelta) -> str:
    """One sentence for the record."""
    seconds = abs(moved.total_seconds())
    amount = f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds:.0f} s"
    direction = f"forward by {amount}, or the machine slept" if moved > timedelta(0) else f"back by {amount}"
    return (
        f"The machine's clock was set {direction}. Pulses, leases and the board's budgets are not affected; "
        "what follows local time uses the new clock."
    )
