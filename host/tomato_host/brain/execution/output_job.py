"""An accepted action under way: its segments of time, what was delivered of it, and how it ends. Pure data.

`executor.py` has the states of a job and the reasons behind them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared_schemas.devices import Output
from shared_schemas.records import ActionV1
from shared_schemas.records.action_v1 import Status

DUTY_SLOT_MS = 900_000
"""A duty is spread in slots of a quarter of an hour: short for air and roots, long for a relay. An action may ask for
fewer strokes (`params.pulses`), and for more only where the board's longest pulses need them, because switching wears a
relay."""
EXPIRED = "not_after has passed"
LINK_LOST, RESET = "link lost", "reset"
"""Reasons of an action that ended because the board could not be reached, or because it started anew."""
UNKNOWN_AMOUNT = ", the board cannot say how much came"
"""After the reason, when no report of the board says what was delivered."""
FULL_DUTY = 0.95
"""Above this share a duty is simply on."""


@dataclass(slots=True)
class Segment:
    """A stretch of an action: from `start_ms` on, `left` ms or ml to give."""

    start_ms: int
    left: int


@dataclass(slots=True)
class OutputJob:
    """One accepted action under way. Amounts are ms for relays and valves, ml for the pump."""

    action: ActionV1
    row: Output
    segments: list[Segment]
    stroke: int
    """How much each of a duty's strokes has, in ms; 0: it has no strokes that come back."""
    open_cmds: dict[int, int] = field(default_factory=dict)
    """Commands not answered for good, and what was drawn for each."""
    all_cmds: list[int] = field(default_factory=list)
    patience_ms: int | None = None
    """How long after it is due a pulse may begin; None: as long as it takes."""
    due_ms: int = 0
    """From when on the next pulse could begin, if nothing refused it."""
    begun: bool = False
    """A pulse of it was accepted."""
    pulse_end_ms: int = 0
    next_try_ms: int = 0
    delivered: float = 0.0
    refusals: int = 0
    reason: str = ""
    cut: bool = False
    """Something ended it before its time."""
    unknown: bool = False
    """A pulse of it was under way when the link was lost."""

    @property
    def milli(self) -> float:
        """Board units in one unit of the guardrails: 1000 ms in a second, 1 ml in a ml."""
        return 1.0 if self.row.dose_unit == "ml" else 1000.0

    @property
    def end_ms(self) -> int:
        """When the last segment's on-time is over if all goes well; 0 when nothing is left."""
        return self.segments[-1].start_ms + self.segments[-1].left if self.segments else 0


@dataclass(frozen=True, slots=True)
class UnconfirmedDose:
    """A dose that was under way when the line was lost: the board may tell its end when it is back. In s or ml."""

    action: ActionV1
    delivered: float
    """By its confirmed pulses."""
    reason: str


def plan_segments(action: ActionV1, row: Output, now_ms: int) -> list[Segment]:
    """Lay the action out in time: at once, in pulses, or spread evenly over `params.period_s`."""
    params = action.params
    total = round(params.ml or 0.0) if row.dose_unit == "ml" else round((params.seconds or 0.0) * 1000.0)
    period_ms = round((params.period_s or 0.0) * 1000.0)
    if row.dose_unit == "ml":
        parts, gap_ms = max(params.pulses or 1, -(-total // row.max_dose)), row.min_off_ms
    elif period_ms and total < FULL_DUTY * period_ms:
        slots = max(1, round(period_ms / DUTY_SLOT_MS))
        parts, gap_ms = min(params.pulses or slots, max(slots, -(-total // row.max_on_ms))), 0
    else:
        return [Segment(now_ms, total)] if total else []
    step_ms = period_ms // parts if period_ms else gap_ms
    whole, rest = divmod(total, parts)
    amounts = [whole + (1 if index < rest else 0) for index in range(parts)]
    return [Segment(now_ms + index * step_ms, amount) for index, amount in enumerate(amounts) if amount]


def stroke_step_ms(segments: list[Segment]) -> int:
    """From the beginning of a stroke to that of the next one; 0 for one stroke."""
    return segments[1].start_ms - segments[0].start_ms if len(segments) > 1 else 0


@dataclass(frozen=True, slots=True)
class LastStroke:
    """The newest stroke of a duty: when it was due, and how much of it has been given if it is not over."""

    began_ms: int
    given_ms: int | None = None
    """None: it is over."""


def last_stroke(job: OutputJob, now_ms: int) -> LastStroke | None:
    """The stroke of this duty that is not over; None between two strokes."""
    if not job.segments or job.segments[0].start_ms > now_ms:
        return None
    began_ms, left = job.segments[0].start_ms, job.segments[0].left
    return LastStroke(began_ms, now_ms - began_ms if job.row.renewable else job.stroke - left)


def continued(segments: list[Segment], last: LastStroke | None, row: Output, now_ms: int) -> list[Segment]:
    """The strokes of a duty that follows another one: as if it had been in force before.

    Decisions may come oftener than strokes (every half hour in a heat wave). If each began with a stroke, a third of
    the time on would become half. So the first one is due a step after the `last` one of the duty before, and one that
    is not over goes on for what the new ones have more. None: no duty was in force before. The first stroke of an
    output that is held by renewals may lie in the past in part, as any that is under way.
    """
    step_ms = stroke_step_ms(segments)
    if last is None or not step_ms:
        return segments
    since_ms = now_ms - last.began_ms
    if last.given_ms is None or since_ms >= step_ms:
        wait_ms = max(0, step_ms - since_ms)
        return [Segment(one.start_ms + wait_ms, one.left) for one in segments]
    begun, *later = [Segment(one.start_ms - since_ms, one.left) for one in segments]
    if begun.left <= last.given_ms:
        return later
    return [begun if row.renewable else Segment(begun.start_ms, begun.left - last.given_ms), *later]


def is_late(job: OutputJob, now_ms: int) -> bool:
    """Whether the next pulse may not begin any more: its `not_after` has passed."""
    if job.patience_ms is None or (job.begun and job.row.kind == "relay"):
        return False
    return now_ms > max(job.due_ms, job.segments[0].start_ms) + job.patience_ms


def final_status(job: OutputJob) -> Status:
    """DONE when it ran to its end, or gave way to its successor; ABORTED when cut; the board's no when nothing came."""
    if job.delivered <= 0.0 and job.reason == EXPIRED:
        return "EXPIRED"
    if job.delivered <= 0.0 and job.refusals:
        return "REJECTED_BY_BOARD"
    if job.reason == "replaced" and job.delivered > 0.0:
        return "DONE"
    return "ABORTED" if job.cut else "DONE"
