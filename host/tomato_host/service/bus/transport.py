"""What the bus needs of a broker: its address, the pauses between attempts, and the protocol of both transports."""

from __future__ import annotations

import importlib.util
import random
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from tomato_host.addresses import known_host
from tomato_host.errors import TomatoError
from tomato_host.service.bus.message import BusMessage

PATIENCE_S = 5.0
"""Longest wait for a broker's answer."""
BATCH_LINES = 64
"""Messages handed to a broker at once: what an alarm may have to wait for."""
PORTS = {"redis": 6_379, "rediss": 6_379, "mqtt": 1_883, "mqtts": 8_883}
FIRST_S = 0.5
MOST_S = 30.0


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is; safe to print, because it never holds a password."""

    scheme: str
    host: str
    port: int
    username: str
    database: int

    @property
    def is_redis(self) -> bool:
        """Redis Streams, else MQTT."""
        return self.scheme.startswith("redis")

    @property
    def tls(self) -> bool:
        """Encrypted, the certificate checked."""
        return self.scheme in ("rediss", "mqtts")

    def __str__(self) -> str:
        """For logs and messages."""
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_address(url: str) -> Address:
    """Parse `redis://host:6379/0`, `rediss://`, `mqtt://host:1883` or `mqtts://`, with `user@` where needed.

    Raises TomatoError E-BUS-URL. The message never repeats the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url)
        port, database = parts.port, int(parts.path.strip("/") or 0)
    except ValueError:
        raise _invalid_address("has a port or database that is not a number") from None
    if parts.scheme not in PORTS:
        raise _invalid_address(f"begins with {parts.scheme[:20]!r}")
    if parts.password is not None:
        raise _invalid_address("holds a password; set it in the environment variable that [bus] password_from names")
    if not parts.hostname:
        raise _invalid_address("names no host")
    try:
        known_host(parts.hostname)
    except ValueError:
        raise _invalid_address("has a host that is no IP address and no host name") from None
    if parts.query or parts.fragment or not 0 <= database <= 15:
        raise _invalid_address("does not end in a database number from 0 to 15")
    return Address(parts.scheme, parts.hostname, port or PORTS[parts.scheme], parts.username or "", database)


def _invalid_address(what: str) -> TomatoError:
    return TomatoError(
        "E-BUS-URL",
        f"The broker's address {what}.",
        "write redis://host:6379/0, rediss://host, mqtt://host:1883 or mqtts://host",
    )


def require_extra(address: Address) -> None:
    """Raises TomatoError E-EXTRA-REDIS or E-EXTRA-MQTT when the library of that broker is not installed."""
    if address.is_redis and importlib.util.find_spec("redis") is None:
        raise TomatoError("E-EXTRA-REDIS", "The Redis client is not installed.", "pip install '.[redis]'")
    if not address.is_redis and importlib.util.find_spec("aiomqtt") is None:
        raise TomatoError("E-EXTRA-MQTT", "aiomqtt is not installed.", "pip install '.[mqtt]'")


class Backoff:
    """Exponential backoff with jitter between a tenth of the step and the whole step.

    Without the jitter a hundred nodes would come back to a restarted broker in the same instant.
    """

    def __init__(self, rng: random.Random | None = None, first_s: float = FIRST_S, most_s: float = MOST_S) -> None:
        self._rng = rng or random.SystemRandom()
        self._first_s = first_s
        self._most_s = most_s
        self.failures = 0

    def next_s(self) -> float:
        """Seconds to wait before the next attempt; each call counts one failure more."""
        step = min(self._most_s, self._first_s * 2.0 ** min(self.failures, 16))
        self.failures += 1
        return step * self._rng.uniform(0.1, 1.0)

    def reset(self) -> None:
        """An attempt succeeded."""
        self.failures = 0


class TransportDown(Exception):
    """The broker is away, refuses this node or accepts nothing; the text says why and holds no secret."""


class Transport(Protocol):
    """One connection to one broker. Every method may raise TransportDown; afterwards `connect` begins anew."""

    async def connect(self) -> None:
        """Connect to the broker."""

    async def published_ids(self) -> set[str] | None:
        """Ids of this node's newest alarms and actions that the broker has; None when it cannot be asked."""

    async def publish(self, batch: list[BusMessage]) -> None:
        """Return when the broker has accepted all of them."""

    async def publish_summary(self, summary: bytes) -> None:
        """Replace this node's summary."""

    async def close(self) -> None:
        """Disconnect; never raises."""
