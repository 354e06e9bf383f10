"""Web push: one encrypted message to a browser that has subscribed, through the push service of its maker.

The content is encrypted for the browser alone (RFC 8291 over RFC 8188, aes128gcm); the service learns that a message
came, when, and how long it is. The host proves who it is by a signed token (VAPID, RFC 8292). Extra `[push]`.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tomato_host.atomic_file import replace_file
from tomato_host.errors import TomatoError
from tomato_host.service.notify.filter import Notification
from tomato_host.service.notify.push_store import PushDevice, PushStore

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KEY_FILE = "push_key.pem"
LIFETIME_S = 43_200
"""How long the service keeps a message for a device that is off, and how long the signed token is valid (at most a
day, RFC 8292 section 2)."""
RECORD_BYTES = 4_096
MOST_TEXT = 2_000
"""Bytes of a message's text: services accept 4,096 in all (RFC 8030, section 7.2)."""
GONE = frozenset({404, 410})
"""The subscription has ended."""
Post = Callable[[str, dict[str, str], bytes], int]
"""Address, headers, body; returns the HTTP status. Raises OSError, or httpx.HTTPError."""


def to_text(content: bytes) -> str:
    """Base64url without padding, as every part of web push has it."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def to_bytes(text: str) -> bytes:
    """The reverse. Raises ValueError."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class PushKey:
    """The host's own key pair on P-256; browsers subscribe to its public half."""

    def __init__(self, data_dir: Path) -> None:
        """Read it, or make it. Raises TomatoError E-EXTRA-PUSH, E-STORAGE-UNWRITABLE."""
        require_push()
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        path = data_dir / KEY_FILE
        try:
            found = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(found, ec.EllipticCurvePrivateKey)
            self._key: EllipticCurvePrivateKey = found
        except FileNotFoundError:
            self._key = ec.generate_private_key(ec.SECP256R1())
            pem = self._key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            _write(path, pem)

    @property
    def public(self) -> str:
        """The public key, uncompressed point, base64url: `applicationServerKey` of the browser."""
        return to_text(_point(self._key))

    def authorization(self, endpoint: str, contact: str, now_s: float) -> str:
        """The header that proves the sender to the service of this address (RFC 8292)."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        parts = urlsplit(endpoint)
        claims = {"aud": f"{parts.scheme}://{parts.netloc}", "exp": int(now_s) + LIFETIME_S, "sub": contact}
        signed = ".".join(to_text(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "ES256"}, claims))
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"vapid t={signed}.{to_text(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}, k={self.public}"


def encrypt(content: bytes, device: PushDevice, salt: bytes | None = None) -> bytes:
    """The body for a device: one record of aes128gcm with a key pair made for this message alone (RFC 8291)."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    theirs = to_bytes(device.p256dh)
    ours = ec.generate_private_key(ec.SECP256R1())
    shared = ours.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), theirs))
    salt = os.urandom(16) if salt is None else salt
    key, nonce = content_keys(shared, to_bytes(device.auth), theirs, _point(ours), salt)
    sealed = AESGCM(key).encrypt(nonce, content + b"\x02", None)  # 2: the last record
    return salt + RECORD_BYTES.to_bytes(4, "big") + bytes([65]) + _point(ours) + sealed


def content_keys(shared: bytes, auth: bytes, receiver: bytes, sender: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of one message (RFC 8291, section 3.4): `shared` is the ECDH secret, points are uncompressed."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    def derive(secret: bytes, salted: bytes, info: bytes, length: int) -> bytes:
        return HKDF(hashes.SHA256(), length, salted, info).derive(secret)

    secret = derive(shared, auth, b"WebPush: info\x00" + receiver + sender, 32)
    key = derive(secret, salt, b"Content-Encoding: aes128gcm\x00", 16)
    return key, derive(secret, salt, b"Content-Encoding: nonce\x00", 12)


def payload_of(message: Notification) -> bytes:
    """What the service worker shows."""
    body = message.text.encode()[:MOST_TEXT].decode(errors="ignore")
    fields = {"title": message.title[:120], "body": body, "level": message.level, "tag": message.cause, "url": "/"}
    return json.dumps(fields, ensure_ascii=False).encode()


def push_sender(data_dir: Path, contact: str, post: Post | None = None) -> Callable[[Notification], bool]:
    """Sends to every device that has subscribed. Raises TomatoError E-EXTRA-PUSH, E-STORAGE-UNWRITABLE."""
    key, store, deliver = PushKey(data_dir), PushStore(data_dir), post or _post

    def send(message: Notification) -> bool:
        """True when no device is left that should get it later."""
        content, all_done = payload_of(message), True
        for device in store.all():
            headers = {
                "Authorization": key.authorization(device.endpoint, contact, time.time()),
                "Content-Encoding": "aes128gcm",
                "Content-Type": "application/octet-stream",
                "TTL": str(LIFETIME_S),
                "Urgency": "high" if message.level == "ALARM" else "normal",
            }
            status = deliver(device.endpoint, headers, encrypt(content, device))
            if status in GONE:
                store.remove(device.endpoint)
            all_done = all_done and (status in GONE or 200 <= status < 300)
        return all_done

    return send


def require_push() -> None:
    """Raises TomatoError E-EXTRA-PUSH when the library is missing."""
    if not can_push():
        raise TomatoError("E-EXTRA-PUSH", "cryptography is not installed.", "pip install '.[push]'")


def can_push() -> bool:
    """Whether the extra is installed."""
    from importlib.util import find_spec

    return find_spec("cryptography") is not None


def _point(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _write(path: Path, content: bytes) -> None:
    try:
        replace_file(path, content, mode=0o600, parents=True)
    except OSError as error:
        raise TomatoError(
            "E-STORAGE-UNWRITABLE",
            f"{path} cannot be written: {error.strerror or error}.",
            "free space on that disk, or check who owns the directory",
        ) from None


def _post(url: str, headers: dict[str, str], body: bytes) -> int:
    import httpx

    return httpx.post(url, headers=headers, content=body, timeout=20.0, follow_redirects=False).status_code
