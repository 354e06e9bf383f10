"""Carries what waits to the broker, alarms first, again and again until it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import structlog

from tomato_host.service.bus.backoff import Backoff
from tomato_host.service.bus.message import Message, id_of, message_of
from tomato_host.service.bus.outbox import Outbox
from tomato_host.service.bus.priorities import Rank
from tomato_host.service.bus.transport import Carrier, CarrierDown

BATCH_LINES = 64
BATCH_BYTES = 256_000
"""What an alarm may have to wait for: one batch under way."""
REMEMBERED = 5_000
_log = structlog.get_logger("bus")


class Courier:
    """At least once: a message leaves the outbox for good when the broker has said that it has it."""

    def __init__(self, node: str, carrier: Carrier, outbox: Outbox, backoff: Backoff | None = None) -> None:
        self._node = node
        self._carrier = carrier
        self._outbox = outbox
        self._backoff = backoff or Backoff()
        self._there: dict[str, None] = {}
        self._wanted = asyncio.Event()
        self.earlier: Callable[[], Iterable[dict[str, Any]]] = list
        """Gives records of the dataset that the broker may lack: after a crash of ours, or when it lost its memory."""
        self.card: bytes | None = None
        self.up = False
        self.sent = 0
        self.losses = 0
        """How often the broker was lost."""

    def offer(self, record: dict[str, Any]) -> None:
        """Take in one record."""
        message = message_of(self._node, record)
        self._outbox.offer(message.rank, message.text)
        self._wanted.set()

    def show(self, card: bytes) -> None:
        """The newest card; an older one that waits is replaced."""
        self.card = card
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._carrier.connect()
                await self._catch_up()
                self.up = True
                self._backoff.reset()
                _log.info("connected")
                await self._carry()
            except CarrierDown as error:
                self.losses += 1
                if self.up or self._backoff.failures == 0:
                    _log.warning("the broker does not answer; trying on", why=str(error))
                self.up = False
                await self._carrier.close()
            await asyncio.sleep(self._backoff.next_s())

    async def close(self) -> None:
        """Try once to tell what waits, then hang up."""
        try:
            if self.up:
                await asyncio.wait_for(self._send_waiting(), 2.0)
        except (CarrierDown, TimeoutError):
            pass  # it stands in the dataset, and is told at the next start
        await self._carrier.close()

    # -- inside ------------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        """The broker is asked what it has; it may lack what a dead process of ours, or its own restart, lost."""
        known = await self._carrier.known()
        if known is None:
            return
        self._there.clear()
        self._remember(known)
        for record in self.earlier():
            self.offer(record)

    async def _carry(self) -> None:
        while True:
            self._wanted.clear()
            await self._send_waiting()
            await self._wanted.wait()

    async def _send_waiting(self) -> None:
        while True:
            card, self.card = self.card, None
            if card is not None:
                await self._carrier.show(card)
            batch = self._outbox.take(BATCH_BYTES, BATCH_LINES)
            if not batch:
                return
            await self._send(batch)

    async def _send(self, batch: list[tuple[Rank, bytes]]) -> None:
        new = {id_of(text): Message(self._node, rank, id_of(text), text) for rank, text in batch}
        messages = [message for name, message in new.items() if name not in self._there]
        try:
            if messages:
                await self._carrier.send(messages)
        except (CarrierDown, asyncio.CancelledError):
            self._outbox.put_back(batch)
            raise
        self.sent += len(messages)
        self._remember(new)

    def _remember(self, names: Iterable[str]) -> None:
        self._there.update(dict.fromkeys(names))
        while len(self._there) > REMEMBERED:
            del self._there[next(iter(self._there))]

    def word(self) -> dict[str, Any]:
        """How it goes, for the status and the metrics."""
        return {
            "up": self.up,
            "sent": self.sent,
            "losses": self.losses,
            "bus_dropped": self._outbox.counts(),
            "bus_waiting_bytes": self._outbox.waiting_bytes,
        }
