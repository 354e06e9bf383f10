"""A stub of a board with other firmware: answers greetings with a schema hash that is not ours."""

from __future__ import annotations

import os
import select
import zlib

import cbor2
from cobs import cobs
from tomato_host.board.protocol import encode_frame

from shared_schemas.wire import FIELD_BY_NAME, MESSAGES

HELLO = next(m for m in MESSAGES if m.name == "HELLO")
NAME_OF = {m.type_id: m.name for m in MESSAGES}


class ForeignBoard:
    """Serves one line until stopped, and remembers which messages it heard."""

    schema_hash = bytes.fromhex("0badc0de0badc0de")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._wanted = True
        self.heard: set[str] = set()

    def stop(self) -> None:
        self._wanted = False

    def serve(self) -> None:
        waiting = b""
        while self._wanted:
            if not select.select([self._fd], [], [], 0.1)[0]:
                continue
            try:
                waiting += os.read(self._fd, 4096)
            except OSError:
                return
            *frames, waiting = waiting.split(b"\0")
            for frame in filter(None, frames):
                self._take(cobs.decode(frame))

    def _take(self, payload: bytes) -> None:
        assert zlib.crc32(payload[:-4]).to_bytes(4, "big") == payload[-4:]
        self.heard.add(NAME_OF[payload[1]])
        session, seq = int.from_bytes(payload[2:4], "big"), int.from_bytes(payload[4:6], "big")
        fields = {
            "schema_hash": self.schema_hash,
            "boot_id": 5,
            "firmware": "0.0.9",
            "board": "pico",
            "uid": b"\1" * 8,
            "uptime_ms": 60_000,
            "reset_cause": 1,
            "config_crc": 0,
        }
        body = cbor2.dumps({FIELD_BY_NAME[name].key: value for name, value in fields.items()})
        os.write(self._fd, encode_frame(HELLO.type_id, session, seq, body))
