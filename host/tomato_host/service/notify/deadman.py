"""A sign of life to a service elsewhere, given only while the deciding loop turns."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TIMEOUT_S = 10.0


def fetch(url: str) -> bool:
    """GET the address; True for any answer below 400."""
    import httpx  # 9 MB that a host without a sign of life need not hold

    try:
        return httpx.get(url, timeout=TIMEOUT_S, follow_redirects=True).status_code < 400
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


class DeadMan:
    """`alive` is called by the loop; the fetching is done by a thread that a dead loop no longer wakes."""

    def __init__(
        self,
        url: str,
        every_s: float,
        ping: Callable[[str], bool] = fetch,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._ping = ping
        self._monotonic = monotonic
        self._next_s = monotonic()
        self._wanted = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="notify sign of life", daemon=True)
        self.pings = 0
        self.failures = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def alive(self) -> None:
        """The loop turned once more; returns at once."""
        now_s = self._monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._wanted.set()

    def stop(self) -> None:
        """No more signs: the service will miss them, also after an orderly end."""
        self._ended = True
        self._wanted.set()

    def _work(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            if self._ended:
                return
            if self._ping(self._url):
                self.pings += 1
                self.failures = 0
            else:
                self.failures += 1
