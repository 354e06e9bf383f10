"""The feed's other end: lines from the deciding loop, and a short word back about how telling them goes."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

LONGEST_LINE = 4_000_000


class Intake:
    """One connection to the deciding loop; the loop hanging up ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, fd: int) -> Intake:
        """Over the inherited descriptor of a socket."""
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd), limit=LONGEST_LINE)
        return cls(reader, writer)

    async def lines(self) -> AsyncIterator[bytes]:
        """Line after line until the loop hangs up."""
        while line := await self._reader.readline():
            yield line

    def say(self, word: dict[str, Any]) -> None:
        """Tell the loop how it goes; it reads when it likes, so nothing is waited for and old words may be lost."""
        if self._writer.transport.get_write_buffer_size() == 0 and not self._writer.is_closing():
            self._writer.write(json.dumps(word).encode() + b"\n")
