"""Sends records and status from the deciding loop to a child process, without ever waiting for it."""

from __future__ import annotations

import heapq
import json
import os
import socket
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from shared_schemas.records import Record
from tomato_host.brain.step_data import StepResult
from tomato_host.loop.live_values import live_values
from tomato_host.loop.recorder import Recorder
from tomato_host.loop.status import Status
from tomato_host.service.bus.message import Priority, priority_of
from tomato_host.service.bus.outbox import Outbox

STATUS_EVERY_S = 1.0
"""At the latest; a new estimate and a change of mode are sent at once, so that every display shows the same."""
RECENT = 200
"""Alarms, and as many actions, that are sent again to a process that was restarted."""
CHUNK_BYTES = 65_536
RECEIVE_BYTES = 65_536
"""The longest line that a process may send back."""
MOST_REQUESTS = 256
"""Requests of a process that wait here; more stay in its socket."""
MOST_UNSENT_BYTES = 4_000_000
"""Beyond this a process does not read: what it is sent at once is dropped."""
RESTART_DELAYS_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Before a process that died is started again."""


class ProcessFeed:
    """An extension of the deciding loop: records and status as JSON lines into a socket, never blocking.

    Alarms go first, and a reader that does not keep up loses telemetry first, which is counted.
    """

    def __init__(
        self,
        status: Status,
        recorder: Recorder,
        command: Sequence[str],
        name: str,
        *,
        on_exit: Callable[[int, datetime], None] | None = None,
        on_status: Callable[[dict[str, Any], datetime], None] | None = None,
        on_connect: Callable[[], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._status = status
        self._command = list(command)
        self._name = name
        self._on_exit = on_exit
        self._on_status = on_status
        self.on_connect = on_connect
        """Called whenever a process was started: it knows nothing of what an earlier one was sent."""
        self._monotonic = monotonic
        self._newest: dict[str, bytes] = {}
        self._order = count()
        self._recent: dict[Priority, deque[tuple[int, bytes]]] = {
            priority: deque(maxlen=RECENT) for priority in (Priority.ALARM, Priority.ACTION)
        }
        self.outbox = Outbox()
        self._sending = bytearray()
        self._received = bytearray()
        self._child_status: dict[str, Any] = {}
        self.requests: deque[dict[str, Any]] = deque()
        """What the process asks for (`world_gateway.py` answers), oldest first."""
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._failures = 0
        self._start_at_s = 0.0
        self._status_sent_s = 0.0
        self._status_sent: tuple[str, datetime | None] | None = None
        self.restarts = 0
        recorder.listeners.append(self.on_record)

    def start(self) -> None:
        """Start the child process."""
        self._spawn()

    def on_record(self, record: Record) -> None:
        """Queue a record; an alarm is sent at once."""
        line = b'{"record":' + record.to_json().encode() + b"}\n"
        version: str = record.schema_version  # type: ignore[attr-defined]  # every record names its version
        priority = priority_of(version, getattr(record, "level", None))
        if priority is Priority.TELEMETRY:
            self._newest[version] = line
        else:
            self._recent[priority].append((next(self._order), line))
        self.outbox.push(priority, line)
        if priority is Priority.ALARM and self._socket is not None:
            self._flush(self._monotonic())  # before the next tick

    def on_decision(self, result: StepResult, now: datetime) -> None:
        """Decisions come as records."""

    def tick(self, now: datetime) -> None:
        """Send what the socket takes now; restart the process if it died."""
        now_s = self._monotonic()
        self._supervise(now_s, now)
        if self._socket is None:
            return
        if self._receive() and self._on_status is not None:
            self._on_status(self._child_status, now)
        self._flush(now_s)

    def stop(self) -> None:
        """End the child process; it is killed after 3 s."""
        self._disconnect()
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
        environment = {**os.environ, "TOMATO_FEED_FD": str(theirs.fileno())}
        # A session of its own: a Ctrl-C is for the host, which makes the outputs safe first and then ends this one.
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            pass_fds=(theirs.fileno(),),
            env=environment,
            start_new_session=True,
        )
        theirs.close()
        self._socket = ours
        self._queue_recent()
        self.requests.clear()
        if self.on_connect is not None:
            self.on_connect()

    def _queue_recent(self) -> None:
        """A new process gets the newest telemetry of each kind and the recent alarms and actions, in their order."""
        recent = [line for _, line in heapq.merge(*self._recent.values())]
        self._sending = bytearray(b"".join([*self._newest.values(), *recent]))
        again = {*self._newest.values(), *recent}
        self.outbox.discard(again.__contains__)
        self._received.clear()

    def _supervise(self, now_s: float, now: datetime) -> None:
        process = self._process
        if process is not None and process.poll() is not None:
            if self._on_exit is not None:
                self._on_exit(process.returncode, now)
            self._process = None
            self._disconnect()
            self._start_at_s = now_s + RESTART_DELAYS_S[min(self._failures, len(RESTART_DELAYS_S) - 1)]
            self._failures += 1
        elif process is None and now_s >= self._start_at_s:
            self.restarts += 1
            self._spawn()

    def _flush(self, now_s: float) -> None:
        assert self._socket is not None
        try:
            while self._sending or self._fill(now_s):
                sent = self._socket.send(self._sending[:CHUNK_BYTES])
                del self._sending[:sent]
        except BlockingIOError:
            pass  # what waits stays in the outbox, which drops telemetry first
        except OSError:
            self._disconnect()

    def _fill(self, now_s: float) -> bool:
        """Move the next lines into the send buffer; a status that is due goes first, or a flood of records hides it."""
        present = self._present()
        if now_s - self._status_sent_s >= STATUS_EVERY_S or present != self._status_sent:
            self._status_sent_s, self._status_sent = now_s, present
            self._update_health()
            self._sending += status_line(self._status)
        self._sending += b"".join(line for _, line in self.outbox.pop_batch(CHUNK_BYTES))
        return bool(self._sending)

    def _present(self) -> tuple[str, datetime | None]:
        estimate = self._status.estimate
        return self._status.mode, None if estimate is None else estimate.ts

    def _update_health(self) -> None:
        """The feed's own counts, as part of the status."""
        self._status.feeds[self._name] = {
            "dropped": self.outbox.dropped_counts(),
            "waiting_bytes": self.outbox.waiting_bytes,
            "restarts": self.restarts,
            **self._child_status,
        }

    def fileno(self) -> int:
        """The socket to wait on; -1 while there is none."""
        return -1 if self._socket is None else self._socket.fileno()

    def receive_requests(self) -> None:
        """Read what the process has sent, as far as there is room for it."""
        while self._socket is not None and len(self.requests) < MOST_REQUESTS and self._receive_some():
            pass

    def send_at_once(self, line: bytes) -> bool:
        """Send one line before everything that waits. False when the process does not read, or is gone."""
        if self._socket is None or len(self._sending) > MOST_UNSENT_BYTES:
            return False
        self._sending += line
        self._flush(self._monotonic())
        return True

    def _receive(self) -> bool:
        """The process may send its counts back, one JSON object a line; the newest one counts. True when one came."""
        before = self._child_status
        self._receive_some()
        return self._child_status is not before

    def _receive_some(self) -> bool:
        """One piece of what was sent: counts, and requests. False when nothing more is there."""
        assert self._socket is not None
        try:
            piece = self._socket.recv(RECEIVE_BYTES)
        except OSError:
            return False  # nothing sent, or the process is gone; sending finds out
        *lines, rest = bytes(self._received + piece).split(b"\n")
        self._received = bytearray(rest[-RECEIVE_BYTES:])
        for line in lines:
            self._add_line(line)
        return bool(piece)

    def _add_line(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        if isinstance(message.get("world"), dict):
            self.requests.append(message["world"])
        else:
            self._child_status = message

    def _disconnect(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._sending.clear()


def status_line(status: Status) -> bytes:
    """What no record holds: link, mode, running jobs, the next decision, counts."""
    tally = status.tally
    fields = {
        "now": status.now.isoformat(),
        "started_at": status.started_at.isoformat(),
        "link": status.link,
        "link_detail": status.link_detail,
        "port": status.port,
        "dashboard": status.dashboard,
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
        "live": live_values(status),
        "feeds": status.feeds,
        "records_wait": status.records_wait,
        "disk": status.disk,
        "world": status.world,
    }
    return b'{"status":' + json.dumps(fields).encode() + b"}\n"
