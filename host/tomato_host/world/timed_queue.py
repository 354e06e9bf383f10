"""Timed delivery: items come out at their moment and in a fixed order; exact on a simulated clock, live by one timer.

A heap holds (due, serial, item); the serial makes the order of equal moments that of insertion. The queue never sleeps
while it holds its lock, and it keeps one timer, for the earliest item: a thousand waiting items cost one entry in the
event loop, which is why it is on time where a timer each is late.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    import asyncio  # who waits has it loaded; a host without agents does without its 12 ms

Item = TypeVar("Item")


class TimedQueue(Generic[Item]):
    """Items with a moment of delivery, in seconds of `clock`. Safe for several threads; one coroutine may `get`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heap: list[tuple[float, int, Item]] = []
        self._serial = 0
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None

    def __len__(self) -> int:
        return len(self._heap)

    def put_at(self, due_s: float, item: Item) -> None:
        """Deliver `item` at `due_s`, or at once when that has passed."""
        with self._lock:
            self._serial += 1
            first = not self._heap or due_s < self._heap[0][0]
            heapq.heappush(self._heap, (due_s, self._serial, item))
        if first:
            self._wake()

    def pop_due(self, now_s: float | None = None) -> list[Item]:
        """Everything due, in order; `now_s` None: the clock's now."""
        limit_s = self._clock() if now_s is None else now_s
        items = []
        with self._lock:
            while self._heap and self._heap[0][0] <= limit_s:
                items.append(heapq.heappop(self._heap)[2])
        return items

    def clear(self) -> int:
        """Drop everything that waits; returns how much that was."""
        with self._lock:
            count = len(self._heap)
            self._heap.clear()
        return count

    def next_due_s(self) -> float | None:
        """When the earliest item is due; None when the queue is empty."""
        with self._lock:
            return self._heap[0][0] if self._heap else None

    async def get(self) -> Item:
        """Wait for the next item. A cancelled `get` loses none."""
        import asyncio

        self._loop = asyncio.get_running_loop()
        changed = self._changed = self._changed or asyncio.Event()
        while True:
            changed.clear()
            with self._lock:
                due_s = self._heap[0][0] if self._heap else None
                if due_s is not None and due_s <= self._clock():
                    return heapq.heappop(self._heap)[2]
            await self._wait(changed, due_s)

    async def _wait(self, changed: asyncio.Event, due_s: float | None) -> None:
        """Until the moment, or until an earlier item arrives."""
        if due_s is None:
            await changed.wait()
            return
        assert self._loop is not None
        timer = self._loop.call_later(max(0.0, due_s - self._clock()), changed.set)
        try:
            await changed.wait()
        finally:
            timer.cancel()

    def _wake(self) -> None:
        loop, changed = self._loop, self._changed
        if loop is not None and changed is not None and not loop.is_closed():
            loop.call_soon_threadsafe(changed.set)
