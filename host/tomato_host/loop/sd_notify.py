"""Tells systemd that the deciding loop is ready, turns, and ends: one datagram each, never waited for."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from datetime import datetime

from tomato_host.brain.brain import StepResult
from tomato_host.loop.status import Status


class SdNotify:
    """An extension of the deciding loop. Its own turn gives the sign of life, so a loop that hangs gives none."""

    def __init__(self, address: str, status: Status) -> None:
        """`address` as systemd gives it in NOTIFY_SOCKET: a path, or `@name` for the abstract namespace."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = status
        self._said = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def start(self) -> None:
        """The loop begins."""
        self._say("READY=1")

    def on_decision(self, taken: StepResult, now: datetime) -> None:
        """Decisions are told elsewhere."""

    def tick(self, now: datetime) -> None:
        """One turn of the loop; `systemctl status` shows mode and link."""
        status = f"STATUS=mode {self._status.mode}, board {self._status.link}"
        if status != self._said:
            self._said = status
            self._say(f"WATCHDOG=1\n{status}")
        else:
            self._say("WATCHDOG=1")

    def stop(self) -> None:
        """An orderly end."""
        self._say("STOPPING=1")
        self._socket.close()

    def _say(self, text: str) -> None:
        # A supervisor that is away or busy must not hurt the plant: what it missed, the next turn says again.
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode(), self._address)


def from_environment(environment: Mapping[str, str], status: Status) -> SdNotify | None:
    """The extension, when somebody waits for the news."""
    address = environment.get("NOTIFY_SOCKET", "")
    return SdNotify(address, status) if address else None
