"""Set-up without an editor: from an empty directory to a running tent, in a real browser on a real host."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from tests.notify.browser import Browser
from tests.web import page_checks
from tests.web.conftest import free_port
from tests.web.page_checks import SCREENS, Screen, emulate, shown_on
from tests.web.test_dashboard import click, text, until
from tests.web.test_pwa import PushService, replace_subscription

pytestmark = pytest.mark.web
SIZES = {"phone": Screen(360, 740, "dark", "en"), "desk": Screen(1280, 900, "light", "en")}
STEPS = ("Board", "Place", "Tent and plants", "Stage and light", "Targets", "Messages", "Save")


class FirstRun:
    """`tomato-host run` in an empty directory, at a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.data, self.port = folder / "data", free_port()
        self.terminal, theirs = pty.openpty()
        words = ["run", "--data-dir", str(self.data), "--setup-port", str(self.port)]
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tomato_host", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
        )
        os.close(theirs)
        self.shown = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def invitation(self) -> str:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            self.shown += os.read(self.terminal, 4096).decode(errors="replace")
            if found := re.search(r"http://\S+/#setup:\S+", self.shown):
                until(self.serves)
                return found[0]
        raise AssertionError(self.shown)

    def serves(self) -> bool:
        try:
            with urlopen(f"{self.url}/api/session", timeout=2):
                return True
        except OSError:
            return False

    def glance(self) -> dict[str, Any]:
        try:
            with urlopen(f"{self.url}/api/glance", timeout=3) as answer:
                return dict(json.loads(answer.read()))
        except OSError:
            return {}

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)
        os.close(self.terminal)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstRun]:
    made = FirstRun(tmp_path_factory.mktemp("empty"))
    try:
        yield made
    finally:
        made.close()


def step_now(browser: Any) -> str:
    return str(browser.execute_script("return document.querySelector('[aria-current=step]')?.textContent || ''"))


def put(browser: Any, key: str, value: str) -> None:
    """Type into the control of a key, as a person would."""
    script = """
    const control = document.querySelector(`[data-key="${arguments[0]}"]`).querySelector('input, select');
    control.value = arguments[1];
    for (const name of ['input', 'change']) control.dispatchEvent(new Event(name, { bubbles: true }));
    """
    browser.execute_script(script, key, value)


def advance(browser: Any, to: str) -> None:
    click(browser, "#wizard-next")
    until(lambda: step_now(browser).endswith(to), 20)


def judge(browser: Any, name: str) -> None:
    """Every step at both sizes."""
    for size, screen in SIZES.items():
        emulate(browser, screen)
        time.sleep(0.2)
        page_checks.judge(browser, f"setup-{name.lower().replace(' ', '-')}-{size}")


def file_of(run: FirstRun) -> dict[str, Any]:
    return tomllib.loads((run.data / "tomato.toml").read_text())


def test_an_empty_directory_becomes_a_running_tent(browser: Any, first_run: FirstRun) -> None:
    emulate(browser, SIZES["desk"])
    browser.get(first_run.invitation())
    until(lambda: step_now(browser).endswith("Board"), 20)
    assert browser.execute_script("return location.hash") == "#setup", "the token is out of the address"
    assert browser.execute_script("return state.session.role") == "admin"
    assert not (first_run.data / "tomato.toml").exists() and not (first_run.data / "inbox").exists()
    judge(browser, "Board")
    advance(browser, "Place")
    put(browser, "site.timezone", "Europe/Berlin")
    put(browser, "site.latitude_deg", "152.5")
    put(browser, "weather.provider", "none")
    click(browser, "#wizard-next")
    wrong = "return document.getElementById('wrong-site.latitude_deg').textContent"
    until(lambda: "at most 90" in browser.execute_script(wrong), 20)
    assert step_now(browser).endswith("Place"), "the loader's own words, at the field, and nothing goes on"
    judge(browser, "Place wrong")
    put(browser, "site.latitude_deg", "52.5")
    advance(browser, "Tent and plants")
    put(browser, "tent.name", "Balcony")
    for i, name in enumerate(("Rosa", "Blanca")):
        browser.execute_script("[...document.querySelectorAll('#wizard-fields button')].at(-1).click()")
        put(browser, f"tent.plants.{i}.name", name)
    judge(browser, "Tent")
    advance(browser, "Stage and light")
    put(browser, "control.stage", "fruiting")
    put(browser, "control.light_start_local_h", "05:30")
    judge(browser, "Stage")
    advance(browser, "Targets")
    put(browser, "control.stages.fruiting.temp_day_c", "21")
    judge(browser, "Targets")
    advance(browser, "Messages")
    put(browser, "notify.enabled", "true")
    judge(browser, "Messages")
    advance(browser, "Save")
    until(lambda: "+[tent]" in browser.execute_script("return document.querySelector('.diff').textContent"), 20)
    judge(browser, "Save")
    click(browser, "#wizard-fields button.strong")
    until(lambda: first_run.glance().get("observation") is not None, 60)
    until(lambda: step_now(browser).endswith("Calibrate"), 40)
    until(lambda: "Soil P1 (Rosa)" in text(browser, "calibration-live"), 30)
    judge(browser, "Calibrate")
    written = file_of(first_run)
    assert written["site"] == {"timezone": "Europe/Berlin", "latitude_deg": 52.5}
    assert [plant["name"] for plant in written["tent"]["plants"]] == ["Rosa", "Blanca"]
    assert written["control"]["stage"] == "fruiting" and written["control"]["light_start_local_h"] == 5.5
    assert written["control"]["stages"]["fruiting"]["temp_day_c"] == [21, 27]
    assert written["service"]["port"] == first_run.port
    assert text(browser, "title") == "Balcony"
    assert text(browser, "clock").startswith("Rosa, Blanca · fruiting · day 1")


def test_every_step_in_german_on_a_small_dark_phone(browser: Any, first_run: FirstRun) -> None:
    with shown_on(browser, SCREENS["phone_small"], first_run.url):
        browser.get(f"{first_run.url}/#setup")
        until(lambda: step_now(browser).startswith("1 "), 60)
        assert text(browser, "h-wizard") == "Dieses Zelt einrichten"
        count = browser.execute_script("return document.querySelectorAll('#steps button').length")
        assert count == len(STEPS) + 1
        for at in range(count):
            browser.execute_script("document.querySelectorAll('#steps button')[arguments[0]].click()", at)
            until(lambda at=at: step_now(browser).startswith(f"{at + 1} "), 60)
            page_checks.judge(browser, f"setup-german-{at + 1}")


def test_a_change_keeps_comments_and_restarts_the_host(browser: Any, first_run: FirstRun) -> None:
    path = first_run.data / "tomato.toml"
    written = path.read_text().replace("latitude_deg = 52.5", "latitude_deg = 52.5  # the roof")
    # No service of a browser's maker is reachable here: the next test has one of its own.
    path.write_text(written.replace("[notify]\n", "[notify]\npush_services = ['127.0.0.1']\n"))
    started, process = first_run.glance()["status"]["started_at"], first_run.process.pid
    browser.get("about:blank")
    browser.get(f"{first_run.url}/#setup")
    until(lambda: step_now(browser).endswith("Board"), 20)
    browser.execute_script("document.querySelectorAll('#steps button')[1].click()")
    until(lambda: step_now(browser).endswith("Place"))
    put(browser, "site.latitude_deg", "47.4")
    browser.execute_script("document.querySelectorAll('#steps button')[6].click()")
    diff = "return document.querySelector('.diff')?.textContent || ''"
    until(lambda: "+latitude_deg = 47.4  # the roof" in browser.execute_script(diff), 20)
    click(browser, "#wizard-fields button.strong")
    until(lambda: first_run.glance().get("status", {}).get("started_at") not in (None, started), 60)
    assert first_run.process.poll() is None and first_run.process.pid == process, "the same process id for systemd"
    assert "# the roof" in path.read_text() and "52.5" in path.with_name("tomato.toml.bak").read_text()
    until(lambda: first_run.glance().get("observation") is not None, 60)


def test_the_walk_ends_with_a_message_that_rings_and_a_first_entry(browser: Any, first_run: FirstRun) -> None:
    """Steps 18 to 20 of docs/first_tent.md: alarms on this device, a test message, the journal's first entry."""
    service, receiver = PushService(), Browser()
    grant = {"origin": first_run.url, "permissions": ["notifications"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", grant)
    try:
        browser.get("about:blank")
        browser.get(f"{first_run.url}/#setup")
        until(lambda: browser.execute_script("return !document.getElementById('push').hidden"), 60)
        replace_subscription(browser, receiver.device(service.endpoint))
        click(browser, "#push")
        until(lambda: "Alarms come to this device" in text(browser, "app-reply"), 15)
        until(lambda: step_now(browser).endswith("Board"), 20)
        browser.execute_script("document.querySelectorAll('#steps button')[5].click()")
        until(lambda: step_now(browser).endswith("Messages"))
        click(browser, "#wizard-fields .row button")
        until(lambda: text(browser, "wizard-reply") == "web push to 1 devices: sent", 60)
        assert any("This is how a message arrives" in receiver.decrypt(b).decode() for _, b in service.received)
    finally:
        service.close()
    browser.execute_script("location.hash = '#journal'")
    until(lambda: text(browser, "journal-facts") != "", 10)
    browser.find_element("id", "j-text").send_keys("It begins.")
    click(browser, "#journal-form button[type=submit]")
    until(lambda: "It begins." in text(browser, "entries"), 60)


def test_settings_that_cannot_start_are_taken_back(browser: Any, first_run: FirstRun) -> None:
    """A board that is not there is no error of the file: the new process fails, and the former settings come back."""
    path = first_run.data / "tomato.toml"
    before = path.read_text()
    answer = browser.execute_async_script(
        "const done = arguments[0], base = await import('/static/base.js');"
        "const found = await (await fetch('/api/setup')).json();"
        "const body = { changes: { 'board.url': '/dev/none' }, sha256: found.sha256 };"
        "const saved = await (await base.post('/api/setup/save', body)).json();"
        "done([saved, (await base.post('/api/setup/restart', {})).status]);"
    )
    assert answer[0]["ok"] and answer[1] == 200, answer
    until(lambda: path.read_text() == before, 40)
    refused = "settings_refused"
    until(lambda: any(event["name"] == refused for event in first_run.glance().get("events", ())), 60)
    assert first_run.process.poll() is None
