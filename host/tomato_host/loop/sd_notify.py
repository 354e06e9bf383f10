"""Notifies systemd that the deciding loop is ready, alive and stopping: one datagram each, never blocking."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from datetime import datetime

from tomato_host.brain.step_data import StepResult
from tomato_host.loop.status import Status


class SdNotify:
    """An extension of the deciding loop. The loop itself sends the keep-alive, so a loop that hangs sends none."""

    def __init__(self, address: str, status: Status) -> None:
        """`address` as systemd gives it in NOTIFY_SOCKET: a path, or `@name` for the abstract namespace."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._status = status
        self._last_status = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def start(self) -> None:
        """The loop begins."""
        self._send("READY=1")

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Nothing to do."""

    def tick(self, now: datetime) -> None:
        """Send the keep-alive; `systemctl status` shows mode and link."""
        status = f"STATUS=mode {self._status.mode}, board {self._status.link}"
        if status != self._last_status:
            self._last_status = status
            self._send(f"WATCHDOG=1\n{status}")
        else:
            self._send("WATCHDOG=1")

    def stop(self) -> None:
        """An orderly end."""
        self._send("STOPPING=1")
        self._socket.close()

    def _send(self, text: str) -> None:
        # A service manager that is away or busy must not delay control: the next turn sends the keep-alive again.
        with contextlib.suppress(OSError):
            self._socket.sendto(text.encode(), self._address)


def from_environment(environment: Mapping[str, str], status: Status) -> SdNotify | None:
    """The extension, when the service manager has given a socket."""
    address = environment.get("NOTIFY_SOCKET", "")
    return SdNotify(address, status) if address else None
