"""The fleet page in a real browser: a real host on a real Redis, a node that dies, a broker that goes away."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tomato_host.twin import server

from tests.bus.brokers import Node, RealRedis, needs_redis, reading
from tests.web.conftest import SHOTS, Host, free_port
from tests.web.test_dashboard import DESK, PHONE, text, until

pytest.importorskip("redis", reason="extra [redis] is not installed")
pytestmark = [pytest.mark.web, needs_redis]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRedis]:
    found = RealRedis(tmp_path_factory.mktemp("redis"))
    yield found
    found.stop()


@pytest.fixture(scope="module")
def tent(tmp_path_factory: pytest.TempPathFactory, broker: RealRedis) -> Iterator[Host]:
    place = tmp_path_factory.mktemp("fleet")
    data = place / "data"
    data.mkdir()
    with server.start(seed=5, flash=place / "flash") as twin:
        made = Host(twin.port_path, data, free_port())
        with made.config.open("a") as file:
            file.write(
                f'[bus]\nenabled = true\nurl = "{broker.url}"\nnode = "north"\nsummary_every_s = 1.0\n'
                "stale_after_s = 4.0\n"
            )
        made.start()
        try:
            yield made
        finally:
            made.stop()


def rows(browser) -> dict[str, str]:  # type: ignore[no-untyped-def]
    found = browser.execute_script(
        "return [...document.querySelectorAll('#nodes tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    return {cells[0]: " | ".join(cells[1:]) for cells in found}


def test_all_tents_in_one_page(browser, tent: Host, broker: RealRedis, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    south = Node(tmp_path / "south", broker.url, "south")
    try:
        south.keep(reading(1, air_temp_c=29.5, soil=18.5))
        browser.get_log("browser")
        browser.get(f"{tent.url}/fleet")
        until(lambda: set(rows(browser)) == {"north", "south"})
        until(lambda: "29.5" in rows(browser)["south"] and "P1 18.5 %" in rows(browser)["south"])
        until(lambda: "NORMAL" in rows(browser)["north"] and "yes" in rows(browser)["north"])
        until(lambda: "All 2 are well" in text(browser, "verdict"))
        SHOTS.mkdir(parents=True, exist_ok=True)
        for name, size in (("fleet_phone", PHONE), ("fleet_desktop", DESK)):
            browser.set_window_size(*size)
            assert browser.save_screenshot(str(SHOTS / f"{name}.png"))
            assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth + 1")
        assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    finally:
        south.close()
    until(lambda: "unknown" in rows(browser)["south"])
    assert "1 of 2 silent" in text(browser, "verdict")
    assert "29.5" in rows(browser)["south"], "its last values stay"


def test_a_broker_that_is_gone_is_said_and_comes_back(browser, tent: Host, broker: RealRedis) -> None:  # type: ignore[no-untyped-def]
    browser.get(f"{tent.url}/fleet")
    until(lambda: "north" in rows(browser))
    broker.stop()
    until(lambda: "does not answer" in text(browser, "verdict"))
    assert "start it" in text(browser, "problem")
    broker.start()
    until(lambda: "All 1 are well" in text(browser, "verdict") and "north" in rows(browser))


def test_accessibility_without_serious_findings(browser, tent: Host) -> None:  # type: ignore[no-untyped-def]
    path = Path(os.environ.get("TOMATO_AXE", "build/fetched/axe-core/package/axe.min.js"))
    if not path.exists():
        pytest.skip("axe-core is not here: make test-web fetches it from the npm registry")
    browser.get(f"{tent.url}/fleet")
    until(lambda: "north" in rows(browser))
    browser.execute_script(path.read_text(encoding="utf-8"))
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => [v.impact, v.id, v.nodes.length])))"
    )
    assert [row for row in found if row[0] in ("serious", "critical")] == []
