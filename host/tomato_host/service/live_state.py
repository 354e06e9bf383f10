"""The receiving end of the feed: lines from the deciding loop, and the newest state known from them."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, Literal

from shared_schemas.records import AnomalyType
from shared_schemas.records.agent_v1 import ORIGIN_AGENTS
from tomato_host.loop.live_values import is_present
from tomato_host.service.notify.urgency import CAUSE_BY_NAME, CAUSE_OF_ANOMALY, CAUSE_OF_FAULT

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
        self.usual_targets: Json | None = None
        """The targets before the first `targets_v1`; None: not known."""
        self.recent: dict[str, deque[Json]] = {kind: deque(maxlen=n) for kind, n in KEPT.items()}
        self.open_anomalies: dict[str, Json] = {}
        self.last_value_at: dict[str, float] = {}
        """When each sensor last gave a value, Unix time in s; soil probes as `soil.P1`."""
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
            self._notify("status", {**message["status"], "verdict": verdict(self), "advice": advice(self)})
            return None
        record: Json = message.get("record", {})
        kind = record.get("schema_version", "")
        if record.get("shadow"):
            return None  # what was not carried out is for the dataset, not for the dashboard
        if self.newest.get(kind) == record:
            return None
        if kind == "observation_v1" and self._is_late(record):
            return record
        self.newest[kind] = record
        if kind in self.recent:
            if record in self.recent[kind]:
                return None
            self.recent[kind].append(record)
        if kind == "anomaly_v1":
            self._update_anomalies(record)
        if kind == "observation_v1":
            self._update_last_values(record)
        self._notify(kind, record)
        return record

    def _is_late(self, seen: Json) -> bool:
        """Whether a reading is older than the present one: the board had stored it while the link was down.

        It belongs to the history; beside newer figures it would be taken for the present.
        """
        present = self.fresh("observation_v1")
        return present is not None and datetime.fromisoformat(seen["ts"]) < datetime.fromisoformat(present["ts"])

    def _update_anomalies(self, record: Json) -> None:
        key = record.get("id") or f"{record['type']}:{record.get('subject')}"
        if record["phase"] == "CLEARED":
            self.open_anomalies.pop(key, None)
        else:
            self.open_anomalies[key] = record

    def _update_last_values(self, seen: Json) -> None:
        moment_s = datetime.fromisoformat(seen["ts"]).timestamp()
        named = {name: value for name, value in seen.items() if isinstance(value, (int, float))}
        named |= {f"soil.{probe['id']}": probe["moisture_pct"] for probe in seen.get("soil", ())}
        self.last_value_at.update({name: moment_s for name, value in named.items() if value is not None})

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

    @property
    def live(self) -> Json:
        """The values of the present, computed by the deciding loop (loop/live_values.py); empty before the first."""
        live = self.status.get("live") or {}
        return live if self.alive else {}

    def fresh(self, kind: str) -> Json | None:
        """The newest record of a kind, or None when it is no longer the present by the loop's own clock.

        A loop whose clock is not known yet, or that no longer sends, knows nothing about the present.
        """
        record, now = self.newest.get(kind), self.status.get("now")
        if record is None or now is None or not self.alive:
            return None
        moment = record.get("received_ts") or record["ts"]
        return record if is_present(datetime.fromisoformat(moment), datetime.fromisoformat(now)) else None

    def overview(self) -> Json:
        """Everything the first screen shows."""
        pick = self.newest.get
        return {
            "status": self.status,
            "feed": {"connected": self.alive},
            "live": self.live,
            "verdict": verdict(self),
            "advice": advice(self),
            "observation": pick("observation_v1"),
            "state": pick("state_v1"),
            "devices": pick("device_status_v1"),
            "health": pick("sensor_health_v1"),
            "plan": pick("plan_v1"),
            "prediction": pick("prediction_36h_v1"),
            "targets": pick("targets_v1", self.usual_targets and {"adapted": self.usual_targets}),
            "weather": pick("forecast_36h_v1"),
            "vision": pick("vision_v1"),
            "vision_cv": pick("vision_cv_v1"),
            "anomalies": list(self.open_anomalies.values()),
            "actions": list(self.recent["action_v1"])[-60:],
            "agents": ORIGIN_AGENTS,
            "events": list(self.recent["event_v1"])[-60:],
        }

    def first_screen(self) -> Json:
        """What of `overview` is seen before anything has been touched: the newest action, the next hour."""
        found = self.overview()
        acted = [one for one in found["actions"] if one["type"] != "NO_ACTION"]
        plan, prediction = found["plan"], found["prediction"]
        return found | {
            "actions": acted[-1:],
            "events": [],
            "weather": None,
            "plan": plan and plan | {"steps": [], "not_done": []},
            "prediction": prediction and prediction | {"hours": prediction["hours"][:1]},
        }


Level = Literal["well", "watch", "bad"]
SEVERE = ("HIGH", "CRITICAL")


def anomaly_text(anomaly: Json) -> str:
    """An anomaly in a few words: "soil dry P1"."""
    return f"{anomaly['type'].replace('_', ' ').lower()} {anomaly.get('subject') or ''}".strip()


def verdict(present: LiveState) -> tuple[Level, str]:
    """Is it safe? One table for the dashboard's first line, the fleet and Home Assistant; the first true row counts.

    What is not known is not well: before the first reading, and while readings do not come, the answer is "watch".
    """
    status, mode = present.status, present.status.get("mode")
    open_now = list(present.open_anomalies.values())
    faults = present.newest.get("device_status_v1", {}).get("faults", ())
    severe = [anomaly_text(a) for a in open_now if a["severity"] in SEVERE]
    blind = present.fresh("observation_v1") is None
    table: tuple[tuple[bool, Level, str], ...] = (
        (not present.alive, "bad", "The host is not running. The board continues on its own."),
        (mode == "SAFE", "bad", f"Safe mode: {status.get('mode_reason') or 'every cause has gone, calm is awaited'}"),
        (status.get("link") != "up", "bad", "No link to the board. The board continues on its own."),
        (bool(faults), "bad", "Board holds fault " + ", ".join(fault["name"] for fault in faults)),
        (bool(severe), "bad", severe[0] if severe else ""),
        (bool(status.get("records_wait")), "bad", "The disk accepts no records. Control goes on"),
        (mode == "CAUTION", "watch", "Caution: smaller doses while readings are doubted"),
        (mode == "PAUSED", "watch", f"Paused by an operator {status.get('mode_reason') or ''}".rstrip()),
        (bool(open_now), "watch", f"Watching: {anomaly_text(open_now[0])}" if open_now else ""),
        (blind, "watch", "Waiting for readings: nothing is known about the present"),
    )
    return next(((level, text) for true, level, text in table if true), ("well", "All is well"))


def advice(present: LiveState) -> list[Json]:
    """What a person does about what is wrong now, one row a cause, as the notifications say it; worst first.

    Then what the newest plan asks a person for, which no output can do.
    """
    faults = present.newest.get("device_status_v1", {}).get("faults", ()) if present.alive else ()
    wrong = [(fault["name"], "CRITICAL", CAUSE_OF_FAULT.get(fault["name"], "board")) for fault in faults]
    wrong += [
        (anomaly_text(one), one["severity"], CAUSE_OF_ANOMALY.get(AnomalyType(one["type"]), "climate"))
        for one in sorted(present.open_anomalies.values(), key=lambda one: one["severity"] not in SEVERE)
    ]
    if present.alive and present.status.get("records_wait"):
        wrong.append(("the disk accepts no records", "CRITICAL", "records"))
    rows: dict[str, Json] = {}
    for text, severity, cause in wrong:
        rows.setdefault(cause, {"text": text.replace("_", " "), "severity": severity, "do": CAUSE_BY_NAME[cause].do})
    tasks = present.newest.get("plan_v1", {}).get("tasks", ()) if present.alive else ()
    return [*rows.values(), *({"text": text, "severity": "LOW", "do": ""} for text in tasks)]


LONGEST_LINE = 4_000_000
MOST_UNSENT = 1_000_000
"""Bytes that wait for a loop that does not read."""


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

    def send_line(self, line: bytes) -> bool:
        """Send one request to the loop without waiting. False when it does not read, or has ended."""
        if self._writer.is_closing() or self._writer.transport.get_write_buffer_size() > MOST_UNSENT:
            return False
        self._writer.write(line)
        return True
