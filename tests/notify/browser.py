"""The keys of a browser that has subscribed, and how it decrypts what a push service gave it (RFC 8291, section 3)."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tomato_host.service.notify.push_store import PushDevice
from tomato_host.service.notify.web_push import content_keys, to_text


class Browser:
    """One receiver."""

    def __init__(self) -> None:
        self._key, self._auth = ec.generate_private_key(ec.SECP256R1()), os.urandom(16)

    def device(self, endpoint: str) -> PushDevice:
        """Its subscription at a service."""
        return PushDevice(endpoint, to_text(self._point()), to_text(self._auth), "ana")

    def decrypt(self, body: bytes) -> bytes:
        """The content of a message. Raises InvalidTag when it is for another browser."""
        salt, length = body[:16], body[20]
        sender, sealed = body[21 : 21 + length], body[21 + length :]
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender)
        shared = self._key.exchange(ec.ECDH(), point)
        key, nonce = content_keys(shared, self._auth, self._point(), sender, salt)
        content = AESGCM(key).decrypt(nonce, sealed, None)
        assert content[-1:] == b"\x02", "the last record"
        return content[:-1]

    def _point(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
