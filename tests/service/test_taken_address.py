"""Another process has the dashboard's address: the first run says so, and a running host goes on without a page."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from tomato_host.errors import TomatoError
from tomato_host.first_run import wait_for_settings
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.feeds import dashboard_feed
from tomato_host.service.settings import ServiceSettings
from tomato_host.settings import Settings
from tomato_host.terminal.panel import render

from tests.free_ports import free_port
from tests.stores import MemoryOnly

NOW = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another process listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", free_port()))
        other.listen()
        yield other.getsockname()[1]


def test_the_first_run_says_that_its_address_is_taken(tmp_path: Path, taken: int) -> None:
    """It printed the other tent's address as its own, and ended with 0 and without a word."""
    out = io.StringIO()
    with pytest.raises(TomatoError, match=f"127.0.0.1:{taken} is taken") as told:
        wait_for_settings(tmp_path / "new", out, taken)
    assert told.value.code == "E-SERVICE-PORT" and "--setup-port" in told.value.next_step
    assert out.getvalue() == "", "no address of another tent's page"


def panel(status: Status) -> str:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(render(status, UTC))
    return console.export_text()


def test_a_running_host_shows_no_address_while_it_is_taken_and_the_right_one_afterwards(tmp_path: Path) -> None:
    """The panel named the other tent's dashboard as this one's."""
    settings, store = ServiceSettings(port=free_port()), MemoryOnly()
    status = Status(NOW, NOW, dashboard=settings.url)
    feed = dashboard_feed(settings, Settings().bus, status, Recorder(store, status), tmp_path)
    try:
        with socket.socket() as other:
            other.bind(("127.0.0.1", settings.port))
            other.listen()
            feed.start()
            end = time.monotonic() + 60.0
            while status.dashboard and time.monotonic() < end:
                feed.tick(NOW)
                time.sleep(0.05)
        assert f"no dashboard: 127.0.0.1:{settings.port} is taken" in panel(status)
        assert settings.url not in panel(status)
        assert store.events() == ["dashboard_port_taken"]
        while not status.dashboard and time.monotonic() < end:
            feed.tick(NOW)
            time.sleep(0.05)
        assert settings.url in panel(status)
    finally:
        feed.stop()
