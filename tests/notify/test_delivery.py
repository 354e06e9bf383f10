"""Messages really sent over HTTP by apprise; a dead service is tried again and delays nobody; a sign of life."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest
from tomato_host.errors import TomatoError
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.notify.deadman import DeadManSwitch, fetch
from tomato_host.service.notify.extension import FAILED_AFTER, Notifier, Route, build_notifier
from tomato_host.service.notify.filter import Notification, NotificationFilter
from tomato_host.service.notify.publisher import NotificationPublisher, apprise_sender
from tomato_host.service.notify.settings import NotifySettings, RuleSettings

from tests.stores import NoStore

# Not imported here: every worker of the tests collects this file.
pytestmark = pytest.mark.skipif(find_spec("apprise") is None, reason="extra [notify] is not installed")

NOW = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
MESSAGE = Notification("ALARM", "Tomato alarm", "Fault leak latched.")


class Endpoint:
    """A real HTTP server on the loopback that remembers what it was sent."""

    def __init__(self) -> None:
        self.got: list[dict[str, object]] = []
        self.gets: list[str] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 200:
                    outer.got.append(json.loads(body))
                self._answer()

            def do_GET(self) -> None:
                outer.gets.append(self.path)
                self._answer()

            def _answer(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Silence."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.server.shutdown()
    found.server.server_close()


def until(wanted: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not wanted():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


def test_a_recorded_alarm_arrives_with_the_newest_photo(endpoint: Endpoint, tmp_path: Path) -> None:
    photos = tmp_path / "private" / "images"
    photos.mkdir(parents=True)
    (photos / "a.jpg").write_bytes(b"\xff\xd8old")
    (photos / "b.jpg").write_bytes(b"\xff\xd8new")
    os.utime(photos / "a.jpg", (1, 1))
    recorder = Recorder(NoStore(), Status(NOW, NOW))
    settings = NotifySettings(enabled=True, rules=(RuleSettings(level="ALARM", photo=True),))
    notifier = build_notifier(
        settings,
        recorder,
        tmp_path,
        {
            "TOMATO_NOTIFY_URLS": f"json://127.0.0.1:{endpoint.port}/hook",
            "TOMATO_DEADMAN_URL": f"http://127.0.0.1:{endpoint.port}/alive",
        },
    )
    notifier.start()
    recorder.event(NOW, "WARNING", "link", "link_down", "Not told: below the level.")
    recorder.event(NOW, "ALARM", "board", "fault", "Fault leak latched on the board.", a=3)
    notifier.tick(NOW)
    until(lambda: len(endpoint.got) == 1 and endpoint.gets == ["/alive"])
    notifier.stop()
    assert str(endpoint.got[0]["message"]).startswith("Fault leak latched on the board. ")
    assert endpoint.got[0]["type"] == "failure"
    assert [a["filename"] for a in endpoint.got[0]["attachments"]] == ["b.jpg"]  # type: ignore[attr-defined]


def test_a_service_that_is_away_is_tried_again_and_both_are_recorded(endpoint: Endpoint, tmp_path: Path) -> None:
    endpoint.status = 503
    status = Status(NOW, NOW)
    recorder = Recorder(NoStore(), status)
    url = f"json://127.0.0.1:{endpoint.port}/hook"
    publisher = NotificationPublisher("json no. 1", apprise_sender(url, tmp_path), retry_delays_s=(0.01,))
    notifier = Notifier((Route(NotificationFilter(RuleSettings(), 20), (publisher,)),), None, recorder)
    notifier.start()
    recorder.event(NOW, "ALARM", "board", "fault", "Fault leak.", a=3)
    until(lambda: publisher.failures >= FAILED_AFTER)
    notifier.tick(NOW)
    endpoint.status = 200
    until(lambda: publisher.sent == 1)
    notifier.tick(NOW)
    notifier.tick(NOW)
    notifier.stop()
    assert [e.name for e in status.events if e.kind == "notification"] == ["notify_failed", "notify_back"]
    assert len(endpoint.got) == 1, "told once, not once per try"


def test_a_hanging_service_delays_neither_the_loop_nor_another(endpoint: Endpoint, tmp_path: Path) -> None:
    hold = threading.Event()
    hanging = NotificationPublisher("hanging", lambda _: hold.wait(30))
    well = NotificationPublisher("well", apprise_sender(f"json://127.0.0.1:{endpoint.port}/", tmp_path))
    notifier = Notifier(
        (Route(NotificationFilter(RuleSettings(), 1000), (hanging, well)),),
        None,
        recorder := Recorder(NoStore(), Status(NOW, NOW)),
    )
    notifier.start()
    began = time.perf_counter()
    for n in range(300):
        recorder.event(NOW, "WARNING", "board", "fault", f"n{n}", a=n)
    took = time.perf_counter() - began
    until(lambda: len(endpoint.got) >= 1)
    hold.set()
    assert took < 5.0
    assert len(hanging._waiting) <= 100
    assert hanging.dropped > 0
    hanging.stop()
    well.stop()


def test_a_full_queue_gives_up_what_matters_least() -> None:
    publisher = NotificationPublisher("never started", lambda _: True)
    publisher.enqueue(MESSAGE)
    for n in range(150):
        publisher.enqueue(Notification("INFO", "t", str(n)))
    assert publisher._waiting[0][1] is MESSAGE
    assert publisher.dropped == 51


def test_the_heartbeat_comes_from_the_loop_alone(endpoint: Endpoint) -> None:
    now = [0.0]
    dead_man = DeadManSwitch(f"http://127.0.0.1:{endpoint.port}/ping", 60.0, monotonic=lambda: now[0])
    dead_man.start()
    time.sleep(0.1)
    assert dead_man.pings == 0, "no tick, no sign"
    for second in range(0, 130, 2):
        now[0] = float(second)
        dead_man.beat()
        if second in (0, 60, 120):
            until(lambda: dead_man.pings == second // 60 + 1)  # noqa: B023 - used at once
    dead_man.stop()
    assert dead_man.pings == 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "not an address"])
def test_a_sign_of_life_that_fails_is_no_crash(url: str) -> None:
    assert fetch(url) is False


def test_addresses_are_wanted_and_never_shown(tmp_path: Path) -> None:
    recorder = Recorder(NoStore(), Status(NOW, NOW))
    with pytest.raises(TomatoError, match="TOMATO_NOTIFY_URLS"):
        build_notifier(NotifySettings(), recorder, tmp_path, {})
    with pytest.raises(TomatoError) as caught:
        build_notifier(NotifySettings(), recorder, tmp_path, {"TOMATO_NOTIFY_URLS": "nosuch://user:geheim@host"})
    assert caught.value.code == "E-NOTIFY-URL"
    assert "geheim" not in str(caught.value)


def test_the_command_sends_for_real(endpoint: Endpoint, tmp_path: Path) -> None:
    def run(*more: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "TOMATO_NOTIFY_URLS": f"json://u:geheim@127.0.0.1:{endpoint.port}/hook"}
        return subprocess.run(
            [sys.executable, "-m", "tomato_host", "notify", "test", "--json", *more],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    done = run()
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"service": "json", "ok": True}
    assert endpoint.got[0]["title"] == "Tomato test"
    assert "Notifications are off in these settings" in done.stderr, "that it arrives is not that the host sends"
    (tmp_path / "on.toml").write_text("[notify]\nenabled = true\n")
    assert "are off" not in run("--config", "on.toml").stderr
    endpoint.status = 500
    failed = run()
    assert failed.returncode == 2
    assert "E-NOTIFY-FAILED" in failed.stderr
    assert "geheim" not in failed.stderr + failed.stdout
