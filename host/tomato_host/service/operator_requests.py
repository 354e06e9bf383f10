"""Requests of people that came by the API, on their way to the deciding loop: over the socket, else by the inbox.

Both ways end in the same handler of the loop (`loop/request_handler.py`) and give the same reply. The socket ends the
loop's wait, so an answer takes milliseconds; the inbox is read twice a second. Without a connected loop the inbox says
what is missing: no host has run here, or none answers.
"""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool

from tomato_host.commands.inbox import Reply, Request, submit, wait_reply
from tomato_host.service.tent_host import TentHost

PATIENCE_S = 5.0


class OperatorRequests:
    """Actions, modes and acknowledgements of operators."""

    def __init__(self, data_dir: Path, tent: TentHost | None = None) -> None:
        self._data_dir = data_dir
        self._tent = tent

    async def ask(self, request: Request) -> Reply:
        """The loop's reply. Raises TomatoError as the inbox does, WorldUnavailable when a connected loop is silent."""
        if self._tent is not None and self._tent.is_attached:
            return await self._tent.request(request)
        return await run_in_threadpool(ask_by_inbox, self._data_dir, request)


def ask_by_inbox(data_dir: Path, request: Request) -> Reply:
    """Submit a request and wait for its reply."""
    submit(data_dir, request)
    return wait_reply(data_dir, request, PATIENCE_S)
