"""Telemetry of the learning loop: signed events on the bus, or in the log where there is no bus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared_schemas.learn.telemetry_pb2 import TelemetryEvent, TelemetryLevel, TelemetrySource
from tomato_host.errors import TomatoError
from tomato_host.learn.messages import SCHEMA
from tomato_host.learn.signing import MessageSigner
from tomato_host.logs import Log

INFO, WARNING, ALARM = (
    TelemetryLevel.TELEMETRY_LEVEL_INFO,
    TelemetryLevel.TELEMETRY_LEVEL_WARNING,
    TelemetryLevel.TELEMETRY_LEVEL_ALARM,
)
Source = TelemetrySource

_log = Log("learn")


class Telemetry:
    """Emits events. A bus that is away never stops the loop: the event then stands in the log alone."""

    def __init__(self, signer: MessageSigner, run_id: int = 0, publisher: Any = None, stream: str = "") -> None:
        self._signer, self._run_id, self.publisher, self._stream = signer, run_id, publisher, stream
        self.unsent = 0
        self.logs = True
        """Whether warnings go into the log as well."""

    def emit(
        self,
        source: Any,
        name: str,
        text: str,
        values: Mapping[str, float] | None = None,
        labels: Mapping[str, str] | None = None,
        level: Any = INFO,
    ) -> TelemetryEvent:
        """Send one event; `values` have their unit in the name. Alarms take the emergency path."""
        event = TelemetryEvent(
            schema=SCHEMA, run_id=self._run_id, source=source, level=level, name=name, text=text[:300],
            values=values or {}, labels=labels or {},
        )  # fmt: skip
        if level != INFO and self.logs:
            _log.warning(name, text=text, **(labels or {}))
        if self.publisher is not None:
            self._signer.stamp(event)
            try:
                self.publisher.publish(self._stream, self._signer.encode(event), emergency=level == ALARM)
            except TomatoError as error:
                self.unsent += 1
                _log.warning("telemetry_unsent", name=name, code=error.code)
        return event
