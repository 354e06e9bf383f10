"""Limits of connections: an idle one is closed, and one address cannot hold all of them.

uvicorn closes a connection that is idle after an answer, but waits without end for the first request. A thousand
connections that never ask would use up the file descriptors: health checks fail, and the log fills with the errors of
`accept`. A protocol of our own closes what has not asked within `FIRST_REQUEST_S`, and what one address opens beyond
`MOST_PER_CLIENT`; together with the raised limit of descriptors there is always room for a health check.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

FIRST_REQUEST_S = 10.0
MOST_PER_CLIENT = 256
WANTED_FILES = 4_096


class LimitedProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
    """uvicorn's protocol with a limit per address and for the first request."""

    open_by_client: Counter[str] = Counter()

    def connection_made(self, transport: Any) -> None:
        """Close at once what is beyond the limit of its address."""
        peer = transport.get_extra_info("peername")
        self._client_address = str(peer[0]) if peer else ""
        self._is_counted = self.open_by_client[self._client_address] < MOST_PER_CLIENT
        super().connection_made(transport)
        if not self._is_counted:
            transport.close()
            return
        self.open_by_client[self._client_address] += 1
        self._first_request = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._close_if_silent)

    def _close_if_silent(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

    def handle_websocket_upgrade(self, *arguments: Any) -> None:
        """A stream is no silent connection. It counts until it ends, of which only its own protocol learns."""
        if self._is_counted:
            self._first_request.cancel()
        super().handle_websocket_upgrade(*arguments)
        stream = self.transport.get_protocol()
        if stream is self:
            return
        ended = stream.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            self._count_down()
            ended(exc)

        stream.connection_lost = connection_lost

    def connection_lost(self, exc: Exception | None) -> None:
        """Count down."""
        self._count_down()
        super().connection_lost(exc)

    def _count_down(self) -> None:
        if not self._is_counted:
            return
        self._is_counted = False
        self._first_request.cancel()
        self.open_by_client[self._client_address] -= 1
        if not self.open_by_client[self._client_address]:
            del self.open_by_client[self._client_address]


def raise_file_limit() -> None:
    """As many descriptors as wanted and allowed; a limit that cannot be raised stays as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
