"""Tells the dashboard's process what happens, from the deciding loop, without ever waiting for it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from shared_schemas.records import Record
from tomato_host.brain.mind import Taken
from tomato_host.runtime.recorder import Recorder
from tomato_host.runtime.status import Status
from tomato_host.service.settings import ServiceSettings

STATUS_EVERY_S = 1.0
OUTBOX_BYTES = 1_000_000
"""What a dashboard that reads slowly may be behind; beyond that it is told everything anew."""
RECENT = 200
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a dashboard that died is started again."""


class Feed:
    """An extension of the deciding loop: records and status as JSON lines into a socket, never blocking."""

    def __init__(
        self,
        status: Status,
        recorder: Recorder,
        settings: ServiceSettings,
        data_dir: Path,
        *,
        command: Sequence[str] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._settings = settings
        self._data_dir = data_dir
        self._command = list(command) if command else None
        self._monotonic = monotonic
        self._newest: dict[str, bytes] = {}
        self._recent: deque[bytes] = deque(maxlen=RECENT)
        self._outbox = bytearray()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._start_at_s = 0.0
        self._told_at_s = 0.0
        self.restarts = 0
        recorder.listeners.append(self.hear)

    def start(self) -> None:
        """Start the dashboard's process."""
        self._spawn()

    def hear(self, record: Record) -> None:
        """Every record that is kept goes to the dashboard, too."""
        line = b'{"record":' + record.to_json().encode() + b"}\n"
        version = record.schema_version  # type: ignore[attr-defined]  # every record names its version
        self._newest[version] = line
        if version in ("action_v1", "event_v1", "anomaly_v1"):
            self._recent.append(line)
        if self._socket is not None:
            self._outbox += line

    def on_decision(self, taken: Taken, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """Send what the socket takes now; look after the process."""
        now_s = self._monotonic()
        self._look_after(now_s)
        if self._socket is None:
            return
        if now_s - self._told_at_s >= STATUS_EVERY_S:
            self._told_at_s = now_s
            self._outbox += status_line(self._status)
        self._flush()

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
            sys.executable, "-m", "tomato_host.service.serve", "--data-dir", str(self._data_dir),
            "--settings", self._settings.model_dump_json(),
        ]
        environment = {**os.environ, "TOMATO_FEED_FD": str(theirs.fileno())}
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=(theirs.fileno(),), env=environment
        )
        theirs.close()
        self._socket = ours
        self._outbox = bytearray(b"".join([*self._newest.values(), *self._recent]))

    def _look_after(self, now_s: float) -> None:
        process = self._process
        if process is not None and process.poll() is not None:
            self._process = None
            self._hang_up()
            self._start_at_s = now_s + PAUSES_S[min(self._failures, len(PAUSES_S) - 1)]
            self._failures += 1
        elif process is None and now_s >= self._start_at_s:
            self.restarts += 1
            self._spawn()

    def _flush(self) -> None:
        assert self._socket is not None
        try:
            while self._outbox:
                sent = self._socket.send(self._outbox[:65_536])
                del self._outbox[:sent]
        except BlockingIOError:
            if len(self._outbox) > OUTBOX_BYTES:
                # Too far behind: begin again after the line that is half out.
                end = self._outbox.find(b"\n") + 1
                del self._outbox[end:]
                self._outbox += b"".join([*self._newest.values(), *self._recent])
        except OSError:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._outbox.clear()


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
            {"ts": p.ts.isoformat(), "output": p.output, "status": p.status, "amount": p.amount, "unit": p.unit,
             "reason": p.reason}
            for p in list(status.pulses)[-5:]
        ],
        "tally": {
            "observations": tally.observations, "states": tally.states, "episodes": tally.episodes,
            "actions": tally.actions, "refused": tally.refused, "anomalies": tally.anomalies,
            "water_ml": round(tally.water_ml, 1),
        },
    }
    return b'{"status":' + json.dumps(told).encode() + b"}\n"
