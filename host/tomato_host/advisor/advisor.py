"""The advisor as the deciding loop sees it: three calls that never wait, and records checked on receipt."""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from shared_schemas.records import EventV1, StateV1, VisionCvV1, VisionV1
from tomato_host.advisor.backends.process import LineProcess, python_module, scrubbed_environment
from tomato_host.advisor.cancel import StaleGuard
from tomato_host.advisor.context import WakeContext
from tomato_host.advisor.settings import AdvisorSettings
from tomato_host.world.cancel import CancelToken
from tomato_host.world.circuit_breaker import CircuitBreaker

AdvisorRecord = VisionV1 | VisionCvV1 | EventV1

ALLOWED: dict[str, type[VisionV1] | type[VisionCvV1] | type[EventV1]] = {
    "vision_v1": VisionV1,
    "vision_cv_v1": VisionCvV1,
    "event_v1": EventV1,
}
"""The only records that may come back. There is no way to write an action in any of them."""

KILL_AFTER_S = 0.3
"""A suspended process uses no processor; giving back its gigabytes does, so that waits until after the anomaly."""

LINES_PER_POLL = 8
RECORDS_PER_WAKE = 32


class LineRefused(Exception):
    """A line from the worker process that does not follow the protocol."""


@dataclass(frozen=True, slots=True)
class AdvisorStatus:
    """For dashboards: `state` is off, idle, working or resting."""

    state: str
    wake_id: str | None
    failures: int
    last_problem: str
    last_cancel: str | None


@dataclass(slots=True)
class _Wake:
    """The cycle under way."""

    context: WakeContext
    token: CancelToken
    guard: StaleGuard
    started_s: float
    process: LineProcess | None = None
    records: int = 0
    not_started: str | None = None


class Advisor:
    """Lives in the deciding loop's thread. `wake`, `observe`, `poll` and `cancel` return at once; the slow things
    (starting, writing, reaping) happen in one thread of its own, everything else in another process.

    `command` replaces the process behind the pipe; `clock` is monotonic seconds.
    """

    def __init__(
        self,
        settings: AdvisorSettings,
        data_dir: Path | None = None,
        *,
        command: Sequence[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._data_dir = data_dir
        self._command = list(command) if command else python_module("tomato_host.advisor.worker_process")
        self._clock = clock
        self._breaker = CircuitBreaker(
            settings.backoff_first_s, settings.backoff_most_s, settings.breaker_failures, settings.breaker_rest_s
        )
        self._current: _Wake | None = None
        self._idle_process: LineProcess | None = None
        self._events: deque[EventV1] = deque()
        self._problem = ""
        self._last_cancel: str | None = None
        self._tasks: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._reapers: list[threading.Thread] = []
        if settings.enabled:
            self._thread = threading.Thread(target=self._run_tasks, name="advisor", daemon=True)
            self._thread.start()

    def wake(self, context: WakeContext, use_model: bool = True) -> bool:
        """Start a cycle. False when off or still busy. With an open circuit the cycle runs without the model."""
        if self._thread is None or self._current is not None:
            return False
        guard = StaleGuard(self._settings.stale, context.state)
        current = _Wake(context, CancelToken(), guard, self._clock(), self._idle_process)
        self._current = current
        by = "model" if use_model and self._breaker.allows(current.started_s) else "template"
        self._tasks.put(lambda: self._start(current, f"{by} {context.to_json()}"))
        return True

    def observe(self, state: StateV1) -> None:
        """Compare a newer state; a cycle about an outdated one is cancelled, debounced."""
        if self._current is not None:
            reason = self._current.guard.check(state)
            if reason is not None:
                self.cancel(reason, state.ts)

    def cancel(self, reason: str, ts: datetime | None = None) -> bool:
        """Drop the answer and suspend the whole process group at once. False when nothing was running."""
        current = self._current
        if current is None or not current.token.cancel(reason):
            return False
        self._drop(current)
        self._last_cancel = reason
        self._add_event(current, "advice_cancelled", f"Cancelled: {reason}", ts)
        return True

    def poll(self, lines: int = LINES_PER_POLL) -> list[AdvisorRecord]:
        """Finished records of the cycle under way, at most `lines` of them; the rest comes with the next call."""
        records: list[AdvisorRecord] = []
        while self._events and len(records) < lines:
            records.append(self._events.popleft())
        current = self._current
        if current is None:
            return records
        process = current.process
        late = self._clock() - current.started_s > self._settings.wake_deadline_s
        if late or current.not_started:
            self._fail(current, current.not_started or f"no end after {self._settings.wake_deadline_s:.0f} s")
        if late or process is None:
            return records
        for _ in range(lines):
            line = process.read_line()
            if line is None:
                break
            try:
                record = self._read(current, line)
            except LineRefused as fault:
                self._fail(current, str(fault))
                return records
            if record is not None:
                records.append(record)
            if self._current is None:
                return records
        if process.fault is not None or process.ended:
            self._fail(current, process.fault or "the advisor's process ended")
        return records

    def status(self) -> AdvisorStatus:
        """How it stands."""
        state = "off" if self._thread is None else "working" if self._current else "idle"
        if state == "idle" and not self._breaker.allows(self._clock()):
            state = "resting"
        wake_id = self._current.context.wake_id if self._current else None
        return AdvisorStatus(state, wake_id, self._breaker.failures, self._problem, self._last_cancel)

    @property
    def process_group(self) -> int | None:
        """The group that a cancellation stops, while there is one; for measuring from outside."""
        process = self._current.process if self._current else None
        return process.pid if process else None

    def close(self) -> None:
        """End everything; waits for the processes to be gone."""
        if self._thread is None:
            return
        process = self._current.process if self._current else self._idle_process
        if self._current is not None:
            self._current.token.cancel("closing")
        self._current = self._idle_process = None
        if process is not None:
            process.kill()
        self._tasks.put(None)
        for thread in (self._thread, *self._reapers):
            thread.join(10.0)
        self._thread = None

    # -- the deciding loop's thread ------------------------------------------------------------------------------

    def _read(self, current: _Wake, line: bytes) -> AdvisorRecord | None:
        kind, _, rest = line.partition(b" ")
        wake_id, _, body = rest.partition(b" ")
        if wake_id.decode(errors="replace") != current.context.wake_id:
            raise LineRefused("a line about another cycle")
        if kind == b"done":
            self._finish(current, body.decode(errors="replace")[:300])
            return None
        current.records += 1
        if kind != b"record" or current.records > RECORDS_PER_WAKE:
            raise LineRefused("a line that is no record, or too many of them")
        return checked_record(body)

    def _finish(self, current: _Wake, problem: str) -> None:
        self._problem = problem
        if problem:
            self._breaker.record_failure(self._clock())
        elif self._breaker.allows(current.started_s):
            self._breaker.record_success()
        self._current = None
        if self._settings.keep_loaded:
            self._idle_process = current.process
        elif current.process is not None:
            # Two hours of idling are not worth the memory; a new process costs half a second.
            self._kill_later(current.process, 0.0)

    def _fail(self, current: _Wake, why: str) -> None:
        current.token.cancel(why)
        self._problem = why
        self._breaker.record_failure(self._clock())
        self._drop(current)
        self._add_event(current, "advisor_failed", f"The advisor failed and was ended: {why}", None)

    def _drop(self, current: _Wake) -> None:
        self._current = None
        self._idle_process = None
        process = current.process
        if process is not None:
            process.suspend()
            # Not a task: that thread may be stuck writing to the very process that was just suspended.
            self._kill_later(process, KILL_AFTER_S)

    def _kill_later(self, process: LineProcess, after_s: float) -> None:
        self._reapers = [thread for thread in self._reapers if thread.is_alive()]
        thread = threading.Thread(target=_kill, args=(process, after_s), name="advisor-reaper", daemon=True)
        self._reapers.append(thread)
        thread.start()

    def _add_event(self, current: _Wake, name: str, text: str, ts: datetime | None) -> None:
        self._events.append(
            EventV1(
                schema_version="event_v1",
                ts=ts or current.context.ts,
                level="INFO" if name == "advice_cancelled" else "WARNING",
                kind="agent",
                name=name,
                text=text[:3_900],
                data={"wake_id": current.context.wake_id},
            )
        )

    # -- the tasks' thread --------------------------------------------------------------------------------------

    def _run_tasks(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()

    def _start(self, current: _Wake, line: str) -> None:
        """Give the cycle a process and its question, unless it was cancelled before it began."""
        process = current.process
        try:
            if process is None or process.ended or process.fault is not None:
                process = LineProcess(self._command, env=self._environment(), own_group=True)
                process.send(self._first_line())
        except OSError as fault:
            current.not_started = f"the process would not start: {fault}"
            return
        current.process = process
        if current.token.is_cancelled:
            process.kill()
            return
        process.send(line)

    def _environment(self) -> dict[str, str]:
        """The endpoint's key, and no other secret, goes to the worker process; the model worker gets not even that."""
        name = self._settings.endpoint_key_env
        wanted = self._settings.backend == "http" and name in os.environ
        return scrubbed_environment({name: os.environ[name]} if wanted else {})

    def _first_line(self) -> str:
        data_dir = str(self._data_dir) if self._data_dir else None
        return json.dumps({"settings": json.loads(self._settings.model_dump_json()), "data_dir": data_dir})


def checked_record(body: bytes) -> AdvisorRecord:
    """One record of an allowed kind; an event must be of kind agent and below ALARM."""
    for version, kind in ALLOWED.items():
        if b'"schema_version":"' + version.encode() + b'"' in body[:80]:
            try:
                record = kind.from_json(body)
            except ValueError as fault:
                raise LineRefused(f"a {version} that does not hold") from fault
            if isinstance(record, EventV1) and (record.kind != "agent" or record.level == "ALARM"):
                raise LineRefused("an event that is not the advisor's to raise")
            return record
    raise LineRefused("a record that the advisor may not write")


def _kill(process: LineProcess, after_s: float) -> None:
    time.sleep(after_s)
    process.kill()
