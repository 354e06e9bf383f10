"""The dashboard in a real browser, on a real host, on the real firmware: what a grower sees and can do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.web.conftest import SHOTS, Host

pytestmark = pytest.mark.web
PHONE, DESK = (390, 844), (1400, 1000)


def text(browser, id_: str) -> str:  # type: ignore[no-untyped-def]
    return str(browser.execute_script(f"return document.getElementById('{id_}').textContent"))


def until(wanted, seconds: float = 40.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if wanted():
            return
        time.sleep(0.2)
    raise AssertionError("it never happened")


def open_page(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    browser.get(host.url)
    until(lambda: "soil P1" in text(browser, "tiles"))


def ask(browser, token: str, script: str, why: str) -> None:  # type: ignore[no-untyped-def]
    """Fill the form as a person would, confirm, and leave it."""
    browser.execute_script(
        f"reply.textContent = ''; {script}; why.value = arguments[0];"
        "document.getElementById('token').value = arguments[1];"
        "for (const id of ['what', 'state', 'mode']) document.getElementById(id).dispatchEvent(new Event('change'));",
        why, token,
    )
    browser.find_element("css selector", "#override button[type=submit]").click()
    until(lambda: browser.execute_script("return document.getElementById('confirm').open"), 5)
    browser.find_element("css selector", "#confirm button[value=yes]").click()
    until(lambda: text(browser, "reply") not in ("", "asking ..."))


def test_live_values_change_on_screen(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    first = text(browser, "age").split(",")[0]
    until(lambda: text(browser, "age").split(",")[0] != first)
    assert "NORMAL" in text(browser, "safety")
    until(lambda: "All is well" in text(browser, "verdict"))


def test_an_override_reaches_the_board_and_its_done_comes_back(browser, host: Host, token: str) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    ask(browser, token, "what.value = 'circulation_fan'; state.value = 'ON'; minutes.value = 1", "browser test")
    assert text(browser, "reply").startswith("accepted"), text(browser, "reply")
    until(lambda: "browser: browser test" in text(browser, "actions"))
    until(lambda: "circulation DONE" in text(browser, "safety"), 90)


def test_a_change_without_a_token_is_refused(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    ask(browser, "not-a-token", "what.value = 'water'; ml.value = 50", "no right to")
    assert "token is needed" in text(browser, "reply")


def test_a_refusal_is_shown_with_its_reason(browser, host: Host, token: str) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    ask(browser, token, "what.value = 'water'; ml.value = 20", "first")
    ask(browser, token, "what.value = 'water'; ml.value = 20", "too soon after")
    assert "Not done" in text(browser, "reply") and "interval" in text(browser, "reply")
    until(lambda: "refused by interval" in text(browser, "events"))


def test_the_page_lives_through_a_restart_of_the_host(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    host.stop()
    until(lambda: "does not run" in text(browser, "verdict"), 20)
    host.start()
    until(lambda: "All is well" in text(browser, "verdict"), 60)


def test_no_error_in_the_console(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    browser.get_log("browser")
    open_page(browser, host)
    time.sleep(2)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe


@pytest.mark.parametrize(("name", "size"), [("phone", PHONE), ("desktop", DESK)])
def test_it_fits_the_screen_and_pictures_are_kept(browser, host: Host, name: str, size: tuple[int, int]) -> None:  # type: ignore[no-untyped-def]
    browser.set_window_size(*size)
    open_page(browser, host)
    SHOTS.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(SHOTS / f"{name}.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth + 1")


def test_first_paint_is_light_and_quick(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    told = browser.execute_script(
        "return performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
        ".filter(e => !e.name.includes('/api/stream')).reduce((sum, e) => sum + (e.transferSize || 0), 0)"
    )
    assert 0 < told < 300_000


def test_accessibility_without_serious_findings(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    path = Path(os.environ.get("TOMATO_AXE", "build/fetched/axe-core/package/axe.min.js"))
    if not path.exists():
        pytest.skip("axe-core is not here: make test-web fetches it from the npm registry")
    open_page(browser, host)
    browser.execute_script(path.read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => [v.impact, v.id, v.nodes.length])))"
    )
    assert [row for row in found if row[0] in ("serious", "critical")] == []


def test_the_stream_is_open_and_the_page_small(host: Host) -> None:
    with urlopen(f"{host.url}/api/stream", timeout=10) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert b"data" in stream.readline() + stream.readline() + stream.readline()
