"""The one place where a record is stored: on disk, in the status, in the counts, and passed to the listeners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal, Protocol

from shared_schemas.records import (
    ActionV1,
    AnomalyV1,
    DeviceStatusV1,
    EventV1,
    Forecast36hV1,
    ObservationV1,
    PlanV1,
    Prediction36hV1,
    Record,
    SensorHealthV1,
    StateV1,
    TargetsV1,
)
from tomato_host.board.event_text import ROUTINE
from tomato_host.board.events import Level
from tomato_host.loop.status import Status

Kind = Literal[
    "link", "board", "mode", "process", "person", "weather", "model", "agent", "storage", "notification", "message"
]
Datum = float | int | bool | str | None


__all__ = ["Datum", "Kind", "Level", "Recorder", "Store"]


class Store(Protocol):
    """Storage for records; never raises for a full disk (what it refuses is queued until there is room)."""

    def offer(self, record: Record) -> bool:
        """Store one record; True when it and all before it are stored, False while they wait for the disk."""


class Recorder:
    """Every record passes here once, in the order in which things happened."""

    def __init__(self, store: Store, status: Status) -> None:
        self._store = store
        self._status = status
        self.listeners: list[Callable[[Record], None]] = []
        """Called with every record after it was stored: notifications, metrics, bus."""
        self._stored = True

    def record(self, record: Record) -> None:
        """Store a record, update the status, call the listeners."""
        stored = self._store.offer(record)
        self.report_stored(record)
        self._report_disk(stored, record.ts)

    def report_stored(self, record: Record) -> None:
        """Show a record and call the listeners; it is stored already, by the storage itself."""
        self._show(record)
        self._status.revision += 1
        for listener in self.listeners:
            listener(record)

    def record_quietly(self, record: Record) -> None:
        """Store a record that only a later replay needs: no display, no listeners."""
        self._report_disk(self._store.offer(record), record.ts)

    def _report_disk(self, stored: bool, now: datetime) -> None:
        """A disk that refuses records, or accepts them again, is an event at once; listeners need no disk."""
        if stored == self._stored:
            return
        self._stored, self._status.records_wait = stored, not stored
        if stored:
            self.event(
                now, "INFO", "storage", "records_stored", "The disk accepts records again; the queued ones are stored."
            )
        else:
            self.event(
                now,
                "ALARM",
                "storage",
                "records_waiting",
                "The disk accepts no records. Control goes on, they are queued in memory: free space before a restart.",
            )

    def event(self, now: datetime, level: Level, kind: Kind, name: str, text: str, **data: Datum) -> None:
        """Record an event_v1."""
        self.record(
            EventV1(
                schema_version="event_v1", ts=now, level=level, kind=kind, name=name, text=text[:4_000], data=dict(data)
            )
        )

    def _show(self, record: Record) -> None:
        status, tally = self._status, self._status.tally
        if isinstance(record, ObservationV1):
            tally.observations += 1
        elif isinstance(record, StateV1):
            status.state = record
            tally.states += 1
        elif isinstance(record, DeviceStatusV1):
            status.devices = record
        elif isinstance(record, SensorHealthV1):
            status.health = record
        elif isinstance(record, AnomalyV1):
            self._show_anomaly(record)
        elif isinstance(record, ActionV1):
            self._show_action(record)
        elif isinstance(record, PlanV1) and not record.shadow:
            status.plan = record
            tally.episodes += 1
        elif isinstance(record, EventV1):
            if record.name not in ROUTINE:
                status.events.append(record)
        elif isinstance(record, Prediction36hV1):
            status.prediction = record
        elif isinstance(record, Forecast36hV1):
            status.weather = record
        elif isinstance(record, TargetsV1):
            status.targets = record

    def _show_anomaly(self, anomaly: AnomalyV1) -> None:
        status = self._status
        key = anomaly.id or f"{anomaly.type.value}:{anomaly.subject}"
        if anomaly.phase == "CLEARED":
            status.open_anomalies.pop(key, None)
        else:
            status.open_anomalies[key] = anomaly
            status.tally.anomalies += 1
        status.anomalies.append(anomaly)

    def _show_action(self, action: ActionV1) -> None:
        """An action is recorded with its verdict and again with its outcome; it counts once."""
        status = self._status
        status.actions.append(action)
        if action.outcome is None:
            if action.type.value == "NO_ACTION" or action.shadow:
                return
            status.tally.actions += int(action.safety.validated)
            status.tally.refused += int(not action.safety.validated)
        elif action.outcome.delivered_ml is not None:
            status.tally.water_ml += action.outcome.delivered_ml
