"""What every page must hold on every screen: no sideways scroll, nothing that a finger misses, no broken word, axe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.web.conftest import SHOTS


class Screen(NamedTuple):
    """CSS pixels, the colours and the language of a device."""

    width: int
    height: int
    scheme: str
    language: str

    @property
    def is_phone(self) -> bool:
        return self.width < 600


SCREENS = {
    "phone": Screen(390, 844, "light", "en"),
    "phone_small": Screen(360, 740, "dark", "de"),
    "desktop": Screen(1400, 1000, "light", "de"),
    "desktop_dark": Screen(1400, 1000, "dark", "en"),
}
AXE = Path(os.environ.get("TOMATO_AXE", "build/fetched/axe-core/package/axe.min.js"))
SMALL_TARGETS = """
return [...document.querySelectorAll("button, nav a, input, select, textarea, a.button, a.thumb")].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && !e.classList.contains("hidden") && (box.height < 44 || box.width < 44);
}).map(e => e.id || e.textContent.trim());
"""
"""JavaScript: what a finger would miss, below 44 px (WCAG 2.2, 2.5.5)."""
BROKEN_WORDS = """
const broken = [];
const texts = "main td, main dd, main dt, main p, main li, main span, main small, main b, main h2, nav a, button";
for (const one of document.querySelectorAll(texts)) {
  if (!one.getClientRects().length) continue;
  for (const node of one.childNodes) {
    if (node.nodeType !== 3) continue;
    for (const found of node.textContent.matchAll(/[\\p{L}\\d_]+/gu)) {
      const range = document.createRange();
      range.setStart(node, found.index);
      range.setEnd(node, found.index + found[0].length);
      const lines = new Set([...range.getClientRects()].filter(r => r.width > 0.5).map(r => Math.round(r.top)));
      if (lines.size > 1) broken.push(found[0]);
    }
  }
}
return broken;
"""
"""JavaScript: words that are on two lines."""
FINDINGS = """
const done = arguments[0], places = (v) => v.nodes.map(n => n.target[0]).join(" ");
axe.run().then(r => done(r.violations.map(v => [v.impact, v.id, places(v)])));
"""


@contextmanager
def shown_on(browser: Any, screen: Screen, url: str) -> Iterator[None]:
    """Pages of this address that are opened within are those of such a device; without one the open page stays."""
    emulate(browser, screen)
    if url:
        browser.get(f"{url}/")
        browser.execute_script("localStorage.setItem('language', arguments[0])", screen.language)
        browser.get("about:blank")  # the same address with another hash would load nothing
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        if url:
            browser.get(f"{url}/")
            browser.execute_script("localStorage.removeItem('language')")


def emulate(browser: Any, screen: Screen) -> None:
    """Size and colours; the page that is open stays."""
    size = {"width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": screen.is_phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    media = {"features": [{"name": "prefers-color-scheme", "value": screen.scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def judge(browser: Any, name: str) -> None:
    """The page that is open: all of the above; its picture is kept to be looked at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    assert browser.save_screenshot(str(SHOTS / f"{name}.png"))
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth"), name
    assert browser.execute_script(SMALL_TARGETS) == [], name
    assert browser.execute_script(BROKEN_WORDS) == [], name
    assert findings(browser) == [], name


def findings(browser: Any) -> list[list[str]]:
    """What axe calls serious or critical: impact, rule, places."""
    if not AXE.exists():
        pytest.skip("axe-core is not here: make test-web fetches it from the npm registry")
    if not browser.execute_script("return Boolean(window.axe)"):
        browser.execute_script(AXE.read_text(encoding="utf-8"))
    return [row for row in browser.execute_async_script(FINDINGS) if row[0] in ("serious", "critical")]
