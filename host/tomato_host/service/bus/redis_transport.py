"""The bus over Redis Streams: one bounded stream for each node and priority, one of length 1 for its summary."""

from __future__ import annotations

from typing import Any

import redis.asyncio
from redis import Redis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tomato_host.service.bus.message import NODES, SUMMARY, BusMessage, Priority, id_of, topic
from tomato_host.service.bus.transport import PATIENCE_S, Address, TransportDown

FIELD = b"m"
IDS_READ = 1_000
"""How many of the newest messages of each stream are compared with what an earlier process may have published."""


class RedisTransport:
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
            retry=AsyncRetry(NoBackoff(), 0),  # publisher.py tries again, with jitter
        )
        self._node = node
        self._length = stream_length

    async def connect(self) -> None:
        """Connect to the broker and register this node's name."""
        await self._execute(lambda pipe: pipe.sadd(NODES, self._node))

    async def published_ids(self) -> set[str]:
        """Ids of the newest alarms and actions that the broker has already."""

        def newest(pipe: Any) -> None:
            for priority in (Priority.ALARM, Priority.ACTION):
                for label in priority.read_labels:
                    pipe.xrevrange(topic(self._node, label), count=IDS_READ)

        found = await self._execute(newest)
        return {id_of(fields.get(FIELD, b"")) for entries in found for _, fields in entries}

    async def publish(self, batch: list[BusMessage]) -> None:
        """One round trip. Trimming is approximate: a whole block of the stream (100 messages) at a time."""

        def add_all(pipe: Any) -> None:
            for message in batch:
                pipe.xadd(message.topic, {FIELD: message.text}, maxlen=self._length, approximate=True)

        await self._execute(add_all)

    async def publish_summary(self, summary: bytes) -> None:
        """A stream of length one, because its entries carry the time of the broker's clock, not of the node's."""

        def name_and_summary(pipe: Any) -> None:
            pipe.sadd(NODES, self._node)  # a broker that was restarted without its data learns the name again
            pipe.xadd(topic(self._node, SUMMARY), {FIELD: summary}, maxlen=1, approximate=False)

        await self._execute(name_and_summary)

    async def close(self) -> None:
        """Disconnect."""
        try:
            await self._client.aclose()
        except (RedisError, OSError):
            pass  # the connection is gone already

    async def _execute(self, fill: Any) -> list[Any]:
        """Run one pipeline that `fill` has filled. Raises TransportDown."""
        pipe = self._client.pipeline(transaction=False)
        fill(pipe)
        try:
            answers: list[Any] = await pipe.execute()
        except (RedisError, OSError, TimeoutError) as error:
            raise TransportDown(f"{type(error).__name__}: {error}"[:300]) from error
        return answers


def open_redis(address: Address, password: str | None, patience_s: float) -> Redis:
    """A client for reading in the calling thread. It connects at its first use and tries nothing twice."""
    return Redis(
        host=address.host,
        port=address.port,
        db=address.database,
        username=address.username or None,
        password=password,
        ssl=address.tls,
        socket_timeout=patience_s,
        socket_connect_timeout=patience_s,
        retry=Retry(NoBackoff(), 0),
    )
