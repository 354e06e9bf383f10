"""The line of a dataset, the hash chain through it, and heads.json: where each stream stood at the last write."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from tomato_host.storage.layout import HEADS

HASH_DIGITS = 32
"""128 bits of SHA-256: far beyond accident and beyond forging a second record with a given hash; half the bytes."""

_LINE = re.compile(rb'\{"n":(\d{1,18}),"seq":(\d{1,18}),"hash":"([0-9a-f]{32})","record":(\{.*\})\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class ChainedLine:
    """One parsed line. `n` counts over the whole dataset, `seq` within the stream, both from 1."""

    n: int
    seq: int
    hash: str
    payload: bytes
    """The record's own JSON, byte for byte."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a stream stands: its last record."""

    n: int
    seq: int
    hash: str


def genesis(stream: str) -> Head:
    """The head of a stream without records."""
    digest = hashlib.sha256(b"tomato dataset 1\n" + stream.encode()).hexdigest()
    return Head(0, 0, digest[:HASH_DIGITS])


def link_hash(previous: str, n: int, seq: int, payload: bytes) -> str:
    """Hash of a record: over the hash before it, both counts, and its bytes."""
    digest = hashlib.sha256(f"{previous}\n{n}\n{seq}\n".encode())
    digest.update(payload)
    return digest.hexdigest()[:HASH_DIGITS]


def next_line(head: Head, n: int, payload: bytes) -> tuple[bytes, Head]:
    """The line (with its newline) that puts `payload` behind `head`, and the new head."""
    seq = head.seq + 1
    digest = link_hash(head.hash, n, seq, payload)
    prefix = f'{{"n":{n},"seq":{seq},"hash":"{digest}","record":'
    return prefix.encode() + payload + b"}\n", Head(n, seq, digest)


def parse_line(line: bytes) -> ChainedLine:
    """Parse one line; a newline at its end is optional.

    Raises ValueError when it is not a whole line of a dataset. Its hash is not checked here.
    """
    match = _LINE.fullmatch(line.rstrip(b"\n"))
    if match is None:
        raise ValueError("not a whole line of a dataset")
    json.loads(match[4])
    return ChainedLine(int(match[1]), int(match[2]), match[3].decode(), match[4])


def follows(link: ChainedLine, head: Head) -> str:
    """Empty when `link` is the rightful successor of `head`, else what is wrong with it, in plain words."""
    if link.seq > head.seq + 1:
        missing = link.seq - head.seq - 1
        return f"record {link.seq} follows {head.seq}: {missing} record{'s' if missing > 1 else ''} missing"
    if link.seq <= head.seq:
        return f"record {link.seq} follows {head.seq}: out of order or doubled"
    if link.n <= head.n:
        return f"count n={link.n} follows {head.n}: out of order"
    if link.hash != link_hash(head.hash, link.n, link.seq, link.payload):
        return f"record {link.seq} does not match its hash: it was changed, or one before it was"
    return ""


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
