"""Sends the orders of all plugs over one connection: by MQTT, or to a plug's own page where its timer is there."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from tomato_host.service.mqtt.plug_protocols import PAGES, PlugMessage
from tomato_host.service.mqtt.plugs import Plugs

EVERY_S = 0.5
ANSWER_S = 2.0
"""Shorter than the guard waits for a read-back."""


class PlugDriver:
    """Orders are never retained: one that waits somewhere would switch on what nobody expects."""

    def __init__(self, plugs: Plugs, publish: Callable[[str, str], Awaitable[None]]) -> None:
        self._plugs, self._publish = plugs, publish
        self._order: dict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """By host: ON must not overtake the timer."""
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """What is due, again and again until cancelled."""
        while True:
            await self.send(self._plugs.tick())
            await asyncio.sleep(EVERY_S)

    async def send(self, orders: list[PlugMessage]) -> None:
        """Send them in their order; an answer of a page is awaited beside it."""
        for where, text in orders:
            if where.startswith(PAGES):
                task = asyncio.create_task(self._ask(where))
                self._asking.add(task)
                task.add_done_callback(self._asking.discard)
            else:
                await self._publish(where, text)

    async def _ask(self, url: str) -> None:
        """No good answer is no report, and that latches the plug."""
        import httpx  # only where a plug needs it

        async with self._order[urlsplit(url).netloc], httpx.AsyncClient(timeout=ANSWER_S, trust_env=False) as client:
            try:
                answer = await client.get(url)
            except httpx.HTTPError:
                return
        if answer.status_code == httpx.codes.OK:
            await self.send(self._plugs.on_message(url, answer.content) or [])
