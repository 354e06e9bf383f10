"""The receiving end of the feed: lines from the deciding loop, and the newest state known from them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

Json = dict[str, Any]

KEPT = {"action_v1": 300, "event_v1": 300, "anomaly_v1": 100}
"""How many of each are held in memory; older ones are read from the dataset."""


SILENT_S = 10.0
"""The loop sends its status with every lease it renews, each 2.4 s; silent for longer, it hangs."""


class LiveState:
    """Updated by lines of the deciding loop; read by requests. One thread (the event loop) does both."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._status_at_s = float("-inf")
        self.status: Json = {"link": "unknown", "mode": "UNKNOWN"}
        self.newest: dict[str, Json] = {}
        self.recent: dict[str, deque[Json]] = {kind: deque(maxlen=n) for kind, n in KEPT.items()}
        self.open_anomalies: dict[str, Json] = {}
        self.connected = False
        self.listeners: set[asyncio.Queue[str]] = set()

    def update(self, line: bytes) -> Json | None:
        """Apply one line; returns the record in it, if there was one and it was new. A broken line is ignored."""
        try:
            message = json.loads(line)
        except ValueError:
            return None
        if "status" in message:
            self.status = message["status"]
            self._status_at_s = self._monotonic()
            self._notify("status", message["status"])
            return None
        record: Json = message.get("record", {})
        kind = record.get("schema_version", "")
        if record.get("shadow"):
            return None  # what was not carried out is for the dataset, not for the dashboard
        if self.newest.get(kind) == record:
            return None
        self.newest[kind] = record
        if kind in self.recent:
            if record in self.recent[kind]:
                return None
            self.recent[kind].append(record)
        if kind == "anomaly_v1":
            self._update_anomalies(record)
        self._notify(kind, record)
        return record

    def _update_anomalies(self, record: Json) -> None:
        key = record.get("id") or f"{record['type']}:{record.get('subject')}"
        if record["phase"] == "CLEARED":
            self.open_anomalies.pop(key, None)
        else:
            self.open_anomalies[key] = record

    def _notify(self, name: str, data: Json) -> None:
        """Pass something on to every open page; one that does not keep up misses it and reads it later."""
        text = json.dumps({"kind": name, "data": data})
        for queue in self.listeners:
            if not queue.full():
                queue.put_nowait(text)

    @property
    def alive(self) -> bool:
        """Whether the deciding loop is connected and runs. A loop that hangs keeps its connection and sends nothing."""
        return self.connected and self._monotonic() - self._status_at_s < SILENT_S

    def overview(self) -> Json:
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
            "actions": list(self.recent["action_v1"])[-60:],
            "events": list(self.recent["event_v1"])[-60:],
        }


LONGEST_LINE = 4_000_000


class FeedReader:
    """One connection to the deciding loop, which ends it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, fd: int) -> FeedReader:
        """Over the inherited descriptor of a socket."""
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=fd), limit=LONGEST_LINE)
        return cls(reader, writer)

    async def lines(self) -> AsyncIterator[bytes]:
        """Line after line until the loop closes the connection."""
        while line := await self._reader.readline():
            yield line

    def send_status(self, status: dict[str, Any]) -> None:
        """Send counts to the loop without waiting; while an earlier status is still unread this one is dropped."""
        if self._writer.transport.get_write_buffer_size() == 0 and not self._writer.is_closing():
            self._writer.write(json.dumps(status).encode() + b"\n")
