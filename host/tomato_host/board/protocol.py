"""The host's side of the wire without any I/O: bytes in, messages out; messages in, bytes out.

The serial shell, the simulator and the fuzzer all drive this same class. Nothing that arrives can raise: what is not a
whole, well-formed message of the table becomes a `Damage`.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cbor2
from cobs import cobs

from shared_schemas.wire import FIELD_BY_NAME, FIELDS, MESSAGE_BY_NAME, MESSAGES, Field, Message

VERSION = 1
FRAME_MAX = 256
HEADER_BYTES = 6
CRC_BYTES = 4
PAYLOAD_MAX = FRAME_MAX - 3

_MESSAGE_BY_ID = {m.type_id: m for m in MESSAGES}
_FIELD_BY_KEY = {f.key: f for f in FIELDS}
_REQUIRED = {m.name: frozenset(m.required) for m in MESSAGES}
_ALLOWED = {m.name: frozenset((*m.required, *m.optional)) for m in MESSAGES}
_HEADER = struct.Struct(">BBHH")


@dataclass(frozen=True, slots=True)
class Received:
    """One whole message from the board, fields by name."""

    name: str
    session: int
    seq: int
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes that were no message: `why` in a few words, `size` of what was discarded."""

    why: str
    size: int


@dataclass(slots=True)
class LinkCounts:
    """Traffic since the port was opened."""

    frames_in: int = 0
    frames_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    damaged: int = 0
    gaps: int = 0
    """Frames of the board that never came, by their sequence numbers."""


def encode_frame(type_id: int, session: int, seq: int, body: bytes) -> bytes:
    """`00 | COBS(version, type, session, seq, body, crc32) | 00`. Raises ValueError above 256 bytes."""
    payload = _HEADER.pack(VERSION, type_id, session, seq) + body
    payload += zlib.crc32(payload).to_bytes(CRC_BYTES, "big")
    if len(payload) > PAYLOAD_MAX:
        raise ValueError(f"frame of {len(payload)} bytes; {PAYLOAD_MAX} at most")
    return b"\0" + bytes(cobs.encode(payload)) + b"\0"


def _fits(field_: Field, value: Any) -> bool:
    """True when a received value has the type and range of its field."""
    if field_.type in ("uint", "int"):
        return type(value) is int and field_.lowest <= value <= field_.highest
    if field_.type in ("bytes", "text"):
        return isinstance(value, bytes if field_.type == "bytes" else str) and (
            field_.lowest <= len(value) <= field_.highest
        )
    if field_.type == "whys":
        return isinstance(value, dict) and all(type(k) is int and type(v) is int for k, v in value.items())
    allow_null = field_.type == "values"
    return isinstance(value, list) and all(type(v) is int or (allow_null and v is None) for v in value)


def _whole_numbers(value: Any) -> Any:
    """A whole float stands for its integer: another encoder may write numbers as half, single or double floats."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole_numbers(v) for v in value]
    return value


CONSOLE_BYTES = frozenset(b"\x03\x04\x05")
"""What MicroPython's console acts on: interrupt, soft reset, paste mode. A board that is starting, or stands at its
prompt, must not get them from a host that only asks who is there."""
_CALM = tuple(byte for byte in range(1, 256) if byte not in CONSOLE_BYTES)
_FIRST_CALM_SEQ = 0x0101
"""A zero in the header would make the stuffing itself write a 3 or a 5."""


def calm_session(number: int) -> int:
    """A session for any number, another one for each below 63,504, whose header holds no CONSOLE_BYTES."""
    high, low = divmod(number % (len(_CALM) * len(_CALM)), len(_CALM))
    return _CALM[high] << 8 | _CALM[low]


class BoardProtocol:
    """Both directions of one link. `session` is the number the host chose for this session."""

    def __init__(self, session: int = 0) -> None:
        self.session = session
        self.counts = LinkCounts()
        self._buffer = bytearray()
        self._seq_out = 0
        self._seq_in: int | None = None

    def send(self, name: str, **fields: Any) -> bytes:
        """The bytes of one message to the board. Raises ValueError for a field or value the table does not allow."""
        try:
            body = _body(name, tuple(fields), *fields.values())
        except TypeError:  # a value that cannot be looked up is none the table allows, which is then said by name
            body = _body.__wrapped__(name, tuple(fields), *fields.values())
        frame = encode_frame(MESSAGE_BY_NAME[name].type_id, self.session, self._seq_out, body)
        self._seq_out = (self._seq_out + 1) & 0xFFFF
        self.counts.frames_out += 1
        self.counts.bytes_out += len(frame)
        return frame

    def send_calm(self, name: str, **fields: Any) -> bytes:
        """As `send`, for a board that has not answered yet: numbers are left out until none of CONSOLE_BYTES is in it.

        Raises ValueError when session or fields hold such bytes themselves: take the session from `calm_session`.
        """
        self._seq_out = max(self._seq_out, _FIRST_CALM_SEQ)
        for _ in range(0x10000):
            frame = self.send(name, **fields)
            if CONSOLE_BYTES.isdisjoint(frame):
                return frame
            self.counts.frames_out -= 1
            self.counts.bytes_out -= len(frame)
        raise ValueError(f"{name}: session {self.session:#06x} or its fields hold bytes of the console")

    def receive_bytes(self, data: bytes) -> list[Received | Damage]:
        """Parse bytes as they come, in any portions; returns what they completed."""
        self.counts.bytes_in += len(data)
        self._buffer += data
        out: list[Received | Damage] = []
        while (end := self._buffer.find(0)) >= 0:
            chunk = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            if chunk:
                out.append(self._chunk(chunk))
        if len(self._buffer) > FRAME_MAX:
            # No zero where one must have come: this is noise. One non-zero byte marks that the next zero ends it.
            out.append(self._damage("no end of frame", len(self._buffer)))
            self._buffer[:] = b"\xff"
        return out

    def _damage(self, why: str, size: int) -> Damage:
        self.counts.damaged += 1
        return Damage(why, size)

    def _chunk(self, chunk: bytes) -> Received | Damage:
        """Decode what stood between two zeros."""
        try:
            payload = cobs.decode(chunk)
        except cobs.DecodeError:
            return self._damage("broken stuffing", len(chunk))
        if len(payload) < HEADER_BYTES + CRC_BYTES or len(payload) > PAYLOAD_MAX:
            return self._damage("wrong length", len(chunk))
        covered, crc = payload[:-CRC_BYTES], payload[-CRC_BYTES:]
        if zlib.crc32(covered).to_bytes(CRC_BYTES, "big") != crc:
            return self._damage("wrong checksum", len(chunk))
        if covered[0] != VERSION:
            return self._damage(f"frame version {covered[0]}", len(chunk))
        return self._message(covered)

    def _message(self, covered: bytes) -> Received | Damage:
        """Decode a payload whose checksum was right."""
        type_id, seq = covered[1], int.from_bytes(covered[4:6], "big")
        self._count_gap(seq)
        message = _MESSAGE_BY_ID.get(type_id)
        if message is None or message.direction == "to_board":
            return self._damage(f"unknown message type {type_id}", len(covered))
        try:
            body = cbor2.loads(covered[HEADER_BYTES:])
        except Exception as error:  # whatever the decoder finds wrong with foreign bytes, they are foreign bytes
            return self._damage(f"{message.name}: {type(error).__name__}", len(covered))
        fields = self._fields(message, body)
        if isinstance(fields, str):
            return self._damage(f"{message.name}: {fields}", len(covered))
        self.counts.frames_in += 1
        return Received(message.name, int.from_bytes(covered[2:4], "big"), seq, fields)

    @staticmethod
    def _fields(message: Message, body: Any) -> dict[str, Any] | str:
        """Fields by name, or what is wrong with them. Unknown fields of a newer board are dropped."""
        if not isinstance(body, dict):
            return "body is no map"
        fields: dict[str, Any] = {}
        for key, value in body.items():
            known = _FIELD_BY_KEY.get(key) if type(key) is int else None
            if known is None:
                continue
            number = _whole_numbers(value)
            if not _fits(known, number):
                return f"{known.name} out of range"
            fields[known.name] = number
        needed = message.answer or message.required
        missing = [name for name in needed if name not in fields]
        return f"{missing[0]} missing" if missing else fields

    def _count_gap(self, seq: int) -> None:
        if self._seq_in is not None:
            gap = (seq - self._seq_in - 1) & 0xFFFF
            if 0 < gap < 0x8000:
                self.counts.gaps += gap
        self._seq_in = seq


@lru_cache(maxsize=8, typed=True)  # a lease is renewed all day with the same body
def _body(name: str, keys: tuple[str, ...], *values: Any) -> bytes:
    """The CBOR body of a message to the board. Raises ValueError for a field or value the table does not allow."""
    fields = dict(zip(keys, values, strict=True))
    _check_outgoing(MESSAGE_BY_NAME[name], fields)
    return cbor2.dumps({FIELD_BY_NAME[k].key: v for k, v in fields.items()})


def _check_outgoing(message: Message, fields: dict[str, Any]) -> None:
    if message.direction == "to_host":
        raise ValueError(f"{message.name} is only sent by the board")
    missing = _REQUIRED[message.name] - fields.keys()
    unknown = fields.keys() - _ALLOWED[message.name]
    if missing or unknown:
        raise ValueError(f"{message.name}: missing {sorted(missing)}, not allowed {sorted(unknown)}")
    for key, value in fields.items():
        f = FIELD_BY_NAME[key]
        if not _fits(f, value):
            raise ValueError(f"{message.name}: {key} = {value!r}, allowed {f.lowest} to {f.highest}")


@dataclass(frozen=True, slots=True)
class Hello:
    """Identity of the board, from its HELLO."""

    schema_hash: bytes
    boot_id: int
    firmware: str
    board: str
    uid: bytes
    uptime_ms: int
    reset_cause: int
    config_crc: int

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Hello:
        """From the fields of a HELLO message."""
        return cls(**{name: fields[name] for name in MESSAGE_BY_NAME["HELLO"].answer})
