"""heads.json: where each stream stood when it was last written. What is behind it was there."""

from __future__ import annotations

import json
from pathlib import Path

from tomato_host.storage.chain import Head
from tomato_host.storage.layout import HEADS


def read_heads(folder: Path) -> dict[str, Head]:
    """The heads by stream; empty when the file is not there or cannot be read (`verify` tells which)."""
    try:
        return parse_heads((folder / HEADS).read_bytes())
    except (OSError, ValueError):
        return {}


def parse_heads(text: bytes) -> dict[str, Head]:
    """Raises ValueError when the text is no heads file."""
    try:
        streams = json.loads(text)["streams"]
        return {stream: Head(int(h["n"]), int(h["seq"]), str(h["hash"])) for stream, h in streams.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no heads file: {error!r}") from error
