"""Disk syncs beside the deciding loop: a slow card must not hold up the lease that the loop renews."""

from __future__ import annotations

import threading
from collections.abc import Callable


class BackgroundWorker:
    """Does one piece of work at a time in a thread of its own, which begins with the first piece."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._work: Callable[[], None] | None = None
        self._wanted = threading.Condition()
        self._closing = False

    def submit(self, work: Callable[[], None]) -> bool:
        """Hand over work that handles its own errors; False when the last piece is not done yet."""
        with self._wanted:
            if self._work is not None or self._closing:
                return False
            self._work = work
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dataset-sync", daemon=True)
                self._thread.start()
            self._wanted.notify()
        return True

    def close(self) -> None:
        """Wait for the work in hand and end the thread; closing twice is fine."""
        with self._wanted:
            self._closing = True
            self._wanted.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._wanted:
                while self._work is None:
                    if self._closing:
                        return
                    self._wanted.wait()
                work = self._work
            work()
            with self._wanted:
                self._work = None
