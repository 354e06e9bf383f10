"""A Redis client for reading, in the calling thread; its library is loaded only by whoever asks for one."""

from __future__ import annotations

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tomato_host.service.bus.address import Address


def open_redis(address: Address, password: str | None, patience_s: float) -> Redis:
    """No connection is made yet, and none is tried twice: the caller decides about that."""
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
