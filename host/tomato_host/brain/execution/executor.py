"""Turns accepted actions into bounded pulses on the board, renews long ones, and records what was really delivered.

No ON command exists on the wire: the board takes pulses with an end. The executor is the pure state machine between an
accepted `ActionV1` and these pulses; it has no thread, no clock and no socket. Calls bring the time in, `PulseLine`
calls go out, outcomes are popped by the caller.

An action becomes an `OutputJob` made of segments (`plan_segments`):

- *at once*: one segment over the whole span (light for two hours). The output is renewable, so it is held by pulses
  that are prolonged RENEW_BEFORE_MS before they end; a lost frame changes nothing, a lost host ends it by itself.
- *dose*: pulses with the board's minimum pause between them (150 ml in two pulses: 2 x 75 ml).
- *duty*: short on-times spread evenly over a period in slots of DUTY_SLOT_MS (20 % exhaust over two hours). Who says in
  how many strokes (`params.pulses`) has planned with the share of time: such a duty goes on in the rhythm of the one
  before (`continued`). Who leaves it open regulates by what is seen, and begins with a stroke.

States of a job, all derived from its fields:

    waiting --slot due, allocation granted--> pulse open --DONE--> waiting | finished
       ^                                         |--REJECTED, transient--> waiting (retry later)
       |                                         |--REJECTED, final (dose) or MAX_REFUSALS--> finished
       +-----------------------------------------+--ABORTED--> relay: waiting, dose: finished
    any --replaced, preempted, switched off--> closing --last open command answered--> finished
    any --link lost--> what is open counts as delivered; renewable: waiting, others: ended, an open pulse unconfirmed

At most one job an output; a newer action replaces the older one, which stays in `closing` until the board has answered
its last command, so that its outcome tells what it really delivered. Every pulse is allocated in the guardrails' ledger
before it is sent and settled (or refunded) with its RESULT: the executor owns no budget.

`not_after` is looked at before every try, for a refused pulse is tried again and a busy output waited for. Once it has
passed, an action that has not begun never begins (EXPIRED). A dose of several pulses that began in time goes on, but
each of its pulses must begin as soon after it is due as the first had to: nobody expects a late pulse any more. A relay
that has begun is held by renewals, which are no tries. The time left is taken at the start and counted on the monotonic
clock, so that a wall clock that is set makes nothing late and nothing early.

A dose is never repeated blindly: after ABORTED or a lost link the amount of water is unknown, so the rest is given up
and the ledger counts the pulse in full. Relays may try again after a refusal or an abort, their cause may pass.

An outcome is DONE (ran to its end, or gave way to its successor after delivering), ABORTED (cut short), EXPIRED (its
time passed before it began), REJECTED_BY_BOARD (nothing came, the board refused). A dose whose last pulse was never
confirmed has no known amount: `pop_unconfirmed` gives it to the caller, who waits for what the board may still report.

Rejected: one timer per output (the order of events would depend on the scheduler, and no replay could repeat it), and
sending the whole schedule to the board (then the board would need a plan language, and a killed host could not be told
from a slow one).
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared_schemas.devices import OUTPUT_BY_NAME
from shared_schemas.records import ActionType, ActionV1
from shared_schemas.records.action_v1 import OUTPUT_OF, Outcome, Status
from tomato_host.brain.execution.output_job import (
    EXPIRED,
    LINK_LOST,
    LastStroke,
    OutputJob,
    Segment,
    UnconfirmedDose,
    continued,
    final_status,
    is_late,
    last_stroke,
    plan_segments,
    stroke_step_ms,
)

RENEW_BEFORE_MS = 15_000
"""A long pulse is renewed this long before its end: six lease periods, so that one lost frame changes nothing."""
RETRY_MS = 30_000
"""A refused pulse is tried again at this pace while its action still wants it (a minimum pause passes)."""
MAX_REFUSALS = 5
"""After so many refusals in a row the action is given up."""
PASSES_SOON = frozenset({"saving", "no_lease"})
"""The board writes its budget to flash, or waits for the lease: a matter of a second or two."""
RETRY_SOON_MS = 2_000
TRANSIENT_REFUSALS = PASSES_SOON | {"min_pause", "busy", "group_excluded"}
"""Refusals that are no judgement on the action, only on the moment."""
NEVER_MS = 1 << 62


class PulseLine(Protocol):
    """What the executor needs of the link."""

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        """Ask for one pulse (ms, or ml for the pump); returns the command id."""

    def stop(self, output: str, now_ms: int) -> int:
        """End the pulse of one output; returns the command id."""

    def stop_all(self, now_ms: int) -> int:
        """End the pulses of all outputs with one command; returns its id."""


class BudgetLedger(Protocol):
    """The second phase of the guardrails: amounts in s or ml."""

    def allocate(self, action: ActionV1, amount: float, now: datetime) -> float:
        """How much of `amount` one pulse may take now; 0.0 means: not now."""

    def settle(self, action: ActionV1, drawn: float, delivered: float, now: datetime) -> None:
        """What a pulse that was drawn has really delivered."""

    def refund(self, action: ActionV1, drawn: float) -> None:
        """A pulse that was drawn and never began."""

    def release(self, action: ActionV1) -> None:
        """The action is over; what it did not draw is free again."""


class CommandResult(Protocol):
    """What the executor needs of a RESULT; `delivered` is ms or ml."""

    @property
    def cmd_id(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def delivered(self) -> float: ...


class Executor:
    """At most one job an output; a newer action for the same output replaces the older one."""

    def __init__(self, line: PulseLine, guardrails: BudgetLedger) -> None:
        self._line = line
        self._guardrails = guardrails
        self._jobs: dict[str, OutputJob] = {}
        self._closing: list[OutputJob] = []
        self._finished: list[ActionV1] = []
        self._unconfirmed: list[UnconfirmedDose] = []
        self._stroke_began_ms: dict[str, int] = {}
        """By output: when the last stroke that is over was due, of the duty that was in force last."""

    @property
    def jobs(self) -> dict[str, OutputJob]:
        """Jobs under way, by output."""
        return self._jobs

    def start(self, action: ActionV1, preempts: tuple[str, ...], now_ms: int, now: datetime) -> None:
        """Take an accepted action; `preempts` are outputs that must stop for it. Outcomes come from `pop_finished`."""
        if action.type is ActionType.NO_ACTION:
            return
        if action.type is ActionType.STOP_ALL:
            self.stop_all("stop_all", now_ms, now)
            self._line.stop_all(now_ms)
            self._finished.append(_with_outcome(action, "DONE", now))
            return
        output = OUTPUT_OF[action.type]
        for other in preempts:
            if other != output:
                self._end(other, "preempted", now_ms, stop=True)
        if action.params.state == "OFF":
            self._end(output, "replaced", now_ms, stop=True)
            self._finished.append(_with_outcome(action, "DONE", now))
            self._guardrails.release(action)
            return
        row, last = OUTPUT_BY_NAME[output], self._last_stroke(output, now_ms) if action.params.pulses else None
        planned = plan_segments(action, row, now_ms)
        segments = continued(planned, last, row, now_ms)
        # A stroke that is under way, and longer than the new ones, is over now.
        rests = last is not None and last.given_ms is not None and segments != [] and segments[0].start_ms > now_ms
        self._end(output, "replaced", now_ms, stop=rests and row.renewable)
        stroke = planned[0].left if stroke_step_ms(planned) else 0
        if last is None or not stroke:
            self._stroke_began_ms.pop(output, None)
        elif rests:
            self._stroke_began_ms[output] = last.began_ms
        patience_ms = None if action.not_after is None else round((action.not_after - now).total_seconds() * 1000.0)
        self._jobs[output] = OutputJob(action, row, segments, patience_ms=patience_ms, due_ms=now_ms, stroke=stroke)
        self.tick(now_ms, now)

    def tick(self, now_ms: int, now: datetime) -> None:
        """Renew what runs out, start what is due, close what is done. Called with every lease renewal."""
        for job in list(self._jobs.values()):
            self._advance(job, now_ms, now)
            if not job.segments and not job.open_cmds:
                del self._jobs[job.row.name]
                self._finish(job, now)

    def next_due_ms(self) -> int:
        """The first moment at which `tick` has something to do, if no result comes before; NEVER_MS for none."""
        return min((self._job_due_ms(job) for job in self._jobs.values()), default=NEVER_MS)

    def on_result(self, result: CommandResult, now_ms: int, now: datetime) -> str | None:
        """Process the board's result of one command; returns the output it was about, None for other commands."""
        job = next((j for j in (*self._jobs.values(), *self._closing) if result.cmd_id in j.open_cmds), None)
        if job is None:
            return None
        if result.status == "ACCEPTED":
            job.refusals, job.begun = 0, True
            return job.row.name
        drawn = job.open_cmds.pop(result.cmd_id)
        if result.status == "REJECTED":
            self._guardrails.refund(job.action, drawn / job.milli)
            if not job.row.renewable and job.segments:
                job.segments[0].left += drawn
            self._refused(job, result.reason, now_ms)
        else:
            job.begun = True
            job.delivered += result.delivered
            self._guardrails.settle(job.action, drawn / job.milli, result.delivered / job.milli, now)
            if result.status == "ABORTED":
                self._aborted(job, result.reason, now_ms)
            elif not job.row.renewable:
                job.due_ms = job.next_try_ms = now_ms + job.row.min_off_ms
        self._finish_closing(now)
        self.tick(now_ms, now)
        return job.row.name

    def on_link_lost(self, now_ms: int, now: datetime, reason: str = LINK_LOST) -> None:
        """The board drops everything when the lease ends: doses end here, holds go on after a reconnect.

        What was under way counts as delivered in full: the ledger may err on the dry side only.
        """
        for job in (*self._jobs.values(), *self._closing):
            job.unknown = job.unknown or bool(job.open_cmds)
            for drawn in job.open_cmds.values():
                self._guardrails.settle(job.action, drawn / job.milli, drawn / job.milli, now)
            job.open_cmds.clear()
            job.next_try_ms = now_ms
        for output in [name for name, job in self._jobs.items() if not job.row.renewable]:
            self._end(output, reason, now_ms, stop=False)
        for job in [old for old in self._closing if old.unknown and not old.row.renewable]:
            self._closing.remove(job)
            self._guardrails.release(job.action)
            self._unconfirmed.append(UnconfirmedDose(job.action, job.delivered / job.milli, job.reason))
        self._finish_closing(now)

    def switch_off(self, outputs: tuple[str, ...], reason: str, now_ms: int, now: datetime) -> None:
        """End the jobs of these outputs and stop them on the board."""
        for output in outputs:
            if output in self._jobs:
                self._end(output, reason, now_ms, stop=True)
        self._finish_closing(now)

    def stop_all(self, reason: str, now_ms: int, now: datetime) -> None:
        """End every job; the caller tells the board with STOP_ALL, whose results close them."""
        for output in list(self._jobs):
            self._end(output, reason, now_ms, stop=False)
        self._finish_closing(now)

    def abandon(self, reason: str, now: datetime) -> None:
        """Close every job now, answered or not: the process ends."""
        for job in (*self._jobs.values(), *self._closing):
            job.reason, job.cut, job.unknown = job.reason or reason, True, job.unknown or bool(job.open_cmds)
            for drawn in job.open_cmds.values():
                self._guardrails.settle(job.action, drawn / job.milli, drawn / job.milli, now)
            self._finish(job, now)
        self._jobs.clear()
        self._closing.clear()

    def pop_unconfirmed(self) -> list[UnconfirmedDose]:
        """Doses since the last call that were lost sight of; they count in the ledger, and have no outcome yet."""
        unconfirmed, self._unconfirmed = self._unconfirmed, []
        return unconfirmed

    def pop_finished(self) -> list[ActionV1]:
        """Actions with their outcome since the last call, in the order they ended."""
        finished, self._finished = self._finished, []
        return finished

    # -- inside ------------------------------------------------------------------------------------------------

    def _last_stroke(self, output: str, now_ms: int) -> LastStroke | None:
        """Where the duty stands that is in force or was until now; None where the output was held, or stopped."""
        job = self._jobs.get(output)
        if job is not None and not job.stroke:
            return None
        under_way = last_stroke(job, now_ms) if job is not None else None
        if under_way is not None:
            return under_way
        began_ms = self._stroke_began_ms.get(output)
        return None if began_ms is None else LastStroke(began_ms)

    def _end(self, output: str, reason: str, now_ms: int, *, stop: bool) -> None:
        """Take the job of an output out of work; it is closed when its last command is answered."""
        job = self._jobs.pop(output, None)
        if job is not None:
            job.segments.clear()
            job.reason, job.cut = job.reason or reason, True
            self._closing.append(job)
        if stop:
            self._stroke_began_ms.pop(output, None)
            self._line.stop(output, now_ms)

    def _advance(self, job: OutputJob, now_ms: int, now: datetime) -> None:
        while job.segments and self._is_over(job, job.segments[0], now_ms):
            over = job.segments.pop(0)
            if job.stroke:
                self._stroke_began_ms[job.row.name] = over.start_ms
        if not job.segments or now_ms < max(job.next_try_ms, job.segments[0].start_ms):
            return
        if is_late(job, now_ms):
            job.reason, job.cut = EXPIRED, True
            job.segments.clear()
        elif job.row.renewable:
            self._hold(job, job.segments[0], now_ms, now)
        elif not self._busy(job):
            self._dose(job, job.segments[0], now_ms, now)

    @staticmethod
    def _is_over(job: OutputJob, segment: Segment, now_ms: int) -> bool:
        if job.row.renewable:
            return now_ms >= segment.start_ms + segment.left
        return segment.left <= 0 and not job.open_cmds

    def _job_due_ms(self, job: OutputJob) -> int:
        """When `_advance` changes something about this job."""
        if not job.segments:
            return NEVER_MS if job.open_cmds else 0
        segment = job.segments[0]
        try_ms = max(job.next_try_ms, segment.start_ms)
        if not job.row.renewable:
            if segment.left <= 0:
                return NEVER_MS if job.open_cmds else 0
            return NEVER_MS if self._busy(job) else try_ms
        end_ms = segment.start_ms + segment.left
        if job.open_cmds and job.pulse_end_ms >= end_ms:
            return end_ms
        renew_ms = job.pulse_end_ms - RENEW_BEFORE_MS if job.open_cmds else try_ms
        return min(end_ms, max(try_ms, renew_ms))

    def _busy(self, job: OutputJob) -> bool:
        """A pulse of this output is still under way, be it of an older action."""
        return bool(job.open_cmds) or any(old.open_cmds for old in self._closing if old.row is job.row)

    def _hold(self, job: OutputJob, segment: Segment, now_ms: int, now: datetime) -> None:
        """Keep a renewable output on until the segment's end; only the extension is drawn."""
        end_ms = segment.start_ms + segment.left
        running = max(0, job.pulse_end_ms - now_ms) if job.open_cmds else 0
        if running > RENEW_BEFORE_MS or now_ms + running >= end_ms:
            return
        more = min(job.row.max_on_ms, end_ms - now_ms) - running
        drawn = round(self._guardrails.allocate(job.action, more / 1000.0, now) * 1000.0)
        if drawn <= 0:
            self._refused(job, "budget", now_ms)
            return
        job.pulse_end_ms = now_ms + running + drawn
        self._send(job, running + drawn, drawn, now_ms)

    def _dose(self, job: OutputJob, segment: Segment, now_ms: int, now: datetime) -> None:
        """Give the next part of a dose, as large as the board and the guardrails allow."""
        most = job.row.max_dose if job.row.dose_unit == "ml" else job.row.max_on_ms
        drawn = int(self._guardrails.allocate(job.action, min(most, segment.left) / job.milli, now) * job.milli)
        if drawn <= 0:
            self._refused(job, "budget", now_ms)
            return
        segment.left -= drawn
        self._send(job, drawn, drawn, now_ms)

    def _send(self, job: OutputJob, amount: int, drawn: int, now_ms: int) -> None:
        command = self._line.pulse(job.row.name, amount, now_ms)
        job.open_cmds[command] = drawn
        job.all_cmds.append(command)

    def _refused(self, job: OutputJob, reason: str, now_ms: int) -> None:
        """A pulse did not begin. What passes by itself is waited for; a dose takes any other no as final."""
        job.refusals += 1
        job.next_try_ms = now_ms + (RETRY_SOON_MS if reason in PASSES_SOON else RETRY_MS)
        job.pulse_end_ms = 0
        if (job.row.kind != "relay" and reason not in TRANSIENT_REFUSALS) or job.refusals >= MAX_REFUSALS:
            job.reason, job.cut = reason, True
            job.segments.clear()

    def _aborted(self, job: OutputJob, reason: str, now_ms: int) -> None:
        """The board cut a pulse short. A hold may try again (its cause may pass); a dose is not repeated blindly."""
        job.reason = job.reason or reason
        job.cut = True
        job.pulse_end_ms = 0
        job.next_try_ms = now_ms + RETRY_MS
        if job.row.kind != "relay":
            job.segments.clear()

    def _finish_closing(self, now: datetime) -> None:
        for job in [old for old in self._closing if not old.open_cmds]:
            self._closing.remove(job)
            self._finish(job, now)

    def _finish(self, job: OutputJob, now: datetime) -> None:
        """A dose whose last pulse was never confirmed has no known amount: the record then holds None, not 0."""
        self._guardrails.release(job.action)
        known = not job.unknown or job.row.renewable
        ml = job.delivered if job.row.dose_unit == "ml" and known else None
        seconds = job.delivered / 1000.0 if job.row.dose_unit != "ml" and known else None
        self._finished.append(
            _with_outcome(
                job.action,
                final_status(job),
                now,
                ml=ml,
                seconds=seconds,
                reason=job.reason,
                cmd_ids=tuple(job.all_cmds),
            )
        )


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
