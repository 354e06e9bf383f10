"""Authenticity of messages: an HMAC-SHA256 tag, a nonce and a freshness window; keys come from the environment.

The tag is the last field of every message on the wire, number 15: its two header bytes and itself are appended to the
serialised rest, so that whoever checks it authenticates the very bytes that were sent, without serialising anything
again. Each kind of message has its own key, derived from the shared one by the kind's name: a tag of one kind is never
valid for another.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message

from shared_schemas.learn.budgets import FRESHNESS_MS, NONCE_MEMORY_MS
from tomato_host.learn.keys import SigningKeys

TAG_FIELD = 15
SHORT_TAG, LONG_TAG = 8, 16
SHORT_TAGGED = frozenset({"SystemStatePacket", "TelemetryEvent"})
"""Reports of a state carry the short tag; what changes something, or is learned from, carries the long one."""

_HEADER = bytes([TAG_FIELD << 3 | 2])
_MOST_NONCES = 100_000

Kind = TypeVar("Kind", bound=Message)


class MessageRefused(Exception):
    """A message that must not be acted on; `why` is one of tag, stale, replayed, malformed."""

    def __init__(self, why: str, text: str) -> None:
        super().__init__(text)
        self.why = why


class MessageSigner:
    """Serialises a message with its tag."""

    def __init__(self, keys: SigningKeys, now_ms: Callable[[], int], nonce: Callable[[], int]) -> None:
        self._keys, self._now_ms, self._nonce = keys, now_ms, nonce
        self._derived: dict[str, bytes] = {}

    def stamp(self, message: Any) -> None:
        """Set the time and a fresh nonce (64 random bits) of a message that is about to be sent."""
        message.sent_ms = self._now_ms()
        message.nonce = self._nonce()

    def encode(self, message: Message) -> bytes:
        """The bytes to send. The message must be stamped and its `tag` unset."""
        kind = message.DESCRIPTOR.name
        key = self._derived.get(kind)
        if key is None:
            key = self._derived[kind] = self._keys.of_kind(kind)[0]
        body = message.SerializeToString()
        size = SHORT_TAG if kind in SHORT_TAGGED else LONG_TAG
        return b"%b%b%c%b" % (body, _HEADER, size, hmac.digest(key, body, "sha256")[:size])


class MessageVerifier:
    """Parses messages and refuses what is forged, stale, replayed or malformed. Holds the nonces of 5 minutes.

    `freshness_ms` is longer for what waits in a queue and changes nothing at once (reports, telemetry); nonces are
    then remembered as long.
    """

    def __init__(self, keys: SigningKeys, now_ms: Callable[[], int], freshness_ms: int = FRESHNESS_MS) -> None:
        self._keys, self._now_ms = keys, now_ms
        self._freshness_ms, self._memory_ms = freshness_ms, max(NONCE_MEMORY_MS, 2 * freshness_ms)
        self._derived: dict[str, tuple[bytes, ...]] = {}
        self._seen: OrderedDict[tuple[str, int], int] = OrderedDict()

    def parse(self, raw: bytes, kind: type[Kind]) -> Kind:
        """The message of `raw`. Raises MessageRefused."""
        name = kind.DESCRIPTOR.name
        self._check_tag(raw, name)
        try:
            message: Any = kind.FromString(raw)
        except DecodeError:
            raise MessageRefused("malformed", f"a {name} that cannot be parsed") from None
        self._check_time(message, name)
        return message  # type: ignore[no-any-return]

    def forget(self, message: Any) -> None:
        """Accept this message once more: whoever was given it failed, and the queue will deliver it again."""
        self._seen.pop((message.DESCRIPTOR.name, message.nonce), None)

    def _check_tag(self, raw: bytes, name: str) -> None:
        size = SHORT_TAG if name in SHORT_TAGGED else LONG_TAG
        body, trailer = raw[: -size - 2], raw[-size - 2 :]
        if len(trailer) < size + 2 or trailer[:2] != _HEADER + bytes([size]):
            raise MessageRefused("tag", f"a {name} without its tag")
        if name not in self._derived:
            self._derived[name] = self._keys.of_kind(name)
        tags = [hmac.digest(key, body, "sha256")[:size] for key in self._derived[name]]
        if not sum(hmac.compare_digest(tag, trailer[2:]) for tag in tags):
            raise MessageRefused("tag", f"a {name} with a wrong tag")

    def _check_time(self, message: Any, name: str) -> None:
        now = self._now_ms()
        if abs(now - message.sent_ms) > self._freshness_ms:
            raise MessageRefused("stale", f"a {name} sent {(now - message.sent_ms) / 1_000:+.1f} s ago")
        while self._seen and (len(self._seen) > _MOST_NONCES or self._oldest() < now - self._memory_ms):
            self._seen.popitem(last=False)
        identity = (name, message.nonce)
        if identity in self._seen:
            raise MessageRefused("replayed", f"a {name} with a nonce that was seen before")
        self._seen[identity] = now

    def _oldest(self) -> int:
        return next(iter(self._seen.values()))
