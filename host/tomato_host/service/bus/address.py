"""A broker's address: read, checked, and safe to print, because it never holds a password."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tomato_host.errors import TomatoError

PORTS = {"redis": 6_379, "rediss": 6_379, "mqtt": 1_883, "mqtts": 8_883}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a broker is."""

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
    """Read `redis://host:6379/0`, `rediss://`, `mqtt://host:1883` or `mqtts://`, with `user@` where needed.

    Raises TomatoError E-BUS-URL. The message never repeats the URL: somebody may have put a password into it.
    """
    try:
        parts = urlsplit(url)
        port, database = parts.port, int(parts.path.strip("/") or 0)
    except ValueError:
        raise _wrong("has a port or database that is no number") from None
    if parts.scheme not in PORTS:
        raise _wrong(f"begins with {parts.scheme[:20]!r}")
    if parts.password is not None:
        raise _wrong("holds a password; it belongs into the environment variable that [bus] password_from names")
    if not parts.hostname:
        raise _wrong("names no host")
    if parts.query or parts.fragment or not 0 <= database <= 15:
        raise _wrong("ends in something that is no database number from 0 to 15")
    return Address(parts.scheme, parts.hostname, port or PORTS[parts.scheme], parts.username or "", database)


def _wrong(what: str) -> TomatoError:
    return TomatoError(
        "E-BUS-URL",
        f"The broker's address {what}.",
        "write redis://host:6379/0, rediss://host, mqtt://host:1883 or mqtts://host",
    )
