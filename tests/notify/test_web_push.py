"""Web push: the RFC's own example, what a browser can read and a service cannot, and to whom the host posts at all."""

from __future__ import annotations

import base64
import json
import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.testclient import TestClient
from tomato_host.service.history import History
from tomato_host.service.http_api import create_app
from tomato_host.service.live_state import LiveState
from tomato_host.service.notify.extension import publishers_for
from tomato_host.service.notify.filter import Notification
from tomato_host.service.notify.push_store import MOST_DEVICES, PushDevice, PushStore, why_no_device
from tomato_host.service.notify.settings import NotifySettings
from tomato_host.service.notify.web_push import (
    PushKey,
    content_keys,
    encrypt,
    payload_of,
    push_sender,
    to_bytes,
    to_text,
)
from tomato_host.service.settings import ServiceSettings
from tomato_host.service.tokens import TokenFile

from tests.notify.browser import Browser

ALARM = Notification("ALARM", "Balcony: leak", "The leak sensor is wet.", cause="leak")
SERVICES = NotifySettings().push_services


def test_the_example_of_the_rfc() -> None:
    """RFC 8291, appendix A."""
    receiver = to_bytes("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
    sender = to_bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8")
    private = int.from_bytes(to_bytes("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"), "big")
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
    shared = ec.derive_private_key(private, ec.SECP256R1()).exchange(ec.ECDH(), point)
    auth, salt = to_bytes("BTBZMqHH6r4Tts7J_aSIgg"), to_bytes("DGv6ra1nlYgDCS1FRnbzlw")
    key, nonce = content_keys(shared, auth, receiver, sender, salt)
    assert (to_text(key), to_text(nonce)) == ("oIhVW04MRdy2XN9CiKLxTg", "4h_95klXJ5E_qnoN")
    sealed = AESGCM(key).encrypt(nonce, b"When I grow up, I want to be a watermelon\x02", None)
    assert to_text(sealed) == "8pfeW0KbunFT06SuDKoJH9Ql87S1QUrdirN6GcG7sFz1y1sqLgVi1VhjVkHsUoEsbI_0LpXMuGvnzQ"


def test_the_browser_reads_it_and_nobody_else() -> None:
    browser, other = Browser(), Browser()
    body = encrypt(payload_of(ALARM), browser.device("https://fcm.googleapis.com/x"))
    told = json.loads(browser.decrypt(body))
    assert told["title"] == ALARM.title and told["tag"] == "leak" and told["level"] == "ALARM"
    assert b"leak" not in body
    with pytest.raises(InvalidTag):
        other.decrypt(body)


def test_a_long_text_fits_the_record() -> None:
    message = Notification("INFO", "t" * 500, "ü" * 5_000)
    assert len(encrypt(payload_of(message), Browser().device("https://x"))) < 4_096


def test_every_device_gets_it_and_one_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    store, browsers = PushStore(tmp_path), [Browser() for _ in range(3)]
    for number, browser in enumerate(browsers):
        store.add(browser.device(f"https://web.push.apple.com/{number}"))
    posted: list[tuple[str, dict[str, str], bytes]] = []
    answers = {"0": 201, "1": 410, "2": 503}

    def post(url: str, headers: dict[str, str], body: bytes) -> int:
        posted.append((url, headers, body))
        return answers[url[-1]]

    send = push_sender(tmp_path, "mailto:me@example.org", post)
    assert not send(ALARM), "the third service is away: the publisher tries again"
    assert [json.loads(browser.decrypt(body))["body"] for browser, (_, _, body) in zip(browsers, posted, strict=True)]
    assert [one.endpoint[-1] for one in store.all()] == ["0", "2"]
    answers["2"] = 201
    assert send(ALARM)
    _, headers, _ = posted[0]
    assert headers["Urgency"] == "high" and headers["Content-Encoding"] == "aes128gcm"
    verify(headers["Authorization"], "https://web.push.apple.com")
    assert stat.S_IMODE((tmp_path / "push_key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "push.json").stat().st_mode) == 0o600


def verify(authorization: str, audience: str) -> None:
    """The signature of RFC 8292, checked with the key that the header names."""
    fields = dict(part.split("=", 1) for part in authorization.removeprefix("vapid ").split(", "))
    head, claims, signature = fields["t"].split(".")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), to_bytes(fields["k"]))
    raw = to_bytes(signature)
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    key.verify(encode_dss_signature(r, s), f"{head}.{claims}".encode(), ec.ECDSA(hashes.SHA256()))
    told = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert told["aud"] == audience and told["sub"] == "mailto:me@example.org"


def test_the_key_stays_the_same(tmp_path: Path) -> None:
    assert PushKey(tmp_path).public == PushKey(tmp_path).public
    assert len(to_bytes(PushKey(tmp_path).public)) == 65


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        ("https://192.168.1.1/admin", "no push service"),
        ("https://evil.example/fcm.googleapis.com", "no push service"),
        ("https://notfcm.googleapis.com/x", "no push service"),
        ("https://user@fcm.googleapis.com/x", "no push service"),
        ("http://fcm.googleapis.com/x", "https"),
        ("http://127.0.0.1:9200/_shutdown", "no push service"),
        ("https://[::1", "cannot be read"),
    ],
)
def test_the_host_posts_to_listed_services_only(endpoint: str, why: str) -> None:
    assert why in why_no_device(Browser().device(endpoint), SERVICES)


def test_a_listed_service_and_its_subdomains_are_good() -> None:
    for endpoint in ("https://fcm.googleapis.com/fcm/send/x", "https://wns2-am3p.notify.windows.com/w/?token=x"):
        assert why_no_device(Browser().device(endpoint), SERVICES) == ""
    bad = PushDevice("https://fcm.googleapis.com/x", "short", "short", "ana")
    assert "malformed" in why_no_device(bad, SERVICES)


def test_devices_are_few(tmp_path: Path) -> None:
    store, device = PushStore(tmp_path), Browser().device("https://x/0")
    for number in range(MOST_DEVICES + 3):
        store.add(PushDevice(f"https://x/{number}", device.p256dh, device.auth, "ana"))
    assert len(store.all()) == MOST_DEVICES and store.all()[-1].endpoint.endswith(str(MOST_DEVICES + 2))


def test_routes_want_an_operator(tmp_path: Path) -> None:
    client = TestClient(create_app(LiveState(), History(tmp_path), ServiceSettings(), tmp_path))
    device = Browser().device("https://fcm.googleapis.com/x")
    body = {"endpoint": device.endpoint, "keys": {"p256dh": device.p256dh, "auth": device.auth}, "expirationTime": None}
    assert client.post("/api/push", json=body).status_code == 401
    key = {"Authorization": f"Bearer {TokenFile(tmp_path).create('ana', 'operate')}"}
    assert client.post("/api/push", json=body, headers=key).json() == {"ok": True, "devices": 1}
    assert PushStore(tmp_path).all()[0].who == "ana"
    told = client.get("/api/push").json()
    assert told["devices"] == 1 and told["key"] == PushKey(tmp_path).public and not told["enabled"]
    bad = {**body, "endpoint": "https://10.0.0.1/x"}
    assert client.post("/api/push", json=bad, headers=key).status_code == 409
    assert client.post("/api/push/end", json={"endpoint": device.endpoint}, headers=key).json()["ok"]
    assert PushStore(tmp_path).all() == ()


def test_with_devices_a_rule_needs_no_other_address(tmp_path: Path) -> None:
    ((devices,),) = publishers_for(NotifySettings(enabled=True, push=True), tmp_path, {})
    assert devices.name == "web push"
