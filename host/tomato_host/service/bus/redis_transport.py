"""The bus over Redis Streams: one bounded stream for each node and rank, one for its card."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tomato_host.service.bus.address import Address
from tomato_host.service.bus.message import NODES, Message, id_of, topic
from tomato_host.service.bus.priorities import Rank
from tomato_host.service.bus.transport import PATIENCE_S, CarrierDown

FIELD = b"m"
KNOWN = 1_000
"""How far back one looks for what a dead process may have told already."""


class RedisCarrier:
    """Writes; see group.py for reading."""

    def __init__(self, address: Address, password: str | None, node: str, stream_length: int) -> None:
        self._client = redis.asyncio.Redis(
            host=address.host,
            port=address.port,
            db=address.database,
            username=address.username or None,
            password=password,
            ssl=address.tls,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            client_name=f"tomato-{node}",
            retry=Retry(NoBackoff(), 0),  # courier.py tries again, with jitter
        )
        self._node = node
        self._length = stream_length

    async def connect(self) -> None:
        """Reach the broker and put this node's name on the list."""
        await self._ask(lambda pipe: pipe.sadd(NODES, self._node))

    async def known(self) -> set[str]:
        """What of the newest alarms and deeds is there already."""

        def both(pipe: Any) -> None:
            for rank in (Rank.ALARM, Rank.DEED):
                pipe.xrevrange(topic(self._node, rank.word), count=KNOWN)

        found = await self._ask(both)
        return {id_of(fields.get(FIELD, b"")) for entries in found for _, fields in entries}

    async def send(self, batch: list[Message]) -> None:
        """One round trip. Trimming is approximate: a whole block of the stream (100 messages) at a time."""

        def all_of_it(pipe: Any) -> None:
            for message in batch:
                pipe.xadd(message.topic, {FIELD: message.text}, maxlen=self._length, approximate=True)

        await self._ask(all_of_it)

    async def show(self, card: bytes) -> None:
        """A stream of length one, because its entries carry the time of the broker's clock, not of the node's."""

        def name_and_card(pipe: Any) -> None:
            pipe.sadd(NODES, self._node)  # a broker that lost its memory learns the name again
            pipe.xadd(topic(self._node, "card"), {FIELD: card}, maxlen=1, approximate=False)

        await self._ask(name_and_card)

    async def close(self) -> None:
        """Hang up."""
        try:
            await self._client.aclose()
        except (RedisError, OSError):
            pass  # it is gone already

    async def _ask(self, fill: Any) -> list[Any]:
        """Everything put into one pipeline, answered or CarrierDown."""
        pipe = self._client.pipeline(transaction=False)
        fill(pipe)
        try:
            answers: list[Any] = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise CarrierDown(f"{type(error).__name__}: {error}"[:300]) from error
        return answers
