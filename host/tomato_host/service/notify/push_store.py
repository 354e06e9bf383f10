"""Devices that have subscribed to alarms in the browser, in a file that only its owner can read."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tomato_host.service.secret_rows import SecretRows

FILE = "push.json"
MOST_DEVICES = 20
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
_P256DH, _AUTH = re.compile(r"^[A-Za-z0-9_-]{86,88}=*$"), re.compile(r"^[A-Za-z0-9_-]{21,24}=*$")


@dataclass(frozen=True, slots=True)
class PushDevice:
    """One subscription as RFC 8030 and RFC 8291 have it: where to post, and the keys of the browser (base64url)."""

    endpoint: str
    p256dh: str
    auth: str
    who: str
    """Name of the token whose holder subscribed it."""


class PushStore:
    """The subscriptions of one data directory. Read anew when the file changes: two processes share it."""

    def __init__(self, data_dir: Path) -> None:
        self._rows = SecretRows(data_dir / FILE, lambda row: PushDevice(**row))

    def all(self) -> tuple[PushDevice, ...]:
        """Every device, the oldest first."""
        return self._rows.read()

    def add(self, device: PushDevice) -> None:
        """Add one, or renew it; the oldest of too many goes. Raises TomatoError E-STORAGE-UNWRITABLE."""
        others = [one for one in self.all() if one.endpoint != device.endpoint]
        self._rows.write(asdict(one) for one in [*others, device][-MOST_DEVICES:])

    def remove(self, endpoint: str) -> bool:
        """Forget one; False when there is none of that address. Raises TomatoError E-STORAGE-UNWRITABLE."""
        left = [one for one in self.all() if one.endpoint != endpoint]
        if len(left) == len(self.all()):
            return False
        self._rows.write(asdict(one) for one in left)
        return True


def why_no_device(device: PushDevice, services: tuple[str, ...]) -> str:
    """Why a subscription is refused, empty when it is good; the host posts to addresses of listed services only."""
    try:
        parts = urlsplit(device.endpoint)
        host = parts.hostname or ""
    except ValueError:
        return "the address of the push service cannot be read"
    is_listed = any(host == name or host.endswith(f".{name}") for name in services)
    if not is_listed or parts.username or len(device.endpoint) > 1_000:
        return f"{host[:60] or 'this address'} is no push service that [notify] push_services lists"
    if parts.scheme != "https" and host not in LOOPBACK:
        return "the address of a push service begins with https://"
    if not _P256DH.match(device.p256dh) or not _AUTH.match(device.auth):
        return "the keys of the subscription are malformed"
    return ""
