"""Turns accepted actions into bounded pulses on the board, renews long ones, and tells what really happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionType, ActionV1
from shared_schemas.records.action_v1 import OUTPUT_OF, Outcome, Status

RENEW_BEFORE_MS = 15_000
"""A long pulse is renewed this long before its end: six lease periods, so that one lost frame changes nothing."""
RETRY_MS = 30_000
"""A refused renewal is tried again at this pace while the action still wants it (a minimum pause passes)."""
MAX_REFUSALS = 5
"""After so many refusals in a row the board's word is final for this action."""


class Line(Protocol):
    """What the executor needs of the link."""

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        """Ask for one pulse (ms, or ml for the pump); returns the command id."""

    def stop(self, output: str, now_ms: int) -> int:
        """End the pulse of one output; returns the command id."""


class Answer(Protocol):
    """What the executor needs of a RESULT."""

    @property
    def cmd_id(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def delivered(self) -> float: ...


@dataclass(slots=True)
class Job:
    """One accepted action under way. Amounts are ms for relays and valves, ml for the pump."""

    action: ActionV1
    output: str
    end_ms: int
    """Holds: wanted until here. Doses: no meaning."""
    doses: list[int] = field(default_factory=list)
    open_cmds: set[int] = field(default_factory=set)
    all_cmds: list[int] = field(default_factory=list)
    pulse_end_ms: int = 0
    next_try_ms: int = 0
    delivered: float = 0.0
    refusals: int = 0
    stopping: bool = False
    last_reason: str = ""


def is_dose(output: str) -> bool:
    """Doses are given once in parts; holds are renewed until their end."""
    return OUTPUT_BY_NAME[output].dose_unit == "ml" or OUTPUT_BY_NAME[output].kind == "valve"


def split_doses(action: ActionV1, output: str) -> list[int]:
    """The board's pulses for a dose: as many as asked for, more when one would pass the board's limit."""
    row = OUTPUT_BY_NAME[output]
    total = action.params.ml if row.dose_unit == "ml" else (action.params.seconds or 0.0) * 1000.0
    amount = max(1, round(total or 0.0))
    parts = max(action.params.pulses or 1, -(-amount // row.max_dose))
    whole, rest = divmod(amount, parts)
    return [whole + (1 if index < rest else 0) for index in range(parts) if whole or index < rest]


class Executor:
    """At most one job an output; a newer action for the same output replaces the older one."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._jobs: dict[str, Job] = {}
        self._finished: list[ActionV1] = []

    @property
    def jobs(self) -> dict[str, Job]:
        """Jobs under way, by output."""
        return self._jobs

    def start(self, action: ActionV1, now_ms: int, now: datetime) -> None:
        """Take an accepted action. Its first pulse goes out at once; the outcome comes from `take_finished`."""
        if action.type is ActionType.NO_ACTION:
            return
        if action.type is ActionType.STOP_ALL:
            self.end_all("stop_all", now)
            self._finished.append(_with_outcome(action, "DONE", now))
            return
        output = OUTPUT_OF[action.type]
        self._replace(output, now)
        if action.params.state == "OFF":
            command = self._line.stop(output, now_ms)
            self._finished.append(_with_outcome(action, "DONE", now, cmd_ids=(command,)))
            return
        job = Job(action, output, now_ms + round((action.params.seconds or 0.0) * 1000.0))
        if is_dose(output):
            job.doses = split_doses(action, output)
        self._jobs[output] = job
        self._advance(job, now_ms)

    def tick(self, now_ms: int, now: datetime) -> None:
        """Renew what runs out, start the next part of a dose, end what is done. Called with every lease renewal."""
        for job in list(self._jobs.values()):
            self._advance(job, now_ms)
            self._settle(job, now_ms, now)

    def on_result(self, answer: Answer, now_ms: int, now: datetime) -> None:
        """Take the board's word on one command."""
        job = next((j for j in self._jobs.values() if answer.cmd_id in j.open_cmds), None)
        if job is None or answer.status == "ACCEPTED":
            if job is not None:
                job.refusals = 0
            return
        job.open_cmds.discard(answer.cmd_id)
        if answer.status == "REJECTED":
            self._refused(job, answer.reason, now_ms)
        else:
            job.delivered += answer.delivered
            if answer.status == "ABORTED":
                job.last_reason = answer.reason
                job.doses.clear()
        self._settle(job, now_ms, now)

    def on_link_lost(self, now: datetime) -> None:
        """The board drops everything at the end of the lease: doses end here, holds go on after a reconnect."""
        for job in list(self._jobs.values()):
            job.open_cmds.clear()
            job.pulse_end_ms = job.next_try_ms = 0
            if is_dose(job.output):
                self._finish(job, "ABORTED", "link lost", now)

    def end_all(self, reason: str, now: datetime) -> None:
        """Close every job as aborted; the caller has told the board."""
        for job in list(self._jobs.values()):
            self._finish(job, "ABORTED", reason, now)

    def take_finished(self) -> list[ActionV1]:
        """Actions with their outcome since the last call, in the order they ended."""
        finished, self._finished = self._finished, []
        return finished

    # -- inside ------------------------------------------------------------------------------------------------

    def _replace(self, output: str, now: datetime) -> None:
        older = self._jobs.get(output)
        if older is not None:
            self._finish(older, "DONE" if older.delivered or older.open_cmds else "ABORTED", "replaced", now)

    def _advance(self, job: Job, now_ms: int) -> None:
        if now_ms < job.next_try_ms or job.stopping:
            return
        if is_dose(job.output):
            if job.doses and not job.open_cmds:
                self._send(job, job.doses.pop(0), now_ms)
                job.next_try_ms = now_ms + OUTPUT_BY_NAME[job.output].min_off_ms
        elif job.pulse_end_ms - now_ms <= RENEW_BEFORE_MS and job.pulse_end_ms < job.end_ms:
            amount = min(OUTPUT_BY_NAME[job.output].max_on_ms, job.end_ms - now_ms)
            if amount > 0:
                self._send(job, amount, now_ms)
                job.pulse_end_ms = now_ms + amount

    def _send(self, job: Job, amount: int, now_ms: int) -> None:
        command = self._line.pulse(job.output, amount, now_ms)
        job.open_cmds.add(command)
        job.all_cmds.append(command)

    def _refused(self, job: Job, reason: str, now_ms: int) -> None:
        job.refusals += 1
        job.last_reason = reason
        job.next_try_ms = now_ms + RETRY_MS
        job.pulse_end_ms = 0
        if is_dose(job.output) or job.refusals >= MAX_REFUSALS:
            job.doses.clear()
            job.stopping = True

    def _settle(self, job: Job, now_ms: int, now: datetime) -> None:
        """Close a job whose last command has been answered and which wants nothing more."""
        if self._jobs.get(job.output) is not job or job.open_cmds:
            return
        if is_dose(job.output):
            if not job.doses:
                self._finish(job, _ending(job), job.last_reason, now)
        elif job.stopping or now_ms >= job.end_ms:
            self._finish(job, _ending(job), job.last_reason, now)

    def _finish(self, job: Job, status: Status, reason: str, now: datetime) -> None:
        del self._jobs[job.output]
        ml = job.delivered if OUTPUT_BY_NAME[job.output].dose_unit == "ml" else None
        seconds = None if ml is not None else job.delivered / 1000.0
        self._finished.append(
            _with_outcome(job.action, status, now, ml=ml, seconds=seconds, reason=reason, cmd_ids=tuple(job.all_cmds))
        )


def _ending(job: Job) -> Status:
    """DONE when something was delivered and nothing cut it short."""
    if job.delivered > 0.0:
        return "ABORTED" if job.last_reason else "DONE"
    return "REJECTED_BY_BOARD" if job.refusals else "ABORTED"


def _with_outcome(
    action: ActionV1,
    status: Status,
    now: datetime,
    *,
    ml: float | None = None,
    seconds: float | None = None,
    reason: str = "",
    cmd_ids: tuple[int, ...] = (),
) -> ActionV1:
    outcome = Outcome(
        status=status, delivered_ml=ml, delivered_s=seconds, reason=reason, cmd_ids=cmd_ids, finished_ts=now
    )
    return action.model_copy(update={"outcome": outcome})
