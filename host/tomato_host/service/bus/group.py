"""Reading the bus in a group (Redis): each message to one of many, acknowledged, given to another when one dies."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from tomato_host.errors import TomatoError
from tomato_host.service.bus.message import NODE, NODES, UNHANDLED, topic
from tomato_host.service.bus.priorities import Rank

FIELD = b"m"
LOOK_FOR_NODES_S = 5.0
MOST_TRIES = 10
"""A message that so many readers could do nothing with is put aside, so that it does not go round for ever."""
PUT_ASIDE_KEPT = 1_000
AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message in the hands of one reader, until it is acknowledged."""

    topic: str
    entry: bytes
    text: bytes
    is_repeat: bool
    """Another reader (or this one, earlier) had it and did not acknowledge."""


class GroupReader:
    """One reader of a group. Alarms of all nodes come before any deed, deeds before telemetry.

    At least once: a message may come twice (its id is the same then), never not at all while Redis keeps it.
    A method that needs Redis raises TomatoError E-BUS-DOWN when it is away; call it again later.
    """

    def __init__(
        self,
        client: Redis,
        group: str,
        name: str,
        *,
        idle_s: float = 60.0,
        ranks: tuple[Rank, ...] = tuple(Rank),
        at_once: int = AT_ONCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._redis: Any = client
        self._group = group
        self._name = name
        self._idle_ms = round(idle_s * 1000)
        self._ranks = ranks
        self._at_once = at_once
        self._monotonic = monotonic
        self._topics: dict[Rank, list[str]] = {rank: [] for rank in ranks}
        self._look_again_s = float("-inf")
        self._claim_again_s = float("-inf")
        self.put_aside = 0

    def next(self, patience_s: float) -> list[Delivery]:
        """What is to be done next: a few messages of one rank; empty when nothing came within `patience_s`."""
        try:
            self._find_nodes()
            return next((found for found in self._looks() if found), []) or self._wait(patience_s)
        except ResponseError as error:
            if str(error).startswith("NOGROUP"):
                self._look_again_s = float("-inf")  # Redis lost its memory: the groups are made anew
                return []
            raise _down(error) from error
        except (RedisError, OSError) as error:
            raise _down(error) from error

    def done(self, delivery: Delivery) -> None:
        """Acknowledge: nobody gets it again."""
        self._try(lambda: self._redis.xack(delivery.topic, self._group, delivery.entry))

    def still_at_it(self, delivery: Delivery) -> None:
        """Work that lasts: say so more often than `idle_s`, else another reader takes it over."""
        self._try(
            lambda: self._redis.xclaim(
                delivery.topic, self._group, self._name, min_idle_time=0, message_ids=[delivery.entry], justid=True
            )
        )

    # -- inside ------------------------------------------------------------------------------------------------

    def _try(self, ask: Callable[[], object]) -> None:
        try:
            ask()
        except (RedisError, OSError) as error:
            raise _down(error) from error

    def _find_nodes(self) -> None:
        now_s = self._monotonic()
        if now_s < self._look_again_s:
            return
        nodes = sorted(name for raw in self._redis.smembers(NODES) if NODE.fullmatch(name := raw.decode("latin-1")))
        for rank in self._ranks:
            self._topics[rank] = [topic(node, rank.word) for node in nodes]
            for name in self._topics[rank]:
                self._make_group(name)
        self._look_again_s = now_s + LOOK_FOR_NODES_S

    def _make_group(self, name: str) -> None:
        """From the beginning of what the stream still holds."""
        try:
            self._redis.xgroup_create(name, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def _looks(self) -> Iterator[list[Delivery]]:
        """Rank by rank: what a dead reader left, then what is new."""
        now_s = self._monotonic()
        claim = now_s >= self._claim_again_s
        if claim:
            self._claim_again_s = now_s + self._idle_ms / 4000.0
        for rank in self._ranks:
            if claim:
                yield from (self._claimed(name) for name in self._topics[rank])
            if self._topics[rank]:
                yield self._read(self._topics[rank], None)

    def _wait(self, patience_s: float) -> list[Delivery]:
        """Nothing is there: sleep in Redis until something comes, whatever its rank."""
        names = [name for rank in self._ranks for name in self._topics[rank]]
        if not names:
            time.sleep(min(patience_s, 0.2))
            self._look_again_s = float("-inf")
            return []
        return self._read(names, max(1, round(patience_s * 1000)))

    def _read(self, names: list[str], block_ms: int | None) -> list[Delivery]:
        """COUNT is for each stream, so a blocked read takes one of each."""
        found = self._redis.xreadgroup(
            self._group,
            self._name,
            dict.fromkeys(names, ">"),
            count=self._at_once if block_ms is None else 1,
            block=block_ms,
        )
        return [
            Delivery(key.decode(), entry, fields.get(FIELD, b""), False)
            for key, entries in found or ()
            for entry, fields in entries
        ]

    def _claimed(self, name: str) -> list[Delivery]:
        answer = self._redis.xautoclaim(name, self._group, self._name, min_idle_time=self._idle_ms, count=self._at_once)
        # What the stream has trimmed meanwhile Redis 6.2 gives without fields; newer ones leave it out.
        found = [Delivery(name, entry, fields.get(FIELD, b""), True) for entry, fields in answer[1] if fields]
        return [delivery for delivery in found if not self._is_hopeless(delivery)]

    def _is_hopeless(self, delivery: Delivery) -> bool:
        pending = self._redis.xpending_range(delivery.topic, self._group, delivery.entry, delivery.entry, 1)
        if not pending or pending[0]["times_delivered"] <= MOST_TRIES:
            return False
        aside = f"{delivery.topic.rsplit('/', 1)[0]}/{UNHANDLED}"
        self._redis.xadd(aside, {FIELD: delivery.text}, maxlen=PUT_ASIDE_KEPT, approximate=True)
        self.done(delivery)
        self.put_aside += 1
        return True


def _down(error: Exception) -> TomatoError:
    return TomatoError(
        "E-BUS-DOWN",
        f"Redis does not answer as it should: {type(error).__name__}: {error}"[:300],
        "start it, or check address, password and access list",
    )
