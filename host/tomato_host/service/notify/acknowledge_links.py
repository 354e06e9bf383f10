"""Links by which a reader acknowledges a message: one cause each, good once, for a day, and for nothing else.

A link holds 192 random bits. Its file in `<data-dir>/acknowledge` is named by their hash, so that whoever can list the
directory cannot use a link. The host's process writes the files and the dashboard's process uses them up: renaming a
file is atomic, so of two requests with one link exactly one succeeds, also over restarts of either process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from tomato_host.atomic_file import make_directory, replace_file

FOLDER = "acknowledge"
LINK_PATH = "/ack/"
"""Where the dashboard serves a link; its secret follows."""
LIFETIME = timedelta(hours=24)
"""An alarm that lasts is repeated with a new link before its old one has expired."""
MOST_LINKS = 500
_SECRET_BYTES = 24
Use = Literal["open", "used", "expired", "unknown"]


@dataclass(frozen=True, slots=True)
class AcknowledgeLink:
    """What a link is for; times are ISO 8601."""

    cause: str
    text: str
    sent: str
    expires: str


def _stem(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()[:48]


class AcknowledgeLinks:
    """The links of one data directory."""

    def __init__(self, data_dir: Path, random_secret: Callable[[int], str] = secrets.token_urlsafe) -> None:
        self._folder = data_dir / FOLDER
        self._random_secret = random_secret

    def issue(self, cause: str, text: str, now: datetime) -> str | None:
        """The secret of a new link; None when the disk does not take it: the message is then sent without one."""
        secret = self._random_secret(_SECRET_BYTES)
        link = AcknowledgeLink(cause, text[:500], now.isoformat(), (now + LIFETIME).isoformat())
        try:
            make_directory(self._folder)
            self._remove_old(now)
            replace_file(self._file(secret), json.dumps(asdict(link)).encode(), mode=0o600, durable=False)
        except OSError:
            return None
        return secret

    def look_up(self, secret: str, now: datetime) -> tuple[Use, AcknowledgeLink | None]:
        """What this link is for and whether it still works. Changes nothing: programs that preview links do this."""
        for path, use in ((self._file(secret), "open"), (self._used(secret), "used")):
            with contextlib.suppress(OSError, ValueError, TypeError):
                link = AcknowledgeLink(**json.loads(path.read_bytes()))
                if use == "open" and now >= datetime.fromisoformat(link.expires):
                    return "expired", link
                return ("open" if use == "open" else "used"), link
        return "unknown", None

    def use_up(self, secret: str, now: datetime) -> AcknowledgeLink | None:
        """The link's cause if it was open until now; from here on it is used. None: it is used, expired or unknown."""
        use, link = self.look_up(secret, now)
        if use != "open":
            return None
        try:
            os.rename(self._file(secret), self._used(secret))
        except OSError:
            return None
        return link

    def give_back(self, secret: str) -> None:
        """What was to be acknowledged did not reach the host: the link works again."""
        with contextlib.suppress(OSError):
            os.rename(self._used(secret), self._file(secret))

    def _file(self, secret: str) -> Path:
        return self._folder / f"{_stem(secret)}.json"

    def _used(self, secret: str) -> Path:
        return self._folder / f"{_stem(secret)}.used"

    def _remove_old(self, now: datetime) -> None:
        """Files of links that expired a day ago, and the oldest ones beyond MOST_LINKS."""
        files = []
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # the dashboard renames a link that is used up
                files.append((path.stat().st_mtime, path))
        limit_s = (now - 2 * LIFETIME).timestamp()
        for at, (written_s, path) in enumerate(sorted(files)):
            if written_s < limit_s or at < len(files) - MOST_LINKS:
                path.unlink(missing_ok=True)
