"""Publishing on the learning loop's bus: retry with backoff, back-pressure by depth, a path for emergencies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from redis.exceptions import RedisError

from tomato_host.errors import TomatoError
from tomato_host.learn.bus.depth import group_depth
from tomato_host.learn.settings import LearnBusSettings
from tomato_host.service.bus.transport import Backoff

FIELD = b"m"
EMERGENCY = ".emergency"
ATTEMPTS = 5
DEPTH_EVERY_S = 0.2
"""How old a looked-up depth may be."""


class PublishResult(Enum):
    """What became of a message."""

    SENT = "sent"
    DELAYED = "delayed"
    """Refused under load: the sender holds it and tries again."""
    DROPPED = "dropped"
    """Refused under load, and nobody holds it."""
    EMERGENCY_RATE = "emergency_rate"
    """More emergencies in a minute than allowed; the sender holds it."""


@dataclass
class BusCounters:
    """What happened on this end, since its start, by kind."""

    published: int = 0
    consumed: int = 0
    delayed: int = 0
    dropped: int = 0
    emergency_refused: int = 0
    retries: int = 0
    unhandled: int = 0
    failed: int = 0
    """Messages whose consumer failed on them; they are delivered again."""


@dataclass
class _Pressure:
    """Whether ordinary messages of one stream are refused at the moment."""

    depth: int = 0
    looked_s: float = float("-inf")
    conservative: bool = False


@dataclass
class LearnPublisher:
    """Publishes signed messages. `groups`: by stream, the consumer group whose depth counts."""

    client: Any
    settings: LearnBusSettings
    groups: Mapping[str, str]
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=0.05, most_s=1.0))
    counters: BusCounters = field(default_factory=BusCounters)
    _pressure: dict[str, _Pressure] = field(default_factory=dict)
    _emergencies: deque[float] = field(default_factory=deque)

    def publish(self, stream: str, raw: bytes, *, emergency: bool = False, held: bool = False) -> PublishResult:
        """Append a message to its stream. `held`: the sender has a copy and tries again when it is refused.

        Raises TomatoError E-LEARN-BUS when Redis does not answer in several attempts.
        """
        if emergency:
            return self._publish_emergency(stream, raw)
        pressure = self.pressure(stream)
        if pressure.depth >= self.settings.drop_depth and not held:
            self.counters.dropped += 1
            return PublishResult.DROPPED
        if pressure.conservative and held:
            self.counters.delayed += 1
            return PublishResult.DELAYED
        self._add(stream, raw)
        pressure.depth += 1
        return PublishResult.SENT

    def pressure(self, stream: str) -> _Pressure:
        """Depth of a stream, and whether ordinary messages are refused; looked up at most every DEPTH_EVERY_S."""
        found = self._pressure.setdefault(stream, _Pressure())
        now = self.monotonic()
        if now - found.looked_s >= DEPTH_EVERY_S:
            found.depth = self._tried(lambda: group_depth(self.client, stream, self.groups[stream]))
            found.looked_s = now
        if found.depth >= self.settings.conservative_depth:
            found.conservative = True
        elif found.depth <= self.settings.normal_depth:
            found.conservative = False
        return found

    def _publish_emergency(self, stream: str, raw: bytes) -> PublishResult:
        now = self.monotonic()
        while self._emergencies and self._emergencies[0] <= now - 60.0:
            self._emergencies.popleft()
        if len(self._emergencies) >= self.settings.emergency_per_minute:
            self.counters.emergency_refused += 1
            return PublishResult.EMERGENCY_RATE
        self._add(stream + EMERGENCY, raw)
        self._emergencies.append(now)
        return PublishResult.SENT

    def _add(self, stream: str, raw: bytes) -> None:
        self._tried(lambda: self.client.xadd(stream, {FIELD: raw}))
        self.counters.published += 1

    def _tried(self, call: Callable[[], Any]) -> Any:
        """The result of a call, repeated with backoff. A repeat may publish twice: the bus is at least once."""
        for attempt in range(ATTEMPTS):
            try:
                found = call()
            except (RedisError, OSError) as error:
                last = error
                self.counters.retries += 1
                if attempt < ATTEMPTS - 1:
                    self.sleep(self.backoff.next_s())
            else:
                self.backoff.reset()
                return found
        raise bus_down(last)


def bus_down(error: Exception) -> TomatoError:
    """The error of a Redis that does not answer."""
    return TomatoError(
        "E-LEARN-BUS",
        f"Redis does not answer as it should: {type(error).__name__}: {error}"[:300],
        "start it, or check [learn.bus] url and the password's environment variable; nothing is lost meanwhile",
    )
