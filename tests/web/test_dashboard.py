"""The dashboard in a real browser, on a real host, on the real firmware: what a grower sees and can do."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from urllib.request import urlopen

import pytest
from tomato_host.service.tokens import TokenFile
from tomato_host.twin import server

from tests.free_ports import free_port
from tests.web.conftest import SHOTS, Host
from tests.web.page_checks import SCREENS, Screen, judge, shown_on

pytestmark = pytest.mark.web
PHONE, DESK = (390, 844), (1400, 1000)
PAGES = ("overview", "plan", "history", "journal", "control", "setup")
CHARTS = {"plan": "chart-past", "history": "chart-vpd"}
BELOW = """
const edge = (id, side) => document.getElementById(id).getBoundingClientRect()[side];
return edge("next-short", "bottom") - edge("quick", "top");
"""
"""JavaScript: by how many px the end of the overview's answers lies below the two buttons."""


def text(browser, id_: str) -> str:  # type: ignore[no-untyped-def]
    return str(browser.execute_script(f"return document.getElementById('{id_}').textContent"))


def until(wanted, seconds: float = 40.0) -> None:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if wanted():
            return
        time.sleep(0.2)
    raise AssertionError("it never happened")


def note(name: str, value: object) -> None:
    """Say a figure, and keep it beside the screenshots."""
    print(f"{name}: {value}")
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / "figures.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | {name: value}, indent=1))


def within(limit_ms: int, busy_ms: int) -> int:
    """What a measure may take: the limit, or on a machine whose cores are all at work already the second figure."""
    return limit_ms if os.getloadavg()[0] < (os.cpu_count() or 1) else busy_ms


def open_page(browser, host: Host, page: str = "overview") -> None:  # type: ignore[no-untyped-def]
    browser.get("about:blank")  # the same address with another hash would load nothing
    browser.get(f"{host.url}/#{page}")
    until(lambda: browser.execute_script("return state.page") == page)
    until(lambda: browser.execute_script("return Boolean(state.glance?.observation && state.lastStatus)"))
    if page == "overview":
        until(lambda: "P1" in text(browser, "tiles"))


def is_useful(browser) -> bool:  # type: ignore[no-untyped-def]
    """Whether the page has marked that its first values can be seen."""
    return bool(browser.execute_script("return performance.getEntriesByName('useful').length"))


def turn_to(browser, page: str) -> None:  # type: ignore[no-untyped-def]
    """As a press on the page's link: only the page that is open is drawn."""
    browser.execute_script("location.hash = arguments[0]", f"#{page}")
    until(lambda: browser.execute_script("return state.page") == page, 5)


def click(browser, selector: str) -> None:  # type: ignore[no-untyped-def]
    """Bring it to the middle of the screen, away from the bars that stay, and press it."""
    found = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    found.click()


def is_open(browser, dialog: str) -> bool:  # type: ignore[no-untyped-def]
    return bool(browser.execute_script("return document.getElementById(arguments[0]).open", dialog))


def sign_out(browser) -> None:  # type: ignore[no-untyped-def]
    browser.delete_all_cookies()


def sign_in(browser, token: str) -> None:  # type: ignore[no-untyped-def]
    """In the dialog, as a person would; it stays open when the token is refused."""
    until(lambda: is_open(browser, "sign-in"), 5)
    browser.find_element("id", "token").clear()
    browser.find_element("id", "token").send_keys(token)
    click(browser, "#sign-in-form button[type=submit]")
    until(lambda: not is_open(browser, "sign-in") or text(browser, "sign-in-reply") != "", 10)


def ask(browser, host: Host, token: str, script: str, why: str) -> None:  # type: ignore[no-untyped-def]
    """Fill the form as a person would, confirm, sign in where that is asked for, and wait for the answer."""
    sign_out(browser)
    open_page(browser, host, "control")
    until(lambda: "Not signed in" in text(browser, "who"))
    browser.execute_script(
        f"reply.textContent = ''; {script}; why.value = arguments[0];"
        "for (const id of ['what', 'state', 'mode']) document.getElementById(id).dispatchEvent(new Event('change'));",
        why,
    )
    click(browser, "#override button[type=submit]")
    until(lambda: is_open(browser, "confirm"), 5)
    click(browser, "#confirm button[value=yes]")
    sign_in(browser, token)
    until(lambda: text(browser, "reply") not in ("", "sending ...") or is_open(browser, "sign-in"))


def test_live_values_change_on_screen(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    newest = "return state.glance.observation.ts"
    first = browser.execute_script(newest)
    until(lambda: browser.execute_script(newest) != first)
    assert text(browser, "age").startswith("Measured ")
    assert "NORMAL" in text(browser, "safety")
    until(lambda: "All is well" in text(browser, "verdict"))


def test_an_override_reaches_the_board_and_its_done_comes_back(browser, host: Host, token: str) -> None:  # type: ignore[no-untyped-def]
    ask(browser, host, token, "what.value = 'circulation_fan'; state.value = 'ON'; minutes.value = 1", "browser test")
    assert text(browser, "reply").startswith("accepted"), text(browser, "reply")
    turn_to(browser, "plan")
    until(lambda: "browser: browser test" in text(browser, "actions"))
    done = "return state.glance.actions.some(a => a.why.text.includes('browser test') && a.outcome?.status === 'DONE')"
    until(lambda: browser.execute_script(done), 90)
    until(lambda: any(f"circulation {length} done" in text(browser, "actions") for length in ("1 min", "60 s")), 5)


def test_a_wrong_token_is_told_and_nothing_is_sent(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    ask(browser, host, "not-a-token", "what.value = 'water'; ml.value = 50", "no right to")
    assert is_open(browser, "sign-in") and "not known, or was revoked" in text(browser, "sign-in-reply")
    click(browser, "#sign-in-cancel")
    until(lambda: "nobody is signed in" in text(browser, "reply"))


def test_signed_in_once_for_this_device_until_the_token_is_revoked(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    secret = TokenFile(host.data_dir).create("once", "operate")
    ask(browser, host, secret, "what.value = 'mode'; mode.value = 'NORMAL'", "first")
    assert not text(browser, "reply").startswith(("Refused", "Not done"))
    open_page(browser, host, "control")
    until(lambda: "Signed in as once (operate)" in text(browser, "who"))
    assert secret not in browser.execute_script(
        "return JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie"
    )
    TokenFile(host.data_dir).revoke("once")
    browser.refresh()
    until(lambda: "Not signed in" in text(browser, "who"))


def test_water_and_stop_are_within_reach_on_every_page(browser, host: Host, token: str) -> None:  # type: ignore[no-untyped-def]
    sign_out(browser)
    open_page(browser, host, "history")
    click(browser, "#stop-now")
    until(lambda: is_open(browser, "confirm"), 5)
    click(browser, "#confirm-yes")
    sign_in(browser, token)
    until(lambda: text(browser, "toast") not in ("", "sending ..."))
    off = "return Object.values(state.glance.devices.outputs).every(v => v === 'OFF')"
    until(lambda: browser.execute_script(off), 20)
    turn_to(browser, "overview")
    until(lambda: "PAUSED" in text(browser, "safety"), 20)
    open_page(browser, host, "control")
    ask(browser, host, token, "what.value = 'mode'; mode.value = 'NORMAL'", "end of the stop")
    turn_to(browser, "overview")
    until(lambda: "NORMAL" in text(browser, "safety"), 20)


def test_a_refusal_is_shown_with_its_reason(browser, host: Host, token: str) -> None:  # type: ignore[no-untyped-def]
    ask(browser, host, token, "what.value = 'water'; ml.value = 20", "first")
    ask(browser, host, token, "what.value = 'water'; ml.value = 20", "too soon after")
    assert "Not done" in text(browser, "reply") and "interval" in text(browser, "reply")
    turn_to(browser, "journal")
    until(lambda: "refused by interval" in text(browser, "events"))


def test_the_page_lives_through_a_restart_of_the_host(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    host.stop()
    until(lambda: "is not running" in text(browser, "verdict"), 20)
    host.start()
    until(lambda: "All is well" in text(browser, "verdict"), 60)


def test_no_error_in_the_console(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    browser.get_log("browser")
    open_page(browser, host)
    time.sleep(2)
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert not severe


@pytest.mark.parametrize(("name", "screen"), SCREENS.items())
def test_every_page_fits_and_hinders_nobody(browser, host: Host, name: str, screen: Screen) -> None:  # type: ignore[no-untyped-def]
    browser.get_log("browser")
    with shown_on(browser, screen, host.url):
        for page in PAGES:
            open_page(browser, host, page)
            if page in CHARTS:
                drawn = f"return !!document.querySelector('#{CHARTS[page]} canvas')"
                until(lambda drawn=drawn: browser.execute_script(drawn))
            if (name, page) == ("phone", "overview"):
                assert browser.execute_script(BELOW) <= 0, "safe, tent, values, last and next: without scrolling"
            judge(browser, f"{name}_{page}")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_first_paint_is_light_and_quick(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    figures = []
    for _ in range(3):
        browser.execute_cdp_cmd("Network.clearBrowserCache", {})
        open_page(browser, host)
        until(lambda: is_useful(browser), 5)
        figures.append(
            browser.execute_script(
                "const all = performance.getEntriesByType('resource')"
                ".concat(performance.getEntriesByType('navigation'));"
                "const at = (name) => performance.getEntriesByName(name)[0].startTime;"
                "return {paint_ms: at('first-contentful-paint'), useful_ms: at('useful'), bytes: all"
                ".filter(e => !e.name.includes('/api/stream')).reduce((sum, e) => sum + (e.transferSize || 0), 0)}"
            )
        )
    note("first_paint", figures)
    assert all(0 < one["paint_ms"] <= one["useful_ms"] for one in figures)
    assert min(one["useful_ms"] for one in figures) < within(500, 1_000)
    assert all(0 < one["bytes"] < 150_000 for one in figures)


def test_values_that_come_after_the_page_are_marked_when_they_can_be_seen(browser, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "data").mkdir()
    with server.start(seed=6, flash=tmp_path / "flash") as twin:
        late = Host(twin.port_path, tmp_path / "data", free_port())
        os.kill(twin.pid, signal.SIGSTOP)  # a board that says nothing yet
        try:
            late.start()
            browser.get(f"{late.url}/#overview")
            until(lambda: browser.execute_script("return Boolean(state.lastStatus && !state.glance.observation)"))
            assert not is_useful(browser)
            os.kill(twin.pid, signal.SIGCONT)
            until(lambda: browser.execute_script("return Boolean(state.glance.observation)"))
            until(lambda: is_useful(browser), 5)
        finally:
            os.kill(twin.pid, signal.SIGCONT)
            late.stop()


def test_a_season_is_drawn_at_once(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host, "history")
    until(lambda: browser.execute_script("return !!state.charts['chart-vpd']"))
    took = [
        float(
            browser.execute_async_script(
                "const done = arguments[0], before = state.charts['chart-vpd'], from = performance.now();"
                "document.querySelector(`[data-span='season']`).click();"
                "const look = () => state.history.span === 'season' && state.charts['chart-vpd'] !== before"
                " && state.charts['chart-vpd'].data[0].length > 470"
                " ? requestAnimationFrame(() => done(performance.now() - from)) : requestAnimationFrame(look); look();"
            )
        )
        for _ in range(3)
    ]
    note("season_chart_ms", took)
    browser.execute_script("document.querySelector(`[data-span='24h']`).click()")
    assert min(took) < within(300, 500)


LABEL_GAPS = """
const ink = document.createElement("canvas").getContext("2d");
ink.font = "12px system-ui";
return Object.values(state.charts).filter(Boolean).flatMap((u) => {
  const { _splits, _values } = u.axes[0], edges = _splits.map((at, i) => {
    const half = ink.measureText(_values[i] ?? "").width / 2, middle = u.valToPos(at, "x");
    return [middle - half, middle + half];
  });
  return edges.slice(1).map(([left], i) => left - edges[i][1]);
});
"""
"""JavaScript: px between the labels of each time axis. They are drawn on a canvas, so the chart is asked for them."""


def test_the_labels_of_days_keep_their_distance_on_a_phone(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    with shown_on(browser, SCREENS["phone_small"], host.url):
        open_page(browser, host, "history")
        until(lambda: browser.execute_script("return Boolean(state.charts['chart-vpd'])"))
        for span in ("7d", "30d", "season", "24h"):
            browser.execute_script("window.before = state.charts['chart-vpd']")
            browser.execute_script("document.querySelector(`[data-span='${arguments[0]}']`).click()", span)
            until(lambda: browser.execute_script("return state.charts['chart-vpd'] !== window.before"))
            until(lambda: len(browser.execute_script(LABEL_GAPS)) >= 7)
            assert min(browser.execute_script(LABEL_GAPS)) >= 4.0, span


def test_yesterdays_forecast_stands_beside_what_came(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host, "plan")
    for name, word in (("air_temp_c", "air temperature"), ("soil_avg_pct", "soil water"), ("vpd_kpa", "VPD")):
        click(browser, f"[data-quantity={name}]")
        until(lambda word=word: f"hours {word} was within the interval" in text(browser, "past-text"))
    known = browser.execute_script("return state.charts['chart-past'].data[4].filter(v => v !== null).length")
    assert known >= 20, "what came is on the chart"


def test_the_photo_stands_beside_what_was_measured(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    open_page(browser, host, "journal")
    until(lambda: "canopy" in text(browser, "vision"), 60)
    width = "return document.getElementById('photo-img').naturalWidth"
    assert browser.execute_script(width) == 0, "not before it is near"
    browser.execute_script("document.getElementById('photo').scrollIntoView()")
    until(lambda: browser.execute_script(width) > 0)
    assert "camera_main" in text(browser, "photo-when")


def test_every_skip_can_be_seen_by_itself(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host, "journal")
    click(browser, "[data-shown=skip]")
    script = "return [...document.querySelectorAll('#events tr td:nth-child(2)')].map(e => e.textContent)"
    until(lambda: len(browser.execute_script(script)) > 0)
    assert set(browser.execute_script(script)) <= {"refused", "nothing done", "not done"}
    click(browser, "[data-shown=all]")
    until(lambda: "pulse start" in browser.execute_script(script))
    click(browser, "[data-shown=summary]")
    until(lambda: not {"pulse start", "pulse end"} & set(browser.execute_script(script)))


def teach(browser, host: Host, admin: str, script: str, button: str, reply: str) -> str:  # type: ignore[no-untyped-def]
    """Fill a calibration form, press its button, confirm, sign in, and return what the page then says."""
    sign_out(browser)
    open_page(browser, host, "control")
    until(lambda: "Not signed in" in text(browser, "who"))
    browser.execute_script(f"why.value = 'browser test'; document.getElementById('{reply}').textContent = '';" + script)
    click(browser, button)
    until(lambda: browser.execute_script("return document.getElementById('confirm').open"), 5)
    click(browser, "#confirm button[value=yes]")
    sign_in(browser, admin)
    until(lambda: text(browser, reply) not in ("", "sending ..."), 90)
    return text(browser, reply)


SOIL = (
    "const put = (id, v) => document.getElementById(id).value = v; put('probe', 2); put('dry-raw', 51200);"
    "put('wet-raw', 23800); put('dry-pct', 5); put('wet-pct', 48);"
)


def test_the_board_learns_two_points_through_the_form(browser, host: Host, admin: str) -> None:  # type: ignore[no-untyped-def]
    said = teach(browser, host, admin, SOIL, "#soil-form button[type=submit]", "soil-reply")
    assert not said.startswith(("Refused", "Not done")), said
    turn_to(browser, "journal")
    until(lambda: "calibrate" in text(browser, "events").lower())


def test_a_probe_is_read_through_the_form(browser, host: Host, admin: str) -> None:  # type: ignore[no-untyped-def]
    said = teach(browser, host, admin, "", "#read-dry", "soil-reply")
    assert not said.startswith(("Refused", "Not done")), said
    assert 0 < int(browser.execute_script("return document.getElementById('dry-raw').value")) < 65_536


def test_calibration_takes_an_admin_and_sense(browser, host: Host, token: str, admin: str) -> None:  # type: ignore[no-untyped-def]
    assert "admin is needed" in teach(browser, host, token, SOIL, "#soil-form button[type=submit]", "soil-reply")
    jug = "const put = (id, v) => document.getElementById(id).value = v; put('jug-seconds', 100); put('jug-ml', 1);"
    assert "out of range" in teach(browser, host, admin, jug, "#pump-form button[type=submit]", "pump-reply")


def test_the_keyboard_is_enough(browser, host: Host, token: str) -> None:  # type: ignore[no-untyped-def]
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    def press(*keys: str) -> None:
        ActionChains(browser).send_keys(*keys).perform()

    def focused() -> str:
        return str(browser.execute_script("return document.activeElement.id || document.activeElement.textContent"))

    sign_out(browser)
    open_page(browser, host)
    press(Keys.TAB)
    assert focused() == "Skip to content"
    seen: list[str] = []
    while "Control" not in seen and len(seen) < 40:
        press(Keys.TAB)
        seen.append(focused())
    assert seen == ["Overview", "Plan", "History", "Journal", "Control"]
    press(Keys.ENTER)
    until(lambda: browser.execute_script("return state.page") == "control", 5)
    while "why" not in seen and len(seen) < 40:
        press(Keys.TAB)
        seen.append(focused())
    assert "sign-in-open" in seen and seen[-1] == "why"
    press("by keyboard", Keys.TAB, "mode", Keys.TAB, "back", Keys.TAB, Keys.ENTER)
    until(lambda: browser.execute_script("return document.getElementById('confirm').open"), 5)
    assert "NORMAL" in text(browser, "confirm-text")
    press(Keys.ESCAPE)
    until(lambda: not browser.execute_script("return document.getElementById('confirm').open"), 5)
    assert focused() == "Send", "the focus comes back to where it was"
    assert text(browser, "reply") == "", "Escape is a no"
    press(Keys.ENTER)
    until(lambda: browser.execute_script("return document.getElementById('confirm').open"), 5)
    press(Keys.TAB, Keys.ENTER)
    until(lambda: is_open(browser, "sign-in"), 5)
    press(token, Keys.ENTER)
    until(lambda: text(browser, "reply") not in ("", "sending ..."))
    assert not text(browser, "reply").startswith(("Refused", "Not done"))


def test_the_page_speaks_german_and_keeps_the_records_units(browser, host: Host) -> None:  # type: ignore[no-untyped-def]
    open_page(browser, host)
    browser.execute_script(
        "for (const [name, value] of [['language', 'de'], ['temperature', 'F'], ['volume', 'oz']])"
        "  localStorage.setItem(name, value);"
    )
    try:
        browser.refresh()
        until(lambda: "Boden P1" in text(browser, "tiles"))
        until(lambda: text(browser, "verdict") != browser.execute_script("return state.glance.verdict[1]"))
        assert "°F" in text(browser, "tiles") and "fl oz" in text(browser, "safety")
        assert browser.execute_script("return document.documentElement.lang") == "de"
        english = {"Overview", "Emergency stop", "Water now", "History", "Last action"}
        assert not english & set(
            browser.execute_script("return [...document.querySelectorAll('[data-t]')].map(e => e.textContent)")
        )
    finally:
        browser.execute_script("localStorage.clear()")


def test_the_stream_is_open_and_the_page_small(host: Host) -> None:
    with urlopen(f"{host.url}/api/stream", timeout=10) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert b"data" in stream.readline() + stream.readline() + stream.readline()
