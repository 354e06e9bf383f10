"""Reading the learning loop's bus as a consumer group: emergencies first, acknowledged only after they are handled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.exceptions import RedisError, ResponseError

from tomato_host.learn.bus.publisher import EMERGENCY, FIELD, BusCounters, bus_down
from tomato_host.logs import Log

MOST_TRIES = 10
"""A message that failed so often is moved to `<stream>.unhandled`."""
BATCH = 32
_TRIM_EVERY = 1_000
"""Acknowledged messages after which what everybody has read is deleted."""

Handler = Callable[[bytes], None]
"""Handles one message. Raises nothing for a message that is bad for ever (it is then acknowledged); any exception
means "again later"."""


@dataclass
class LearnConsumer:
    """One reader of a group over several streams, each with its handler. Raises TomatoError E-LEARN-BUS."""

    client: Any
    group: str
    name: str
    handlers: Mapping[str, Handler]
    claim_s: float = 60.0
    monotonic: Callable[[], float] = time.monotonic
    counters: BusCounters = field(default_factory=BusCounters)
    _ready: bool = False
    _claim_at_s: float = float("-inf")
    _acknowledged: int = 0

    def poll(self, patience_s: float = 0.0) -> int:
        """Handle what waits, or what comes within `patience_s`; returns how many messages were handled."""
        try:
            self._make_groups()
            done = self._claimed() + sum(self._read(names, None) for names in self._by_priority())
            if not done and patience_s > 0.0:
                done = self._read([name for names in self._by_priority() for name in names], patience_s)
            return done
        except ResponseError as error:
            if str(error).startswith("NOGROUP"):  # Redis lost its data: the groups are made anew
                self._ready = False
                return 0
            raise bus_down(error) from error
        except (RedisError, OSError) as error:
            raise bus_down(error) from error

    def _by_priority(self) -> tuple[list[str], list[str]]:
        return [name + EMERGENCY for name in self.handlers], list(self.handlers)

    def _make_groups(self) -> None:
        if self._ready:
            return
        for name in (name for names in self._by_priority() for name in names):
            try:
                self.client.xgroup_create(name, self.group, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
        self._ready = True

    def _read(self, names: list[str], patience_s: float | None) -> int:
        found = self.client.xreadgroup(
            self.group,
            self.name,
            dict.fromkeys(names, ">"),
            count=BATCH,
            block=None if patience_s is None else max(1, round(patience_s * 1_000)),
        )
        return sum(
            self._handle(stream.decode(), entry, fields) for stream, entries in found or () for entry, fields in entries
        )

    def _claimed(self) -> int:
        """What a reader that died, or failed, has left."""
        now = self.monotonic()
        if now < self._claim_at_s:
            return 0
        self._claim_at_s = now + self.claim_s / 4.0
        done = 0
        for name in (name for names in self._by_priority() for name in names):
            idle_ms = round(self.claim_s * 1_000)
            _, entries, *_ = self.client.xautoclaim(name, self.group, self.name, min_idle_time=idle_ms, count=BATCH)
            for entry, fields in entries:
                if fields and not self._hopeless(name, entry, fields):
                    done += self._handle(name, entry, fields)
        return done

    def _handle(self, stream: str, entry: bytes, fields: Mapping[bytes, bytes]) -> int:
        try:
            self.handlers[stream.removesuffix(EMERGENCY)](fields.get(FIELD, b""))
        except (RedisError, OSError):
            raise
        except Exception as error:  # whatever a handler does, the reader goes on
            self.counters.failed += 1
            Log("learn.bus").warning("message_failed", stream=stream, error=type(error).__name__)
            return 0
        self.client.xack(stream, self.group, entry)
        self.counters.consumed += 1
        self._acknowledged += 1
        if self._acknowledged % _TRIM_EVERY == 0:
            self.trim(stream)
        return 1

    def _hopeless(self, stream: str, entry: bytes, fields: Mapping[bytes, bytes]) -> bool:
        pending = self.client.xpending_range(stream, self.group, entry, entry, 1)
        if not pending or pending[0]["times_delivered"] <= MOST_TRIES:
            return False
        self.client.xadd(f"{stream}.unhandled", dict(fields), maxlen=1_000, approximate=True)
        self.client.xack(stream, self.group, entry)
        self.counters.unhandled += 1
        return True

    def trim(self, stream: str) -> None:
        """Delete what every group of the stream has read and acknowledged."""
        lowest = []
        for row in self.client.xinfo_groups(stream):
            first = self.client.xpending(stream, row["name"])["min"] if row["pending"] else row["last-delivered-id"]
            lowest.append(tuple(int(part) for part in first.decode().split("-")))
        if lowest:
            self.client.xtrim(stream, minid="{}-{}".format(*min(lowest)), approximate=True)
