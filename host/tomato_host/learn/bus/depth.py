"""How much a consumer group still has before it: delivered and not acknowledged, and not yet delivered."""

from __future__ import annotations

from typing import Any

from redis.exceptions import ResponseError

_COUNT_AT_MOST = 10_000
"""Entries counted one by one where Redis cannot state the lag."""


def group_depth(client: Any, stream: str, group: str) -> int:
    """Pending + lag of the group on a stream and its emergency stream's twin alone; 0 while there is no stream.

    While the group does not exist everything in the stream waits for it. Raises RedisError.
    """
    try:
        groups = client.xinfo_groups(stream)
    except ResponseError as error:
        if "no such key" in str(error).lower():
            return 0
        raise
    for row in groups:
        if _text(row["name"]) == group:
            lag = row.get("lag")
            if lag is None:  # Redis cannot know it after a deletion in the middle, or before version 7
                after = "(" + _text(row["last-delivered-id"])
                lag = len(client.xrange(stream, after, "+", count=_COUNT_AT_MOST))
            return int(row["pending"]) + int(lag)
    return int(client.xlen(stream))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
