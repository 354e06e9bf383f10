"""Reading the bus as a consumer group (Redis): each message goes to one reader, and to another if that one dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from tomato_host.errors import TomatoError
from tomato_host.service.bus.message import NODE, NODES, OLD_ACTION_LABEL, UNHANDLED, Priority, topic

FIELD = b"m"
FIND_NODES_EVERY_S = 5.0
MOST_TRIES = 10
"""A message that was delivered so often without an acknowledgement is moved to the topic `unhandled`."""
UNHANDLED_LENGTH = 1_000
BATCH = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message delivered to one reader, until it is acknowledged."""

    topic: str
    entry: bytes
    text: bytes
    is_repeat: bool
    """Another reader (or this one, earlier) had it and did not acknowledge."""


class GroupReader:
    """One reader of a group. Alarms of all nodes come before any action, actions before telemetry.

    At least once: a message may come twice (its id is the same then), and is never lost while Redis holds it.
    A method that needs Redis raises TomatoError E-BUS-DOWN when it is away; call it again later.
    Nodes of 0.1 publish actions under an older topic; its streams are read with the same priority.
    """

    def __init__(
        self,
        client: Redis,
        group: str,
        name: str,
        *,
        idle_s: float = 60.0,
        priorities: tuple[Priority, ...] = tuple(Priority),
        batch: int = BATCH,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = client
        self._group = group
        self._name = name
        self._idle_ms = round(idle_s * 1000)
        self._priorities = priorities
        self._batch = batch
        self._monotonic = monotonic
        self._topics: dict[Priority, list[str]] = {priority: [] for priority in priorities}
        self._find_nodes_at_s = float("-inf")
        self._claim_at_s = float("-inf")
        self.unhandled = 0

    def read(self, patience_s: float) -> list[Delivery]:
        """The next messages, a few of one priority; empty when nothing came within `patience_s`."""
        try:
            self._find_nodes()
            return next((found for found in self._reads() if found), []) or self._wait(patience_s)
        except ResponseError as error:
            if str(error).startswith("NOGROUP"):
                self._find_nodes_at_s = float("-inf")  # Redis lost its data: the groups are made anew
                return []
            raise _down(error) from error
        except (RedisError, OSError) as error:
            raise _down(error) from error

    def acknowledge(self, delivery: Delivery) -> None:
        """No reader gets it again."""
        self._execute(lambda: self._redis.xack(delivery.topic, self._group, delivery.entry))

    def extend(self, delivery: Delivery) -> None:
        """Work that lasts: call this more often than every `idle_s`, else another reader gets the message."""
        self._execute(
            lambda: self._redis.xclaim(
                delivery.topic, self._group, self._name, min_idle_time=0, message_ids=[delivery.entry], justid=True
            )
        )

    # -- inside ------------------------------------------------------------------------------------------------

    def _execute(self, command: Callable[[], object]) -> None:
        try:
            command()
        except (RedisError, OSError) as error:
            raise _down(error) from error

    def _find_nodes(self) -> None:
        now_s = self._monotonic()
        if now_s < self._find_nodes_at_s:
            return
        nodes = sorted(name for raw in self._redis.smembers(NODES) if NODE.fullmatch(name := raw.decode("latin-1")))
        for priority in self._priorities:
            names = [topic(node, label) for node in nodes for label in priority.read_labels]
            self._topics[priority] = [name for name in names if self._make_group(name)]
        self._find_nodes_at_s = now_s + FIND_NODES_EVERY_S

    def _make_group(self, name: str) -> bool:
        """From the beginning of what the stream still holds. False for a stream of 0.1 that does not exist."""
        try:
            self._redis.xgroup_create(name, self._group, id="0", mkstream=not name.endswith(f"/{OLD_ACTION_LABEL}"))
        except ResponseError as error:
            if "requires the key to exist" in str(error):
                return False
            if not str(error).startswith("BUSYGROUP"):
                raise
        return True

    def _reads(self) -> Iterator[list[Delivery]]:
        """Priority by priority: what a dead reader left, then what is new."""
        now_s = self._monotonic()
        claim = now_s >= self._claim_at_s
        if claim:
            self._claim_at_s = now_s + self._idle_ms / 4000.0
        for priority in self._priorities:
            if claim:
                yield from (self._claimed(name) for name in self._topics[priority])
            if self._topics[priority]:
                yield self._read(self._topics[priority], None)

    def _wait(self, patience_s: float) -> list[Delivery]:
        """Nothing is there: block in Redis until something comes, whatever its priority."""
        names = [name for priority in self._priorities for name in self._topics[priority]]
        if not names:
            time.sleep(min(patience_s, 0.2))
            self._find_nodes_at_s = float("-inf")
            return []
        return self._read(names, max(1, round(patience_s * 1000)))

    def _read(self, names: list[str], block_ms: int | None) -> list[Delivery]:
        """COUNT is for each stream, so a blocked read takes one of each."""
        found = self._redis.xreadgroup(
            self._group,
            self._name,
            dict.fromkeys(names, ">"),
            count=self._batch if block_ms is None else 1,
            block=block_ms,
        )
        return [
            Delivery(key.decode(), entry, fields.get(FIELD, b""), False)
            for key, entries in found or ()
            for entry, fields in entries
        ]

    def _claimed(self, name: str) -> list[Delivery]:
        answer = self._redis.xautoclaim(name, self._group, self._name, min_idle_time=self._idle_ms, count=self._batch)
        # Entries trimmed in the meantime come without fields from Redis 6.2; newer versions leave them out.
        found = [Delivery(name, entry, fields.get(FIELD, b""), True) for entry, fields in answer[1] if fields]
        return [delivery for delivery in found if not self._is_hopeless(delivery)]

    def _is_hopeless(self, delivery: Delivery) -> bool:
        pending = self._redis.xpending_range(delivery.topic, self._group, delivery.entry, delivery.entry, 1)
        if not pending or pending[0]["times_delivered"] <= MOST_TRIES:
            return False
        target = f"{delivery.topic.rsplit('/', 1)[0]}/{UNHANDLED}"
        self._redis.xadd(target, {FIELD: delivery.text}, maxlen=UNHANDLED_LENGTH, approximate=True)
        self.acknowledge(delivery)
        self.unhandled += 1
        return True


def _down(error: Exception) -> TomatoError:
    return TomatoError(
        "E-BUS-DOWN",
        f"Redis does not answer as it should: {type(error).__name__}: {error}"[:300],
        "start it, or check address, password and access list",
    )
