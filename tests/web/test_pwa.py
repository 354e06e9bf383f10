"""The dashboard as an app: a reload without a host, alarms by web push, HTTPS with an authority of one's own."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tomato_host.service.tokens import TokenFile
from tomato_host.twin import server

from tests.notify.browser import Browser
from tests.web.conftest import Host, free_port
from tests.web.page_checks import SCREENS, judge, shown_on
from tests.web.test_dashboard import click, sign_in, text, until

pytestmark = pytest.mark.web
ROOT = Path(__file__).resolve().parents[2]


class PushService:
    """A push service of one browser, on loopback."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.received.append((dict(self.headers), body))
                self.send_response(201)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self._server.server_port}/send/1"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[PushService]:
    made = PushService()
    yield made
    made.close()


@pytest.fixture(scope="module")
def pushing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that sends everything to subscribed devices."""
    place = tmp_path_factory.mktemp("pwa")
    (place / "data").mkdir()
    with server.start(seed=5, flash=place / "flash") as twin:
        made = Host(twin.port_path, place / "data", free_port())
        rule = "[[notify.rules]]\nlevel = 'INFO'\nkinds = ['mode', 'person']\ncool_down_s = 0\n"
        head = "[notify]\nenabled = true\npush = true\npush_services = ['127.0.0.1']\ntent = 'Balcony'\n"
        made.config.write_text(made.config.read_text() + head + rule)
        made.start()
        yield made
        made.stop()


def ask(browser: Any, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Post as the page would, with its session and CSRF value."""
    script = "return (await (await import('/static/base.js')).post(arguments[0], arguments[1])).json()"
    return dict(browser.execute_script(script, path, body))


def replace_subscription(browser: Any, device: Any) -> None:
    """The page that is open subscribes with a push service on loopback."""
    # No push service of a browser's maker is reachable here: the browser's own subscription is replaced, nothing else.
    browser.execute_script(
        """
        const [endpoint, p256dh, auth] = arguments;
        const plain = { endpoint, expirationTime: null, keys: { p256dh, auth } };
        const made = { endpoint, toJSON: () => plain, unsubscribe: async () => { window.made = null; } };
        PushManager.prototype.subscribe = async (options) => {
          Object.assign(window, { asked: options, made });
          return made;
        };
        PushManager.prototype.getSubscription = async () => window.made || null;
        """,
        device.endpoint,
        device.p256dh,
        device.auth,
    )


def ready(browser: Any) -> None:
    until(lambda: browser.execute_script("return Boolean(navigator.serviceWorker.controller)"), 20)


def test_a_reload_without_the_host_shows_the_last_values_with_their_age(browser: Any, pushing: Host) -> None:
    browser.get(f"{pushing.url}/")
    until(lambda: "Soil P1" in text(browser, "tiles"))
    ready(browser)
    until(lambda: browser.execute_script("return Boolean(localStorage.getItem('glance'))"))
    kept = browser.execute_script(
        "const name = (await caches.keys())[0], found = await (await caches.open(name)).keys();"
        "return found.map(request => new URL(request.url).pathname);"
    )
    assert "/" in kept and "/static/app.js" in kept and "/static/messages/de.json" in kept
    assert not [path for path in kept if path.startswith("/api")], "no answer of the API"
    pushing.stop()
    browser.get(f"{pushing.url}/")
    until(lambda: "No connection: values of" in text(browser, "verdict"), 20)
    assert "Soil P1" in text(browser, "tiles") and " s ago" in text(browser, "age")
    assert browser.execute_script("return document.body.classList.contains('stale')")
    with shown_on(browser, SCREENS["phone_small"], ""):
        time.sleep(0.3)
        judge(browser, "offline")
    pushing.start()
    until(lambda: not browser.execute_script("return document.body.classList.contains('stale')"), 30)


def test_the_browser_takes_it_for_an_app(browser: Any, pushing: Host) -> None:
    browser.get(f"{pushing.url}/")
    ready(browser)
    found = browser.execute_cdp_cmd("Page.getAppManifest", {})
    assert found["errors"] == [] and json.loads(found["data"])["display"] == "standalone"
    errors = browser.execute_cdp_cmd("Page.getInstallabilityErrors", {})["installabilityErrors"]
    # Headless profiles are "incognito" for this check; every other reason is ours.
    assert [one for one in errors if one["errorId"] != "in-incognito"] == []


def test_an_alarm_reaches_a_subscribed_device(browser: Any, pushing: Host, service: PushService) -> None:
    receiver, owner = Browser(), TokenFile(pushing.data_dir).create("owner", "admin")
    permissions = {"origin": pushing.url, "permissions": ["notifications"]}
    browser.execute_cdp_cmd("Browser.grantPermissions", permissions)
    browser.get(f"{pushing.url}/#setup")
    until(lambda: browser.execute_script("return !document.getElementById('push').hidden"), 20)
    device = receiver.device(service.endpoint)
    replace_subscription(browser, device)
    click(browser, "#push")
    sign_in(browser, owner)
    until(lambda: "Alarms come to this device" in text(browser, "app-reply"), 15)
    assert len(browser.execute_script("return window.asked.applicationServerKey")) == 87
    assert browser.execute_script("return window.asked.userVisibleOnly")
    assert ask(browser, "/api/mode", {"mode": "PAUSED", "hours": 1, "reason": "push test"})["ok"]
    until(lambda: bool(service.received), 30)
    headers, body = service.received[0]
    assert headers["Authorization"].startswith("vapid t=") and headers["TTL"] == "43200"
    told = receiver.decrypt(body).decode()
    assert "Balcony" in json.loads(told)["title"] and "push test" in told
    browser.execute_cdp_cmd("ServiceWorker.enable", {})
    shown = (
        "return navigator.serviceWorker.ready.then(r => r.getNotifications()).then(n => n.map(x => [x.title, x.body]))"
    )
    for registration in range(4):
        message = {"origin": pushing.url, "registrationId": str(registration), "data": told}
        browser.execute_cdp_cmd("ServiceWorker.deliverPushMessage", message)
        time.sleep(0.5)
        if found := browser.execute_script(shown):
            break
    assert found[0] == [json.loads(told)["title"], json.loads(told)["body"]]
    before = len(service.received)
    sent = ask(browser, "/api/setup/notify-test", {})["lines"]
    assert sent == [{"service": "web push to 1 devices", "ok": True}]
    until(
        lambda: any(
            "This is how a message arrives" in receiver.decrypt(b).decode() for _, b in service.received[before:]
        )
    )
    click(browser, "#push")
    until(lambda: "gets no more alarms" in text(browser, "app-reply"), 15)


def test_https_with_an_authority_of_ones_own(browser: Any, tmp_path: Path) -> None:
    made = subprocess.run(
        ["sh", str(ROOT / "deploy" / "make-certificate.sh"), str(tmp_path / "tls"), "localhost", "127.0.0.1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "tls_certificate" in made.stdout
    (tmp_path / "data").mkdir()
    port = free_port()
    host = Host("sim", tmp_path / "data", port)
    host.config.write_text(
        f"[service]\nport = {port}\ntls_certificate = '{tmp_path}/tls/host.crt'\ntls_key = '{tmp_path}/tls/host.key'\n"
        "[weather]\nprovider = 'none'\n"
    )
    trusting = ssl.create_default_context(cafile=str(tmp_path / "tls" / "ca.crt"))
    process = subprocess.Popen(host.command(), stdout=subprocess.DEVNULL)
    try:
        url, end = f"https://localhost:{port}", time.monotonic() + 60
        while True:
            try:
                with urlopen(f"{url}/healthz", timeout=2, context=trusting) as answer:
                    assert answer.status == 200
                    break
            except OSError:
                assert time.monotonic() < end, "it did not come up"
                time.sleep(0.3)
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"), urlopen(f"{url}/healthz", timeout=5):
            pass
        with pytest.raises(OSError), urlopen(f"http://localhost:{port}/healthz", timeout=5):
            pass
        browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": True})
        browser.get(f"{url}/#control")
        until(lambda: "Not signed in" in text(browser, "who"), 20)
        click(browser, "#sign-in-open")
        sign_in(browser, TokenFile(tmp_path / "data").create("phone", "operate"))
        until(lambda: "Signed in as phone" in text(browser, "who"), 10)
        (cookie,) = [one for one in browser.get_cookies() if one["name"] == "tomato_session"]
        assert cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict"
    finally:
        browser.execute_cdp_cmd("Security.setIgnoreCertificateErrors", {"ignore": False})
        process.terminate()
        process.wait(30)
