"""The ingestion worker: telemetry from the bus into metrics and Elasticsearch, depth of every stream, health."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry
from redis.exceptions import RedisError

from shared_schemas.learn.telemetry_pb2 import TelemetryEvent
from tomato_host.errors import TomatoError
from tomato_host.learn.bus.connect import groups_of
from tomato_host.learn.bus.consumer import LearnConsumer
from tomato_host.learn.bus.depth import group_depth
from tomato_host.learn.bus.report_link import QUEUED_FRESHNESS_MS
from tomato_host.learn.keys import SigningKeys
from tomato_host.learn.observability.elastic import ElasticSink, document_of
from tomato_host.learn.observability.endpoint import Endpoint
from tomato_host.learn.observability.metrics import LearnMetrics
from tomato_host.learn.observability.spool import Spool
from tomato_host.learn.settings import LearnSettings
from tomato_host.learn.signing import MessageRefused, MessageVerifier
from tomato_host.logs import Log

DEPTH_EVERY_S = 2.0
SPOOL = Path("learn") / "telemetry.spool"
_PAUSE_S = 1.0
_log = Log("learn.observe")


class ObserveWorker:
    """One process that observes. `step` does one round; `serve` does it for ever."""

    def __init__(
        self,
        client: Any,
        settings: LearnSettings,
        keys: SigningKeys,
        data_dir: Path,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self.settings, self._monotonic = client, settings, monotonic
        self.registry = CollectorRegistry()
        self.metrics = LearnMetrics(self.registry)
        self._verifier = MessageVerifier(keys, now_ms, QUEUED_FRESHNESS_MS)
        handlers = {settings.bus.telemetry_stream: self._receive}
        self.consumer = LearnConsumer(client, settings.bus.observe_group, "observe", handlers, settings.bus.claim_s)
        spool = Spool(data_dir / SPOOL, settings.observe.spool_mb * 1_000_000)
        self.sink = ElasticSink(settings.observe, spool) if settings.observe.elasticsearch else None
        self._documents: list[dict[str, Any]] = []
        self._depth_at_s = float("-inf")
        self._counted: dict[str, int] = {}

    def step(self, patience_s: float = 1.0) -> int:
        """One round: read, count, store; returns the events handled. Raises TomatoError E-LEARN-BUS, OSError."""
        done = self.consumer.poll(patience_s)
        if self.sink is not None and (self._documents or self.sink.spool.size):
            documents, self._documents = self._documents, []
            self.sink.store(documents)
            self.metrics.spool.set(self.sink.spool.size)
            self.metrics.elasticsearch.set(float(self.sink.up))
        self._count_messages()
        if self._monotonic() - self._depth_at_s >= DEPTH_EVERY_S:
            self._depth_at_s = self._monotonic()
            for stream, group in groups_of(self.settings.bus).items():
                self.metrics.depth.labels(stream).set(group_depth(self._client, stream, group))
        return done

    def serve(self, stop: Callable[[], bool] = lambda: False, show: Callable[[str], None] = print) -> None:
        """Serve `/health` and `/metrics` and ingest until `stop`."""
        wanted = self.settings.observe
        endpoint = Endpoint(wanted.host, wanted.port, self.registry, self.health)
        show(f"http://{wanted.host}:{endpoint.port}/health and /metrics")
        try:
            while not stop():
                try:
                    self.step()
                except (TomatoError, RedisError, OSError) as error:
                    _log.warning("observe_waits", error=str(error)[:200])
                    time.sleep(_PAUSE_S)
        finally:
            endpoint.close()

    def health(self) -> dict[str, Any]:
        """`ok` while Redis answers; Elasticsearch away is no reason to restart this process: the spool holds."""
        try:
            alive = bool(self._client.ping())
            why = ""
        except (RedisError, OSError) as error:
            alive, why = False, type(error).__name__
        found: dict[str, Any] = {"ok": alive, "redis": why or "answers", "consumed": self.consumer.counters.consumed}
        if self.sink is not None:
            found |= {"elasticsearch": "up" if self.sink.up else "away", "spool_bytes": self.sink.spool.size}
        return found

    def _receive(self, raw: bytes) -> None:
        try:
            event = self._verifier.parse(raw, TelemetryEvent)
        except MessageRefused:
            self.metrics.refused.inc()
            return
        self.metrics.count(event)
        if self.sink is not None:
            self._documents.append(document_of(event))

    def _count_messages(self) -> None:
        for kind in ("consumed", "failed", "unhandled"):
            now = getattr(self.consumer.counters, kind)
            self.metrics.bus.labels(kind).inc(now - self._counted.get(kind, 0))
            self._counted[kind] = now
