"""Payloads that nobody should send: from a seed, the same ones every time."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

COMMANDS = ("water", "lamp_on", "lamp_off", "pause", "safe", "resume", "dose", "nonsense", "", "é" * 30)
TOPICS = (
    *(f"tomato/tent/command/{name}" for name in COMMANDS if name),
    "tomato/tent/dose",
    "tomato/tent/host",
    "tomato/tent/instance",
    "homeassistant/status",
)
VALUES: tuple[object, ...] = (
    "PRESS", "", "-1", "NaN", "1e400", "Infinity", "9" * 400, "\ud83c\udf45" * 50, "\x00", "'; DROP TABLE", None, True,
    0, -1e308, 5e-324, [], {}, [[[[]]]], {"value": {"value": "PRESS"}},
)  # fmt: skip
RAW = (
    b"", b"\x00", b"\xff\xfe\xfd", b"[" * 3_000, b'{"a":' * 2_000, b"9" * 6_000, b"NaN", b'"\\ud800"', b"null",
    b"online", b"offline", b'{"value": NaN}', b'{"ts": 1e400}',
    b'{"value": "PRESS", "ts": "9999-12-31T23:59:59.999999-23:59"}',
    b'{"value": "PRESS", "ts": "0001-01-01T00:00:00+23:59"}', b'{"value": "PRESS", "ts": 1e300}', b"\xed\xa0\x80",
)  # fmt: skip


def moments(rng: random.Random, now: datetime) -> object:
    """A time as it should be, as it should not be, or no time at all."""
    shift = timedelta(seconds=rng.choice((0, 0, -5, -31, 31, -86_400, 10**9)))
    text = (now + shift).isoformat()
    return rng.choice(
        (text, text, text.replace("+00:00", ""), text[: rng.randrange(len(text))], rng.random(), None, [])
    )


def mutated(rng: random.Random, payload: bytes) -> bytes:
    """A few bytes changed, doubled or cut."""
    changed = bytearray(payload)
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(changed) + 1)
        what = rng.randrange(3)
        if what == 0:
            changed[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif what == 1:
            del changed[at : at + rng.randrange(1, 9)]
        else:
            changed[at:at] = changed[max(0, at - 40) : at]
    return bytes(changed)


def hostile_payloads(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Topic and payload."""
    rng = random.Random(seed)
    for _ in range(count):
        now = datetime.now(UTC)
        command = json.dumps({"value": rng.choice(VALUES), "ts": moments(rng, now)}).encode()
        kind = rng.randrange(4)
        if kind == 0:
            payload = rng.choice(RAW)
        elif kind == 1:
            payload = rng.randbytes(rng.randrange(300))
        else:
            payload = command if kind == 2 else mutated(rng, command)
        yield rng.choice(TOPICS), payload
