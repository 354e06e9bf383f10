"""A deterministic scheduler: periodic and one-shot tasks in one thread, by an injected clock.

The heap holds, for each task, its next due moment in ms of the clock's *monotonic* count, so a wall clock that
is set moves nothing. Order is total - due moment, priority, order of registration - hence two runs of the same tasks
take the same steps, and a simulation repeats to the byte. Between two due moments the scheduler waits on the clock: the
machine's clock sleeps, a SimClock jumps, and the lock step moves board and tent to that moment.

States of a task: *waiting* (one valid place in the heap), *running* (its next place is in the heap already, so a task
that raises keeps its cadence), *suspended* (its places are void, its grid is kept), *cancelled* (its places are void).
Changing a period, suspending and cancelling do not search the heap: each place carries a ticket, and one whose ticket
is not the task's newest is dropped when it comes up.

After a stall (a suspended laptop, a slow disk) a periodic task runs once and the missed runs are counted, not made up
for: a plant does not need the six decisions that a sleeping machine did not take. The grid of due moments is kept, so
a long run does not drift.

Alternatives rejected: asyncio, whose order of ready callbacks is not part of its contract and whose time cannot be
stepped; one thread per task, which would need locks around the brain and could not be replayed; cron-like local times,
which nothing needs: what follows the local day (photoperiod, the nightly rebuild at 00:10) is decided inside the brain,
from the time of the observation, so that a replay decides the same.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from tomato_host.loop.clock import Clock, Wake

STOP_LATENCY_S = 0.25
"""Longest time a stop asked for by a signal handler stays unseen during a wait."""


class Run(NamedTuple):
    """What a task learns about the run it is in. Moments are ms of the clock's monotonic count."""

    name: str
    due_ms: int
    now_ms: int
    missed: int
    """Runs of a periodic task that fell into a stall just before this one and were not made up for."""


Task = Callable[[Run], None]


@dataclass(slots=True)
class _Entry:
    name: str
    task: Task
    priority: int
    order: int
    period_ms: int = 0
    ticket: int = 0
    runs: int = 0
    missed: int = 0
    alive: bool = True
    suspended: bool = False
    next_ms: int = 0
    """Its newest place in the heap, or the one it had when it was suspended: a moment of its grid."""


class _Due(NamedTuple):
    """A place in the heap; `serial` is unique, so no comparison gets as far as the entry."""

    due_ms: int
    priority: int
    order: int
    serial: int
    entry: _Entry
    ticket: int


class Scheduler:
    """Runs tasks in the order (due time, priority, order of registration) by an injected clock.

    A task that raises leaves the scheduler consistent; `run` may be called again.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[_Due] = []
        self._entries: dict[str, _Entry] = {}
        self._serial = 0
        self._orders = 0
        self._stopping = False

    # -- registration ------------------------------------------------------------------------------------------

    def every(self, name: str, period_ms: int, task: Task, *, priority: int = 100, first_after_ms: int = 0) -> None:
        """Run `task` now + `first_after_ms` and then each `period_ms`. Lower priority numbers go first."""
        if period_ms <= 0:
            raise ValueError(f"task {name!r}: the period must be positive, not {period_ms} ms")
        entry = self._register(name, task, priority)
        entry.period_ms = period_ms
        self._push(entry, self._clock.monotonic_ms() + first_after_ms)

    def once(self, name: str, after_ms: int, task: Task, *, priority: int = 100) -> None:
        """Run `task` a single time, `after_ms` from now; its name is free again afterwards."""
        self._push(self._register(name, task, priority), self._clock.monotonic_ms() + max(0, after_ms))

    def set_period(self, name: str, period_ms: int) -> None:
        """Give a periodic task a new cadence from now on (event-driven sampling)."""
        entry = self._entries[name]
        if period_ms <= 0 or entry.period_ms == 0:
            raise ValueError(f"task {name!r}: cannot take a period of {period_ms} ms")
        if period_ms != entry.period_ms:
            entry.period_ms = period_ms
            self._push(entry, self._clock.monotonic_ms() + period_ms)

    def suspend(self, name: str) -> None:
        """Let a periodic task miss its moments, uncounted, until `resume`. Twice is once."""
        self._entries[name].suspended = True

    def resume(self, name: str) -> None:
        """Let a suspended task go on at the next moment of its old grid, this one included."""
        entry = self._entries[name]
        if not entry.suspended:
            return
        entry.suspended = False
        behind_ms = max(0, self._clock.monotonic_ms() - entry.next_ms)
        self._push(entry, entry.next_ms + -(-behind_ms // entry.period_ms) * entry.period_ms)

    def cancel(self, name: str) -> None:
        """Forget a task; unknown names are ignored."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            entry.alive = False

    # -- running -----------------------------------------------------------------------------------------------

    def run(
        self,
        until_ms: int | None = None,
        wake: Wake | None = None,
        on_wake: Callable[[int], None] | None = None,
    ) -> None:
        """Run tasks until `stop()`, until nothing is left to do, or until `until_ms` (tasks due then stay undone).

        `on_wake(now_ms)` is called each time `wake` ended a wait before its deadline.
        """
        interruptible = _Interruptible(self, wake)
        while not self._stopping:
            self.run_pending(until_ms)
            due_ms = self.next_due_ms()
            if self._stopping or (due_ms is None and until_ms is None):
                return
            done = until_ms is not None and (due_ms is None or due_ms >= until_ms)
            deadline_ms = until_ms if done else due_ms
            assert deadline_ms is not None
            self._clock.wait_until_ms(deadline_ms, interruptible)
            if self._clock.monotonic_ms() >= deadline_ms:
                if done:
                    return
            elif on_wake is not None and not self._stopping:
                on_wake(self._clock.monotonic_ms())

    def run_pending(self, until_ms: int | None = None) -> int:
        """Run everything due now (and before `until_ms`); returns how many runs that were."""
        count = 0
        while not self._stopping:
            due_ms = self.next_due_ms()
            now_ms = self._clock.monotonic_ms()
            if due_ms is None or due_ms > now_ms or (until_ms is not None and due_ms >= until_ms):
                break
            self._run_one(heapq.heappop(self._heap), now_ms)
            count += 1
        return count

    def next_due_ms(self) -> int | None:
        """When the next task is due, or None when there is none."""
        while self._heap and not self._current(self._heap[0]):
            heapq.heappop(self._heap)
        return self._heap[0].due_ms if self._heap else None

    def stop(self) -> None:
        """Ask `run` to return after the task in hand, for good; safe to call from a task or a signal handler."""
        self._stopping = True

    @property
    def stopping(self) -> bool:
        """True once `stop()` has been called."""
        return self._stopping

    def counts(self) -> dict[str, tuple[int, int]]:
        """Per task: runs so far, and cadence runs missed in stalls."""
        return {entry.name: (entry.runs, entry.missed) for entry in self._entries.values()}

    # -- inside ------------------------------------------------------------------------------------------------

    def _register(self, name: str, task: Task, priority: int) -> _Entry:
        if name in self._entries:
            raise ValueError(f"a task named {name!r} is registered already")
        entry = _Entry(name, task, priority, self._orders)
        self._orders += 1
        self._entries[name] = entry
        return entry

    def _push(self, entry: _Entry, due_ms: int) -> None:
        # A new ticket makes any earlier place of the same task in the heap void.
        entry.ticket += 1
        entry.next_ms = due_ms
        self._serial += 1
        heapq.heappush(self._heap, _Due(due_ms, entry.priority, entry.order, self._serial, entry, entry.ticket))

    def _current(self, due: _Due) -> bool:
        return due.entry.alive and due.ticket == due.entry.ticket and not due.entry.suspended

    def _run_one(self, due: _Due, now_ms: int) -> None:
        entry = due.entry
        missed = 0
        if entry.period_ms:
            missed = (now_ms - due.due_ms) // entry.period_ms
            entry.missed += missed
            self._push(entry, due.due_ms + (missed + 1) * entry.period_ms)
        else:
            self.cancel(entry.name)
        entry.runs += 1
        entry.task(Run(entry.name, due.due_ms, now_ms, missed))


class _Interruptible:
    """A wake in slices, so that `stop()` from a signal handler ends a long wait soon."""

    def __init__(self, scheduler: Scheduler, wake: Wake | None) -> None:
        self._scheduler = scheduler
        self._wake = wake

    def wait(self, timeout_s: float) -> bool | None:
        end_s = time.monotonic() + timeout_s
        while not self._scheduler.stopping:
            left_s = end_s - time.monotonic()
            slice_s = min(max(left_s, 0.0), STOP_LATENCY_S)
            if self._wake is None:
                time.sleep(slice_s)
            elif self._wake.wait(slice_s):
                return True
            if left_s <= STOP_LATENCY_S:
                return False
        return True
