"""What a grower does beside watching: keeps a journal, saves the past, and sees a fault from alarm to all-clear.

One demo for all of it: its tent lives at sixty times the pace, and a fault of its menu is over in a minute.
"""

from __future__ import annotations

import csv
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tomato_host.service.tokens import TokenFile
from tomato_host.storage.journal_photos import stored_photo
from tomato_host.storage.time_lapse import formats

from tests.web.conftest import Host, free_port
from tests.web.page_checks import SCREENS, judge, shown_on
from tests.web.test_dashboard import click, is_open, open_page, sign_in, text, turn_to, until

pytestmark = pytest.mark.web
ROOT = Path(__file__).resolve().parents[2]
PHOTO = ROOT / "docs" / "images" / "dashboard-phone.png"
DAYS = 1.2


class Demo(Host):
    """`tomato-host demo`: a day of records, then live."""

    def command(self) -> list[str]:
        words = ["demo", "--data-dir", str(self.data_dir), "--config", str(self.config), "--days", str(DAYS)]
        return [sys.executable, "-m", "tomato_host", *words]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    place = tmp_path_factory.mktemp("demo")
    made = Demo("", place / "data", free_port())
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def grower(demo: Demo) -> str:
    return TokenFile(demo.data_dir).create("grower", "admin")


@pytest.fixture
def downloads(browser: Any, tmp_path: Path) -> Path:
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    return tmp_path


def style(browser: Any, id_: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0]).className", id_))


def test_a_fault_from_the_alarm_to_the_all_clear(browser: Any, demo: Demo, grower: str) -> None:
    """A leak: provoked on the page, seen as an alarm with what to do, dried up, button held, cleared, all well."""
    open_page(browser, demo)
    until(lambda: "well" in style(browser, "verdict"), 60)
    assert text(browser, "anomalies") == ""
    turn_to(browser, "control")
    until(lambda: browser.execute_script("return document.getElementById('demo-fault').options.length") > 5)
    browser.execute_script(
        "const menu = document.getElementById('demo-fault'); menu.value = 'leak';"
        "menu.dispatchEvent(new Event('change')); document.getElementById('demo-minutes').value = '60';"
    )
    assert "runs on the floor" in text(browser, "demo-meaning")
    click(browser, "#demo-form button[type=submit]")
    sign_in(browser, grower)
    until(lambda: text(browser, "demo-reply").startswith("Provoked."), 10)
    until(lambda: "leak" in text(browser, "demo-active"), 10)
    turn_to(browser, "overview")
    until(lambda: is_watered(browser), 90)
    until(lambda: "bad" in style(browser, "verdict"), 60)
    until(lambda: "leak" in text(browser, "anomalies").lower(), 30)
    assert ": " in text(browser, "anomalies"), "what to do stands beside it"
    assert "leak" in text(browser, "safety").lower(), "and the fault that the board holds"
    assert browser.execute_script("return document.querySelector('.alarm').getBoundingClientRect().height") > 0
    with shown_on(browser, SCREENS["phone_small"], demo.url):
        open_alarm(browser, demo)
        judge(browser, "alarm_phone")
    open_page(browser, demo, "control")
    until(lambda: text(browser, "demo-active") == "Nothing is provoked.", 90)
    until(lambda: is_clear(browser), 120)
    turn_to(browser, "overview")
    until(lambda: browser.execute_script("return Boolean(document.getElementById('acknowledge'))"), 30)
    click(browser, "#acknowledge")
    until(lambda: is_open(browser, "confirm"), 5)
    click(browser, "#confirm-yes")
    until(lambda: "well" in style(browser, "verdict"), 120)
    assert text(browser, "verdict") == "All is well" and text(browser, "anomalies") == ""
    turn_to(browser, "journal")
    until(lambda: "leak" in text(browser, "events").lower())


def is_watered(browser: Any) -> bool:
    """A dose by hand: half of it runs on the floor. False while the pump rests from the last one."""
    browser.execute_script("document.getElementById('toast').textContent = ''")
    click(browser, "#water-now")
    until(lambda: is_open(browser, "water-dialog"), 5)
    click(browser, "#water-form button[type=submit]")
    until(lambda: is_open(browser, "confirm"), 5)
    click(browser, "#confirm-yes")
    until(lambda: text(browser, "toast") not in ("", "sending ..."), 15)
    return text(browser, "toast").startswith("accepted") or "bad" in style(browser, "verdict")


def open_alarm(browser: Any, demo: Demo) -> None:
    """The overview in German while the alarm lasts."""
    browser.get(f"{demo.url}/#overview")
    until(lambda: browser.execute_script("return Boolean(window.state?.lastStatus)"))
    until(lambda: text(browser, "anomalies") != "")


def is_clear(browser: Any) -> bool:
    """Hold the board's button and clear what it holds; False while the cause lasts."""
    if browser.execute_script("return state.glance.devices.faults.length") == 0:
        return True
    click(browser, "#demo-button")
    time.sleep(2.0)
    return bool(browser.execute_script("return state.glance.devices.faults.length") == 0)


def test_the_journal_takes_a_note_with_a_photo(browser: Any, demo: Demo, grower: str) -> None:
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    open_page(browser, demo, "journal")
    until(lambda: text(browser, "journal-facts") != "")
    browser.find_element("id", "j-text").send_keys("First truss has set.")
    browser.find_element("id", "j-photo").send_keys(str(PHOTO))
    until(lambda: browser.execute_script("return document.getElementById('j-preview').naturalWidth") > 0, 10)
    click(browser, "#journal-form button[type=submit]")
    if is_open(browser, "sign-in"):
        sign_in(browser, grower)
    until(lambda: text(browser, "journal-reply") == "Written down.", 30)
    until(lambda: "First truss has set." in text(browser, "entries"))
    thumb = "document.querySelector('#entries .thumb img')"
    browser.execute_script(f"{thumb}.scrollIntoView()")
    until(lambda: browser.execute_script(f"return {thumb}.naturalWidth") > 0, 15)
    assert browser.execute_script("return document.getElementById('j-preview').hidden"), "the form is empty again"
    judge(browser, "journal_with_photo")
    turn_to(browser, "history")
    until(lambda: browser.execute_script("return (state.history?.journal || []).length") == 1, 30)
    turn_to(browser, "journal")
    click(browser, "#entries button.quiet")
    until(lambda: is_open(browser, "confirm"), 5)
    click(browser, "#confirm-yes")
    until(lambda: "First truss" not in text(browser, "entries"), 15)


def test_the_time_lapse_is_saved_in_what_the_device_can_make(browser: Any, demo: Demo, downloads: Path) -> None:
    pytest.importorskip("cv2", reason="pip install '.[camera]'")
    for hours in range(3):
        stored_photo(demo.data_dir, PHOTO.read_bytes(), datetime.now(UTC) - timedelta(hours=hours))
    open_page(browser, demo, "journal")
    until(lambda: browser.execute_script("return Boolean(state.journal)"))
    click(browser, "[data-lapse=week]")
    until(lambda: browser.execute_script("return document.getElementById('lapse').naturalWidth") > 0, 60)
    for kind, sign in (("gif", b"GIF8"), ("mp4", b"ftyp")):
        if kind in formats():
            film = downloads / f"tomato-week.{kind}"
            click(browser, f"#lapse-reply a[download='{film.name}']")
            until(lambda film=film: film.exists() and film.stat().st_size > 0, 60)  # type: ignore[misc]
            assert sign in film.read_bytes()[:12]
    assert ("For an MP4 the device needs" in text(browser, "lapse-reply")) is ("mp4" not in formats())
    judge(browser, "lapse")


def test_the_past_is_saved_as_a_table_and_as_a_picture(browser: Any, demo: Demo, downloads: Path) -> None:
    open_page(browser, demo, "history")
    until(lambda: browser.execute_script("return Boolean(document.querySelector('#chart-vpd canvas'))"))
    span = "return [state.history.t[0], state.history.t.at(-1)]"
    before = browser.execute_script(span)
    click(browser, "#save-csv")
    after = browser.execute_script(span)
    table = downloads / "tomato.csv"
    until(lambda: table.exists() and table.stat().st_size > 0, 20)
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    moments = [datetime.fromisoformat(row["time"]).astimezone(UTC).timestamp() for row in rows]
    assert len(rows) > 40 and moments == sorted(moments)
    assert before[0] - 1 <= moments[0] <= before[0] + 3_600 and moments[-1] <= after[1] + 1, "the span on screen"
    assert all(5.0 < float(row["air_temp_c"]) < 45.0 for row in rows if row["air_temp_c"])
    click(browser, "#save-png")
    picture = downloads / "tomato.png"
    until(lambda: picture.exists() and picture.read_bytes().endswith(b"IEND\xaeB`\x82"), 20)
    width, height, colours = pixels(picture.read_bytes())
    charts = browser.execute_script("return document.querySelectorAll('#page-history .chart canvas').length")
    assert charts >= 7 and width >= 240 and height > charts * 150 and colours > 20, (
        "every chart, and not an empty sheet"
    )


def pixels(png: bytes) -> tuple[int, int, int]:
    """Width, height and how many different byte values the pixels have."""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    at, packed = 8, b""
    while at < len(png):
        length, kind = int.from_bytes(png[at : at + 4], "big"), png[at + 4 : at + 8]
        packed += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    return width, height, len(set(zlib.decompress(packed)))
