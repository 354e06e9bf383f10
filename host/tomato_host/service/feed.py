"""Tells the dashboard's process what happens, from the deciding loop, without ever waiting for it."""

from __future__ import annotations

import heapq
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from shared_schemas.records import Record
from tomato_host.brain.brain import StepResult
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.outbox import Outbox
from tomato_host.service.bus.priorities import Rank, rank_of
from tomato_host.service.bus.settings import BusSettings
from tomato_host.service.settings import PORT_TAKEN, ServiceSettings

STATUS_EVERY_S = 1.0
RECENT = 200
"""Alarms, and as many actions, that a process started again is told once more."""
AT_ONCE_BYTES = 65_536
HEARD_BYTES = 16_384
"""The longest word that a process may send back."""
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a dashboard that died is started again."""


class Feed:
    """An extension of the deciding loop: records and status as JSON lines into a socket, never blocking.

    This is the bus inside one machine: alarms go first, and a reader that does not keep up loses telemetry, counted.
    """

    def __init__(
        self,
        status: Status,
        recorder: Recorder,
        settings: ServiceSettings,
        data_dir: Path,
        *,
        command: Sequence[str] | None = None,
        name: str = "dashboard",
        bus: BusSettings | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._settings = settings
        self._data_dir = data_dir
        self._command = list(command) if command else None
        self._name = name
        self._bus = bus
        self._monotonic = monotonic
        self._newest: dict[str, bytes] = {}
        self._order = count()
        self._recent: dict[Rank, deque[tuple[int, bytes]]] = {
            rank: deque(maxlen=RECENT) for rank in (Rank.ALARM, Rank.DEED)
        }
        self.outbox = Outbox()
        self._sending = bytearray()
        self._heard = bytearray()
        self._word: dict[str, Any] = {}
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._start_at_s = 0.0
        self._told_at_s = 0.0
        self.restarts = 0
        self._recorder = recorder
        self._told_port_taken = False
        recorder.listeners.append(self.hear)

    def start(self) -> None:
        """Start the dashboard's process."""
        self._spawn()

    def hear(self, record: Record) -> None:
        """Every record that is kept goes to the dashboard, too."""
        line = b'{"record":' + record.to_json().encode() + b"}\n"
        version: str = record.schema_version  # type: ignore[attr-defined]  # every record names its version
        rank = rank_of(version, getattr(record, "level", None))
        if rank is Rank.TELEMETRY:
            self._newest[version] = line
        else:
            self._recent[rank].append((next(self._order), line))
        self.outbox.offer(rank, line)
        if rank is Rank.ALARM and self._socket is not None:
            self._flush(self._monotonic())  # not even the next tick is waited for

    def on_decision(self, taken: StepResult, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """Send what the socket takes now; look after the process."""
        now_s = self._monotonic()
        self._look_after(now_s, now)
        if self._socket is None:
            return
        self._listen()
        self._flush(now_s)

    def stop(self) -> None:
        """End the dashboard's process; 3 s are granted to it."""
        self._hang_up()
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(3.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    # -- inside ------------------------------------------------------------------------------------------------

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        command = self._command or [
            sys.executable,
            "-m",
            "tomato_host.service.serve",
            "--data-dir",
            str(self._data_dir),
            "--settings",
            self._settings.model_dump_json(),
            *(["--bus", self._bus.model_dump_json()] if self._bus is not None else []),
        ]
        environment = {**os.environ, "TOMATO_FEED_FD": str(theirs.fileno())}
        # A session of its own: a Ctrl-C is for the host, which makes the outputs safe first and then ends this one.
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env=environment, start_new_session=True
        )
        theirs.close()
        self._socket = ours
        self._begin_anew()

    def _begin_anew(self) -> None:
        """A new process hears the newest of all telemetry and what happened lately, in the order it happened."""
        recent = [line for _, line in heapq.merge(*self._recent.values())]
        self._sending = bytearray(b"".join([*self._newest.values(), *recent]))
        told = {*self._newest.values(), *recent}
        self.outbox.forget(told.__contains__)
        self._heard.clear()

    def _look_after(self, now_s: float, now: datetime) -> None:
        process = self._process
        if process is not None and process.poll() is not None:
            if process.returncode == PORT_TAKEN:
                self._tell_port_taken(now)
            self._process = None
            self._hang_up()
            self._start_at_s = now_s + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
            self._failures += 1
        elif process is None and now_s >= self._start_at_s:
            self.restarts += 1
            self._spawn()

    def _tell_port_taken(self, now: datetime) -> None:
        """Once; it is tried again and again all the same."""
        if not self._told_port_taken:
            self._told_port_taken = True
            where = f"{self._settings.host}:{self._settings.port}"
            self._recorder.event(
                now,
                "WARNING",
                "process",
                "dashboard_port_taken",
                f"No dashboard: {where} is taken, by another host perhaps. Everything else goes on; "
                "set [service] port to a free one, or 0 for any.",
            )

    def _flush(self, now_s: float) -> None:
        assert self._socket is not None
        try:
            while self._sending or self._fill(now_s):
                sent = self._socket.send(self._sending[:AT_ONCE_BYTES])
                del self._sending[:sent]
        except BlockingIOError:
            pass  # what waits stays in the outbox, which lets telemetry go first
        except OSError:
            self._hang_up()

    def _fill(self, now_s: float) -> bool:
        """Take the next lines; the status, which only its newest version matters of, after all of them."""
        self._sending += b"".join(line for _, line in self.outbox.take(AT_ONCE_BYTES))
        if not self._sending and now_s - self._told_at_s >= STATUS_EVERY_S:
            self._told_at_s = now_s
            self._note_health()
            self._sending += status_line(self._status)
        return bool(self._sending)

    def _note_health(self) -> None:
        """How this way out does, for everybody who reads the status."""
        self._status.feeds[self._name] = {
            "dropped": self.outbox.counts(),
            "waiting_bytes": self.outbox.waiting_bytes,
            "restarts": self.restarts,
            **self._word,
        }

    def _listen(self) -> None:
        """The process may say how it does: one JSON object a line, its newest counts."""
        assert self._socket is not None
        try:
            self._heard += self._socket.recv(HEARD_BYTES)
        except OSError:
            return  # nothing said, or nobody there; sending finds out
        *lines, rest = self._heard.split(b"\n")
        self._heard = bytearray(rest[-HEARD_BYTES:])
        try:
            word = json.loads(lines[-1]) if lines else None
        except ValueError:
            return
        if isinstance(word, dict):
            self._word = word

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._sending.clear()


def status_line(status: Status) -> bytes:
    """What no record says: link, mode, jobs under way, the next decision, counts."""
    tally = status.tally
    told = {
        "now": status.now.isoformat(),
        "started_at": status.started_at.isoformat(),
        "link": status.link,
        "link_detail": status.link_detail,
        "port": status.port,
        "firmware": status.firmware,
        "mode": status.mode,
        "mode_reason": status.mode_reason,
        "next_decision_at": status.next_decision_at.isoformat() if status.next_decision_at else None,
        "jobs": {name: end.isoformat() if end else None for name, end in status.jobs.items()},
        "pulses": [
            {
                "ts": p.ts.isoformat(),
                "output": p.output,
                "status": p.status,
                "amount": p.amount,
                "unit": p.unit,
                "reason": p.reason,
            }
            for p in list(status.pulses)[-5:]
        ],
        "tally": {
            "observations": tally.observations,
            "states": tally.states,
            "episodes": tally.episodes,
            "actions": tally.actions,
            "refused": tally.refused,
            "anomalies": tally.anomalies,
            "water_ml": round(tally.water_ml, 1),
        },
        "feeds": status.feeds,
        "disk": status.disk,
    }
    return b'{"status":' + json.dumps(told).encode() + b"}\n"
