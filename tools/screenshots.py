"""Take the dashboard's screenshots for the README, or of all pages: two simulated days, then a live run, in Chromium.

Needs Debian's `chromium` and `chromium-driver` and `pip install -e '.[test-web,camera]'`; writes
`dashboard-desktop.png`, `dashboard-history.png` and `dashboard-phone.png` to `docs/images`. The past comes from the
virtual board in lock step (the real firmware), so that yesterday's forecast, charts and doses are records of a real
run; the same data directory then gets a live run in real time until its first decision has been executed. `--pages
FOLDER` takes every page instead, as a phone and as a desktop, light and dark, in both languages, from top to end: to be
looked at, not committed.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
HOST = (sys.executable, "-m", "tomato_host", "run", "--board", "sim")
LIMIT_BYTES = 200_000  # the pictures are in every clone


class Screen(NamedTuple):
    """One picture: file name, CSS pixels, device pixels per CSS pixel."""

    name: str
    width: int
    height: int
    scale: float
    mobile: bool
    page: str
    scheme: str = "light"
    language: str = "en"
    is_whole: bool = False


PAGES = ("overview", "plan", "history", "journal", "control", "setup")
LOOKED_AT = tuple(
    Screen(f"{page}-{form}-{scheme}-{language}", *size, 1.0, form == "phone", page, scheme, language, True)
    for page in PAGES
    for form, size in (("phone", (360, 740)), ("desktop", (1280, 800)))
    for scheme, language in (("light", "en"), ("dark", "de"))
)
LONGEST_PX = 4_000
SCREENS = (
    Screen("dashboard-desktop", 1180, 800, 1.0, False, "overview"),
    Screen("dashboard-history", 1180, 1000, 1.0, False, "history"),
    Screen("dashboard-phone", 390, 844, 1.5, True, "overview"),
)

SITE_ZONE = "Europe/Vienna"  # the default of [site] timezone; the page shows the browser's time
IS_COMPLETE = """
const has = (id, pattern) => pattern.test(document.getElementById(id).textContent);
const isDrawn = (id) => Boolean(document.querySelector(`#${id} canvas`));
const wanted = {
  overview: () => state.glance.status.mode === "NORMAL" && state.glance.status.next_decision_at && has("last", /./)
    && document.querySelector("#tiles .spark") && !document.querySelector("#tiles .off")
    && document.querySelector(".part.on"),
  plan: () => state.past?.quantities && has("past-text", /./) && has("actions", /./) && isDrawn("chart-forecast")
    && isDrawn("chart-past"),
  history: () => isDrawn("chart-vpd") && isDrawn("chart-day-energy"),
  journal: () => has("journal-facts", /./) && has("events", /./),
  control: () => has("who", /./),
  setup: () => has("wizard-sign-in", /./),
};
return Boolean(state.glance?.observation && wanted[state.page]());
"""
"""JavaScript: the page that is open has everything that it shows."""


def main() -> int:
    options = _options()
    with tempfile.TemporaryDirectory() as place:
        data = options.data_dir or Path(place) / "data"
        config = Path(place) / "tomato.toml"
        port = free_port()
        # No weather: the pictures must not depend on the network.
        config.write_text(f"[service]\nport = {port}\n[weather]\nprovider = 'none'\n")
        if not options.data_dir:
            simulate(data, config, options.hours, options.seed)
        with live_host(data, config, port, options.seed), _browser(Path(place) / "profile") as browser:
            url, screens = f"http://127.0.0.1:{port}", LOOKED_AT if options.pages else SCREENS
            return max(_shoot(browser, url, screen, options.pages or options.out) for screen in screens)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--pages", type=Path, help="folder for pictures of every page instead")
    parser.add_argument("--hours", type=float, default=49.0, help="simulated past; over 25 for yesterday's forecast")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--data-dir", type=Path, help="use this data directory (of a recent run) instead of simulating")
    return parser.parse_args()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def simulate(data: Path, config: Path, hours: float, seed: int) -> None:
    """Fill the data directory with the virtual board's last `hours`, ending now."""
    start = (datetime.now(UTC) - timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S")
    span = ("--time-scale", "0", "--duration-hours", str(hours), "--start", start, "--seed", str(seed), "--json")
    subprocess.run([*HOST, *span, "--data-dir", str(data), "--config", str(config)], check=True)


@contextmanager
def live_host(data: Path, config: Path, port: int, seed: int) -> Iterator[None]:
    """A host in real time; ends when the block does."""
    command = [*HOST, "--seed", str(seed), "--data-dir", str(data), "--config", str(config)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait("the dashboard", lambda: _serves(port))
        yield
    finally:
        process.terminate()
        process.wait(30)


def _serves(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
            return True
    except OSError:
        return False


def _wait(what: str, done: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come up within {seconds:g} s")
        time.sleep(0.3)


@contextmanager
def _browser(profile: Path) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not binary or not driver:
        sys.exit("no chromium and chromedriver here: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    made = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield made
    finally:
        made.quit()


def _shoot(browser: Any, url: str, screen: Screen, out: Path) -> int:
    """Save one picture when the page shows live values and yesterday's forecast; 1 when the file is too large."""
    _resize(browser, screen, screen.height)
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": SITE_ZONE})
    colours = {"features": [{"name": "prefers-color-scheme", "value": screen.scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
    browser.get(f"{url}/static/icon.svg")  # the same address with another hash would load nothing
    browser.execute_script("localStorage.setItem('language', arguments[0])", screen.language)
    browser.get(f"{url}/#{screen.page}")
    _wait("a page with all its values", lambda: bool(browser.execute_script(IS_COMPLETE)), 300.0)
    time.sleep(12.0)  # charts are drawn after their texts, and the next reading knows that the lamp is on
    if screen.is_whole:
        height = int(browser.execute_script("return document.documentElement.scrollHeight"))
        _resize(browser, screen, min(max(height, screen.height), LONGEST_PX))
        time.sleep(0.7)
    path = out / f"{screen.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_with_palette(browser.get_screenshot_as_png()))
    size = path.stat().st_size
    print(f"{path}: {size} bytes")
    if size > LIMIT_BYTES and not screen.is_whole:
        print(f"{path} is larger than {LIMIT_BYTES} bytes", file=sys.stderr)
    return int(size > LIMIT_BYTES and not screen.is_whole)


def _resize(browser: Any, screen: Screen, height: int) -> None:
    size = {"width": screen.width, "height": height, "deviceScaleFactor": screen.scale, "mobile": screen.mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def _with_palette(png: bytes) -> bytes:
    """The picture with its 256 most frequent colours, each other one replaced by the nearest: a third of the bytes."""
    import cv2
    import numpy as np

    seen = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR))[:, :, ::-1]
    colours, where, counts = np.unique(seen.reshape(-1, 3), axis=0, return_inverse=True, return_counts=True)
    palette = colours[np.argsort(-counts, kind="stable")[:256]]
    nearest = ((colours[:, None].astype(int) - palette[None].astype(int)) ** 2).sum(axis=2).argmin(axis=1)
    rows = nearest[where].reshape(seen.shape[:2]).astype(np.uint8)
    height, width = rows.shape
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


if __name__ == "__main__":
    raise SystemExit(main())
