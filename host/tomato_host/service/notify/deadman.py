"""Dead man's switch: a heartbeat to a service elsewhere, requested only while the deciding loop runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

TIMEOUT_S = 10.0


def fetch(url: str) -> bool:
    """GET the address; True for any answer below 400."""
    import httpx  # 9 MB that a host without a heartbeat need not hold

    try:
        return httpx.get(url, timeout=TIMEOUT_S, follow_redirects=True).status_code < 400
    except (httpx.HTTPError, httpx.InvalidURL):
        return False


class DeadManSwitch:
    """`beat` is called by the loop; a thread does the fetching, and a dead loop no longer wakes it."""

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
        self._thread = threading.Thread(target=self._work, name="notify heartbeat", daemon=True)
        self.pings = 0
        self.failures = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def beat(self) -> None:
        """The loop ran once more; returns at once."""
        now_s = self._monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._wanted.set()

    def stop(self) -> None:
        """No more heartbeats: the service will miss them, also after an orderly end."""
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
