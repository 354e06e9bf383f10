"""Sends notifications to one address in a thread of its own: a slow or dead service delays no other."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from tomato_host.errors import TomatoError
from tomato_host.service.notify.filter import Notification

Send = Callable[[Notification], bool]
"""True when the service accepted it; may take as long as the network takes."""

QUEUE = 100
RETRY_DELAYS_S = (5.0, 30.0, 120.0, 300.0, 900.0)
"""Between tries; the last one is repeated."""
GIVE_UP_AFTER_S = 86_400.0
"""What could not be sent for a day is dropped."""
TYPE_OF_LEVEL = {"INFO": "info", "WARNING": "warning", "ALARM": "failure"}


class NotificationPublisher:
    """One address. `name` never holds a secret."""

    def __init__(self, name: str, send: Send, *, retry_delays_s: tuple[float, ...] = RETRY_DELAYS_S) -> None:
        self.name = name
        self._send = send
        self._retry_delays_s = retry_delays_s
        self._waiting: deque[tuple[float, Notification]] = deque()
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._work, name=f"notify {name}", daemon=True)
        self.failures = 0
        """Tries in a row that failed."""
        self.sent = 0
        self.dropped = 0

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def enqueue(self, message: Notification) -> None:
        """Accept one message; returns at once. When the queue is full the least important oldest one is dropped."""
        with self._wake:
            if len(self._waiting) >= QUEUE:
                self._drop_one()
            self._waiting.append((time.monotonic(), message))
            self._wake.notify()

    def stop(self) -> None:
        """One more try for each message that waits, then no more; returns at once (outputs must not wait for this)."""
        with self._wake:
            self._stopping = True
            self._wake.notify()

    # -- inside ------------------------------------------------------------------------------------------------

    def _drop_one(self) -> None:
        for level in ("INFO", "WARNING", "ALARM"):
            for place, (_, message) in enumerate(self._waiting):
                if message.level == level:
                    del self._waiting[place]
                    self.dropped += 1
                    return

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            since_s, message = entry
            try:
                done = self._send(message)
            except Exception:  # whatever a service's library raises: it was not sent
                done = False
            with self._wake:
                self._settle(done, since_s, entry)
                if not done:
                    self._wake.wait_for(lambda: self._stopping, self._retry_delay_s())

    def _next(self) -> tuple[float, Notification] | None:
        with self._wake:
            self._wake.wait_for(lambda: self._stopping or bool(self._waiting))
            return self._waiting[0] if self._waiting else None

    def _settle(self, done: bool, since_s: float, entry: tuple[float, Notification]) -> None:
        self.failures = 0 if done else self.failures + 1
        self.sent += int(done)
        given_up = not done and (self._stopping or time.monotonic() - since_s > GIVE_UP_AFTER_S)
        if (done or given_up) and entry in self._waiting:
            self._waiting.remove(entry)
            self.dropped += int(given_up)

    def _retry_delay_s(self) -> float:
        return self._retry_delays_s[min(max(self.failures, 1), len(self._retry_delays_s)) - 1]


def addresses(variable: str, environment: Mapping[str, str]) -> list[str]:
    """The apprise addresses in an environment variable. Raises TomatoError E-NOTIFY-NO-URL."""
    found = environment.get(variable, "").split()
    if not found:
        raise TomatoError(
            "E-NOTIFY-NO-URL",
            f"A rule sends to the addresses in {variable}, which is not set.",
            "put the service's address there, e.g. ntfys://ntfy.sh/your-topic",
        )
    return found


def newest_photo(data_dir: Path) -> Path | None:
    """The newest picture of the dataset."""
    folder = data_dir / "private" / "images"
    photos = [path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png")]
    return max(photos, key=lambda path: path.stat().st_mtime, default=None)


def apprise_sender(url: str, data_dir: Path) -> Send:
    """Sends by apprise to one address. Raises TomatoError E-EXTRA-NOTIFY, E-NOTIFY-URL; neither names the address."""
    try:
        import apprise
    except ImportError:
        raise TomatoError("E-EXTRA-NOTIFY", "apprise is not installed.", "pip install '.[notify]'") from None
    # Its log lines hold addresses, and addresses hold passwords.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    service = apprise.Apprise()
    if not service.add(url):
        raise TomatoError(
            "E-NOTIFY-URL",
            f"An address that begins with {scheme(url)}:// is none that apprise knows.",
            "compare it with https://github.com/caronc/apprise/wiki",
        )

    def send(message: Notification) -> bool:
        photo = newest_photo(data_dir) if message.photo else None
        return bool(
            service.notify(
                title=message.title,
                body=message.text,
                notify_type=TYPE_OF_LEVEL[message.level],
                attach=str(photo) if photo else None,
            )
        )

    return send


def scheme(url: str) -> str:
    """What may be shown of an address: which service, and nothing else."""
    return url.partition("://")[0][:20] if "://" in url else "unknown"
