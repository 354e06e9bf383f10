"""The schema hash: eight bytes that two sides compare before they trust each other's integers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import fields
from itertools import count
from typing import Any

from shared_schemas.devices import LIMITS, OUTPUTS, SENSORS
from shared_schemas.wire.codes import EVENTS, FAULTS, REASONS, STATES, STATUSES, WHY
from shared_schemas.wire.configuration import CONFIG_KEYS
from shared_schemas.wire.fields import FIELDS
from shared_schemas.wire.messages import MESSAGES

_PROSE = ("meaning", "part")
_NOT_IN_HELLO = {0, 3, 4, 5}


def _facts(row: Any) -> dict[str, object]:
    """One table row as the board knows it: without its prose and without what only the host reads."""
    return {f.name: getattr(row, f.name) for f in fields(row) if f.name not in _PROSE and not f.metadata.get("host")}


def compute_schema_hash() -> bytes:
    """First 8 bytes of SHA-256 over the canonical JSON of all wire tables, with a number behind it where needed.

    The hash stands in HELLO, which goes to boards that may be at MicroPython's prompt: none of its bytes may be one
    that the prompt acts on (3, 4, 5), or a zero, in whose place the frame's stuffing could write one.
    """
    tables = {
        "fields": [_facts(r) for r in FIELDS],
        "messages": [_facts(r) for r in MESSAGES],
        "outputs": [_facts(r) for r in OUTPUTS],
        "sensors": [_facts(r) for r in SENSORS],
        "faults": [_facts(r) for r in FAULTS],
        "config": [_facts(r) for r in CONFIG_KEYS],
        "limits": LIMITS,
        "codes": [STATES, STATUSES, REASONS, WHY, [e[0] for e in EVENTS]],
    }
    text = json.dumps(tables, sort_keys=True, separators=(",", ":"))
    return next(found for found in _hashes(text) if not set(found) & _NOT_IN_HELLO)


def _hashes(text: str) -> Iterator[bytes]:
    yield hashlib.sha256(text.encode()).digest()[:8]
    for number in count(1):
        yield hashlib.sha256(f"{text}#{number}".encode()).digest()[:8]


SCHEMA_HASH: bytes = compute_schema_hash()
