"""Host names and addresses of services, checked where the settings are read."""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_LABEL = r"(?!-)[A-Za-z0-9_\-]{1,63}(?<!-)"
_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?")


def known_host(host: str) -> str:
    """`host` if it is an IP address or can be a host name. Raises ValueError with an example."""
    try:
        ip_address(host.strip("[]").split("%", 1)[0])
    except ValueError:
        # A name whose last part is a number would be an address: 10.0.0.999 is a typo and no name (RFC 1123, 2.1).
        if not _NAME.fullmatch(host) or host.rstrip(".").rsplit(".", 1)[-1].isdigit():
            raise ValueError("not an IP address or a host name; an example is '192.168.1.20'") from None
    return host


def listening_host(host: str) -> str:
    """A host that a server can listen on. Raises ValueError for one that never can be: multicast and broadcast."""
    known_host(host)
    try:
        address = ip_address(host.split("%", 1)[0])
    except ValueError:
        return host
    if address.is_multicast or str(address) == "255.255.255.255":
        raise ValueError("a server cannot listen on it; use an address of this machine, 127.0.0.1 or 0.0.0.0")
    return host


def web_address(url: str) -> str:
    """`url` if it is an http or https address with a host. Raises ValueError; the message never repeats the address."""
    try:
        parts = urlsplit(url)
        _ = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise ValueError(
            "an address whose host or port cannot be read; an example is 'http://127.0.0.1:8080/v1'"
        ) from None
    if parts.scheme not in ("http", "https") or not host or any(c.isspace() for c in url):
        raise ValueError("not an http:// or https:// address; an example is 'http://127.0.0.1:8080/v1'")
    known_host(host)
    return url


def board_address(url: str) -> str:
    """`url` if it can be the address of a board. Raises ValueError with an example."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url.strip():
            raise ValueError("not the address of a board; examples are 'sim' and '/dev/ttyACM0'")
        return url
    try:
        host, port = urlsplit(url).hostname, urlsplit(url).port
    except ValueError:
        host, port = None, None
    if scheme not in ("socket", "rfc2217") or not rest or not host or not port:
        raise ValueError("not the address of a board; an example is 'socket://192.168.1.20:3333'")
    known_host(host)
    return url


Host = Annotated[str, AfterValidator(known_host)]
ListeningHost = Annotated[str, AfterValidator(listening_host)]
WebAddress = Annotated[str, AfterValidator(web_address)]
BoardAddress = Annotated[str, AfterValidator(board_address)]


def why_not_bound(host: str) -> str:
    """Empty when a server of this machine can listen on `host` now, else the system's reason."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except (OSError, ValueError) as error:  # ValueError: a name that IDNA cannot encode
        return getattr(error, "strerror", None) or str(error)
    return ""
