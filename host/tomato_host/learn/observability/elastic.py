"""Telemetry into Elasticsearch with its official client; what it does not accept waits in the spool."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shared_schemas.learn.telemetry_pb2 import TelemetryEvent, TelemetryLevel, TelemetrySource
from tomato_host.errors import TomatoError
from tomato_host.learn.observability.spool import Spool
from tomato_host.learn.settings import LearnObserveSettings
from tomato_host.logs import Log

BATCH = 500
PATIENCE_S = 5.0
_log = Log("learn.elastic")


def document_of(event: TelemetryEvent) -> dict[str, Any]:
    """The document of one event."""
    moment = datetime.fromtimestamp(event.sent_ms / 1_000.0, UTC)
    return {
        "@timestamp": moment.isoformat(timespec="milliseconds"),
        "run": str(event.run_id),
        "source": TelemetrySource.Name(event.source).removeprefix("TELEMETRY_SOURCE_").lower(),
        "level": TelemetryLevel.Name(event.level).removeprefix("TELEMETRY_LEVEL_").lower(),
        "name": event.name,
        "text": event.text,
        "values": dict(event.values),
        "labels": dict(event.labels),
    }


class ElasticSink:
    """Stores documents in `<index>-YYYY.MM`; an event that is stored twice has the same id, and so counts once."""

    def __init__(self, settings: LearnObserveSettings, spool: Spool, client: Any = None) -> None:
        self._settings, self.spool = settings, spool
        self._client = client or _connect(settings)
        self._ready = False
        self.up = False
        self.stored = 0

    def store(self, documents: Sequence[dict[str, Any]]) -> None:
        """Store what waits, then these; on a failure all of it waits in the spool. Raises OSError from the spool."""
        lines = [json.dumps(one, sort_keys=True) for one in documents]
        waiting = self.spool.read()
        todo = waiting + lines
        while todo and self._bulk(todo[:BATCH]):
            todo = todo[BATCH:]
        if not todo:
            if waiting:
                self.spool.replace([])
        elif len(todo) < len(waiting) + len(lines):
            self.spool.replace(todo)
        elif lines:
            self.spool.add(lines)

    def _bulk(self, lines: Sequence[str]) -> bool:
        operations: list[Any] = []
        for line in lines:
            document = json.loads(line)
            index = f"{self._settings.index}-{document['@timestamp'][:7].replace('-', '.')}"
            identity = hashlib.sha256(line.encode()).hexdigest()[:32]
            operations += [{"index": {"_index": index, "_id": identity}}, document]
        try:
            self._make_template()
            answer = self._client.bulk(operations=operations)
        except Exception as error:  # transport, product check, authentication: the client has a class for each
            if self.up:
                _log.warning("elasticsearch_down", error=type(error).__name__)
            self.up = False
            return False
        rejected = [item["index"] for item in answer["items"] if item["index"]["status"] >= 300]
        if any(one["status"] == 429 or one["status"] >= 500 for one in rejected):
            self.up = False
            return False
        for one in rejected:  # a document that it will never accept must not hold up the rest
            _log.warning("document_refused", status=one["status"], reason=str(one.get("error"))[:200])
        self.up = True
        self.stored += len(lines) - len(rejected)
        return True

    def _make_template(self) -> None:
        if self._ready:
            return
        keyword = {"type": "keyword"}
        self._client.indices.put_index_template(
            name=self._settings.index,
            index_patterns=[f"{self._settings.index}-*"],
            template={
                "mappings": {
                    "dynamic_templates": [
                        {"values": {"path_match": "values.*", "mapping": {"type": "double"}}},
                        {"labels": {"path_match": "labels.*", "mapping": keyword}},
                    ],
                    "properties": {
                        "@timestamp": {"type": "date"}, "run": keyword, "source": keyword, "level": keyword,
                        "name": keyword, "text": {"type": "text"},
                    },
                }
            },
        )  # fmt: skip
        self._ready = True

    def ping(self) -> bool:
        """Whether it answers as Elasticsearch does."""
        try:
            return bool(self._client.info()["version"]["number"])
        except Exception:
            return False


def _connect(settings: LearnObserveSettings) -> Any:
    try:
        from elasticsearch import Elasticsearch
    except ImportError:
        raise TomatoError(
            "E-EXTRA-ELASTICSEARCH", "The Elasticsearch client is not installed.", "pip install '.[learn]'"
        ) from None
    key = os.environ.get(settings.elasticsearch_key_from)
    return Elasticsearch(settings.elasticsearch, api_key=key, request_timeout=PATIENCE_S, max_retries=0)
