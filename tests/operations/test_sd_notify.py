"""What systemd hears, on a real datagram socket; and that nobody listening harms nothing."""

from __future__ import annotations

import os
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tomato_host.loop.sd_notify import SdNotify, from_environment
from tomato_host.loop.status import Status

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def listener(address: str) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    found.settimeout(5.0)
    found.bind(address)
    return found


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_then_alive_then_stopping(tmp_path: Path, abstract: bool) -> None:
    name = f"tomato-test-{os.getpid()}"
    shown = f"@{name}" if abstract else str(tmp_path / "n")
    hear = listener(f"\0{name}" if abstract else shown)
    status = Status(NOW, NOW, link="up")
    reported = from_environment({"NOTIFY_SOCKET": shown}, status)
    assert reported is not None
    reported.start()
    reported.tick(NOW)
    reported.tick(NOW)
    status.mode = "SAFE"
    reported.tick(NOW)
    reported.stop()
    assert [hear.recv(4096).decode() for _ in range(5)] == [
        "READY=1",
        "WATCHDOG=1\nSTATUS=mode NORMAL, board up",
        "WATCHDOG=1",
        "WATCHDOG=1\nSTATUS=mode SAFE, board up",
        "STOPPING=1",
    ]
    hear.close()


def test_without_systemd_there_is_nothing() -> None:
    assert from_environment({}, Status(NOW, NOW)) is None


def test_a_listener_that_is_gone_or_full_makes_nobody_wait(tmp_path: Path) -> None:
    gone = SdNotify(str(tmp_path / "gone"), Status(NOW, NOW))
    gone.start()
    gone.tick(NOW)
    hear = listener(str(tmp_path / "full"))
    full = SdNotify(str(tmp_path / "full"), Status(NOW, NOW))
    began = time.perf_counter()
    for _ in range(5_000):
        full.tick(NOW)
    assert time.perf_counter() - began < 5.0
    full.stop()
    gone.stop()
    assert hear.recv(4096).startswith(b"WATCHDOG=1")
    hear.close()
