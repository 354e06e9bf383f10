"""Publishes what waits in the outbox, alarms first, until the broker has acknowledged it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from tomato_host.logs import Log
from tomato_host.service.bus.message import BusMessage, Priority, id_of, message_of
from tomato_host.service.bus.outbox import Outbox
from tomato_host.service.bus.transport import BATCH_LINES, Backoff, Transport, TransportDown

BATCH_BYTES = 256_000
"""What an alarm may have to wait for: one batch in flight."""
IDS_REMEMBERED = 5_000
_log = Log("bus")


class BusPublisher:
    """At least once: a message leaves the outbox for good when the broker has acknowledged it."""

    def __init__(self, node: str, transport: Transport, outbox: Outbox, backoff: Backoff | None = None) -> None:
        self._node = node
        self._transport = transport
        self._outbox = outbox
        self._backoff = backoff or Backoff()
        self._published: dict[str, None] = {}
        self._has_work = asyncio.Event()
        self._summary: bytes | None = None
        self.stored_records: Callable[[], Iterable[dict[str, Any]]] = list
        """Reads records of the dataset that the broker may lack after a crash of this process or a loss of its data."""
        self.up = False
        self.trouble = ""
        """Why there is no connection; empty while there is one."""
        self.sent = 0
        self.losses = 0
        """How often the broker was lost."""

    def add(self, record: dict[str, Any]) -> None:
        """Queue one record."""
        message = message_of(self._node, record)
        self._outbox.push(message.priority, message.text)
        self._has_work.set()

    def set_summary(self, summary: bytes) -> None:
        """Queue the newest node summary; it replaces one that still waits."""
        self._summary = summary
        self._has_work.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._transport.connect()
                await self._add_missing()
                self.up, self.trouble = True, ""
                self._backoff.reset()
                _log.info("connected")
                await self._publish_forever()
            except TransportDown as error:
                self.losses += 1
                if self.up or self._backoff.failures == 0:
                    _log.warning("the broker does not answer; trying again", why=str(error))
                self.up, self.trouble = False, str(error)
                await self._transport.close()
            await asyncio.sleep(self._backoff.next_s())

    async def close(self) -> None:
        """Try once to publish what waits, then disconnect."""
        try:
            if self.up:
                await asyncio.wait_for(self._publish_waiting(), 2.0)
        except (TransportDown, TimeoutError):
            pass  # it stands in the dataset, and is published at the next start
        await self._transport.close()

    def status(self) -> dict[str, Any]:
        """Connection, counts and queue, for the loop's status and the metrics."""
        return {
            "up": self.up,
            "trouble": self.trouble,
            "sent": self.sent,
            "losses": self.losses,
            "bus_dropped": self._outbox.dropped_counts(),
            "bus_waiting_bytes": self._outbox.waiting_bytes,
        }

    # -- inside ------------------------------------------------------------------------------------------------

    async def _add_missing(self) -> None:
        """Queue stored records again; those that the broker has already are left out when they are sent."""
        published = await self._transport.published_ids()
        if published is None:
            return
        self._published.clear()
        self._remember(published)
        for record in self.stored_records():
            self.add(record)

    async def _publish_forever(self) -> None:
        while True:
            self._has_work.clear()
            await self._publish_waiting()
            await self._has_work.wait()

    async def _publish_waiting(self) -> None:
        while True:
            summary, self._summary = self._summary, None
            if summary is not None:
                await self._transport.publish_summary(summary)
            batch = self._outbox.pop_batch(BATCH_BYTES, BATCH_LINES)
            if not batch:
                return
            await self._publish_batch(batch)

    async def _publish_batch(self, batch: list[tuple[Priority, bytes]]) -> None:
        unique = {id_of(text): BusMessage(self._node, priority, id_of(text), text) for priority, text in batch}
        messages = [message for name, message in unique.items() if name not in self._published]
        try:
            if messages:
                await self._transport.publish(messages)
        except (TransportDown, asyncio.CancelledError):
            self._outbox.requeue(batch)
            raise
        self.sent += len(messages)
        self._remember(unique)

    def _remember(self, ids: Iterable[str]) -> None:
        self._published.update(dict.fromkeys(ids))
        while len(self._published) > IDS_REMEMBERED:
            del self._published[next(iter(self._published))]
