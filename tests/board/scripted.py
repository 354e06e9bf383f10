"""A board by script, for the host's own timing: it says what a test makes it say, and shows what it was sent."""

from __future__ import annotations

from typing import Any

import cbor2
from cobs import cobs
from tomato_host.board.events import LinkEvent
from tomato_host.board.port import PortLost
from tomato_host.board.protocol import HEADER_BYTES, encode_frame
from tomato_host.board.session import BoardSession
from tomato_host.errors import TomatoError

from shared_schemas.wire import FIELD_BY_NAME, FIELDS, MESSAGE_BY_NAME, MESSAGES, SCHEMA_HASH

HELLO: dict[str, Any] = {
    "schema_hash": SCHEMA_HASH,
    "boot_id": 5,
    "firmware": "1.0",
    "board": "pico",
    "uid": b"\1\2",
    "uptime_ms": 10_000,
    "reset_cause": 1,
    "config_crc": 9,
}
NAME_BY_ID = {m.type_id: m.name for m in MESSAGES}
FIELD_BY_KEY = {f.key: f.name for f in FIELDS}


class ScriptedPort:
    """The host's end of the line to a scripted board."""

    def __init__(self, board: ScriptedBoard) -> None:
        self._board = board
        self.flushed = self.closed = 0
        self.waited: list[float] = []

    def read(self) -> bytes:
        if self._board.lost == "read":
            raise PortLost("unplugged")
        data, self._board.arriving = self._board.arriving, b""
        return data

    def write(self, data: bytes) -> None:
        if self._board.lost == "write":
            raise PortLost("unplugged")
        self._board.received.append(data)

    def flush(self) -> None:
        self.flushed += 1

    def wait(self, timeout_s: float) -> bool:
        if self._board.lost == "wait":
            raise PortLost("unplugged")
        self.waited.append(timeout_s)
        return bool(self._board.arriving)

    def close(self) -> None:
        self.closed += 1


class ScriptedBoard:
    """What it says is queued for the next poll; what it was sent is decoded on request."""

    def __init__(self, **options: Any) -> None:
        self.arriving = b""
        self.received: list[bytes] = []
        self.lost = ""
        self.absent = False
        self.ports: list[ScriptedPort] = []
        self.opened_at: list[int] = []
        self.now_ms = 0
        self._seq = 0
        self.session = BoardSession(self.open, 7, **options)

    def open(self) -> ScriptedPort:
        """The port factory."""
        self.opened_at.append(self.now_ms)
        if self.absent:
            raise TomatoError("E-PORT-MISSING", "no such port", "plug it in")
        self.ports.append(ScriptedPort(self))
        return self.ports[-1]

    def say(self, name: str, *, session: int | None = None, frame_seq: int | None = None, **fields: Any) -> None:
        """Queue one message to the host, under the host's session unless another is given."""
        body = cbor2.dumps({FIELD_BY_NAME[k].key: v for k, v in fields.items()})
        number = self.session.protocol.session if session is None else session
        self.arriving += encode_frame(
            MESSAGE_BY_NAME[name].type_id, number, self._seq if frame_seq is None else frame_seq, body
        )
        self._seq += 1

    def sent(self, name: str = "") -> list[tuple[str, dict[str, Any]]]:
        """What it was sent since the last call, as (name, fields); only the messages of that name if one is given."""
        found = []
        for frame in self.received:
            payload = cobs.decode(frame.strip(b"\0"))
            body = cbor2.loads(payload[HEADER_BYTES:-4])
            found.append((NAME_BY_ID[payload[1]], {FIELD_BY_KEY[k]: v for k, v in body.items()}))
        self.received.clear()
        return [message for message in found if name in ("", message[0])]

    def poll(self, now_ms: int) -> list[LinkEvent]:
        """One poll of the session at that moment."""
        self.now_ms = now_ms
        return self.session.poll(now_ms)

    def connect(self, now_ms: int = 0, **hello: Any) -> list[LinkEvent]:
        """Greet and answer; returns what the poll reported. What was sent until then is discarded."""
        self.poll(now_ms)
        self.say("HELLO", **(HELLO | hello))
        events = self.poll(now_ms)
        self.received.clear()
        return events

    def sample(self, seq: int, t_ms: int = 0, **more: Any) -> None:
        """Queue one set of readings."""
        fields: dict[str, Any] = {"seq": seq, "t_ms": t_ms, "values": [2_400, 6_000], "outputs": 5, "state": 3}
        self.say("SAMPLE", **(fields | more))

    def result(self, cmd_id: int, status: int, reason: int = 0, delivered: int = 0, **more: Any) -> None:
        """Queue the result of a command."""
        self.say("RESULT", cmd_id=cmd_id, status=status, reason=reason, delivered=delivered, t_ms=0, **more)
