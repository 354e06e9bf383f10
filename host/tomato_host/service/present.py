"""What the dashboard's process knows of the present: the newest record of each kind, and what happened lately."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

KEPT = {"action_v1": 300, "event_v1": 300, "anomaly_v1": 100}
"""How many of each are at hand; older ones come from the dataset."""


SILENT_S = 10.0
"""The loop tells its status with every lease it renews, each 2.4 s; silent for longer, it hangs."""


class Present:
    """Fed with lines of the deciding loop; read by requests. One thread (the event loop) does both."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._heard_s = float("-inf")
        self.status: Json = {"link": "unknown", "mode": "UNKNOWN"}
        self.newest: dict[str, Json] = {}
        self.lately: dict[str, deque[Json]] = {kind: deque(maxlen=n) for kind, n in KEPT.items()}
        self.open_anomalies: dict[str, Json] = {}
        self.connected = False
        self.listeners: set[asyncio.Queue[str]] = set()

    def take(self, line: bytes) -> Json | None:
        """Take one line in; returns the record it held, if it did and it was new. A broken line is left out."""
        try:
            told = json.loads(line)
        except ValueError:
            return None
        if "status" in told:
            self.status = told["status"]
            self._heard_s = self._monotonic()
            self._tell("status", told["status"])
            return None
        record: Json = told.get("record", {})
        kind = record.get("schema_version", "")
        if record.get("shadow"):
            return None  # what was not carried out is for the dataset, not for the first screen
        if self.newest.get(kind) == record:
            return None
        self.newest[kind] = record
        if kind in self.lately:
            if record in self.lately[kind]:
                return None
            self.lately[kind].append(record)
        if kind == "anomaly_v1":
            self._note_anomaly(record)
        self._tell(kind, record)
        return record

    def _note_anomaly(self, record: Json) -> None:
        key = record.get("id") or f"{record['type']}:{record.get('subject')}"
        if record["phase"] == "CLEARED":
            self.open_anomalies.pop(key, None)
        else:
            self.open_anomalies[key] = record

    def _tell(self, name: str, data: Json) -> None:
        """Pass something on to every open page; one that does not keep up misses it and catches up by asking."""
        text = json.dumps({"kind": name, "data": data})
        for queue in self.listeners:
            if not queue.full():
                queue.put_nowait(text)

    @property
    def alive(self) -> bool:
        """Whether the deciding loop is there and turns. A process that hangs keeps its connection and says nothing."""
        return self.connected and self._monotonic() - self._heard_s < SILENT_S

    def glance(self) -> Json:
        """Everything the first screen shows."""
        pick = self.newest.get
        return {
            "status": self.status,
            "feed": {"connected": self.alive},
            "observation": pick("observation_v1"),
            "state": pick("state_v1"),
            "devices": pick("device_status_v1"),
            "health": pick("sensor_health_v1"),
            "plan": pick("plan_v1"),
            "prediction": pick("prediction_36h_v1"),
            "targets": pick("targets_v1"),
            "weather": pick("forecast_36h_v1"),
            "vision": pick("vision_v1"),
            "vision_cv": pick("vision_cv_v1"),
            "anomalies": list(self.open_anomalies.values()),
            "actions": list(self.lately["action_v1"])[-60:],
            "events": list(self.lately["event_v1"])[-60:],
        }
