"""A running host with its dashboard, and a real browser; skipped, with the reason, where there is no chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
from tomato_host.service.tokens import TokenFile
from tomato_host.twin import server

from tests.free_ports import free_port
from tests.web import season

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SHOTS = Path(__file__).resolve().parents[2] / "build" / "screenshots"


@dataclass
class Host:
    """`tomato-host run` on a virtual board that outlives it."""

    board: str
    data_dir: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    config: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.data_dir.parent / "tomato.toml"
        self.config.write_text(
            f"[service]\nport = {self.port}\nreads_per_minute = 100000\nwrites_per_minute = 100000\n"
            "[weather]\nprovider = 'none'\n[board]\ntelemetry_period_s = 1.0\n"
            "[advisor]\nwake_every_s = 60\n"
            f"[[advisor.cameras]]\nname = 'camera_main'\nkind = 'folder'\npath = '{self.data_dir.parent}/camera'\n"
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        return [
            sys.executable,
            "-m",
            "tomato_host",
            "run",
            "--board",
            self.board,
            "--data-dir",
            str(self.data_dir),
            "--config",
            str(self.config),
        ]

    def start(self) -> None:
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                with urlopen(f"{self.url}/healthz", timeout=2):
                    return
            except OSError:
                time.sleep(0.2)
        raise AssertionError("the dashboard did not come up")

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            finally:
                self.process.kill()  # one that hangs would hold its board's port, which the next test is given
                self.process.wait(20)
                self.process = None


def photograph_if_possible(folder: Path) -> None:
    """Without OpenCV there is no photo, and its test skips."""
    with suppress(ImportError):
        season.photograph(folder)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    place = tmp_path_factory.mktemp("web")
    data = place / "data"
    data.mkdir()
    season.fill(data, datetime.now(UTC))
    photograph_if_possible(place / "camera")
    with server.start(seed=5, flash=place / "flash") as twin:
        made = Host(twin.port_path, data, free_port())
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture(scope="module")
def token(host: Host) -> str:
    return TokenFile(host.data_dir).create("browser", "operate")


@pytest.fixture(scope="module")
def admin(host: Host) -> str:
    return TokenFile(host.data_dir).create("gardener", "admin")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    selenium = pytest.importorskip("selenium", reason="pip install '.[test-web]'")
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        pytest.skip("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    assert selenium is not None
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=Service(driver))
    made.set_page_load_timeout(30)
    try:
        yield made
    finally:
        made.quit()
