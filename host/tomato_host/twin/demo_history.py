"""Days of a tent's life as records, made in seconds: the episode's walk on the firmware's core under CPython.

It is what a host records on a board, without the line: the same brain, executor, ledger movements and order of records,
so `dataset verify` and `replay --check` hold on it as on any other recording. An observation every minute instead of
every ten seconds keeps two weeks small enough to be made while somebody waits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared_schemas.records import EventV1, Record
from tomato_host.brain.guardrails.guardrails import Guardrails
from tomato_host.brain.step_data import BrainSettings
from tomato_host.loop.recorded_ledger import RecordedLedger
from tomato_host.loop.recorder import Recorder, Store
from tomato_host.loop.status import Status
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.simulated_tent import SimulatedTent

PERIOD_S = 60.0
STATE_EVERY = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """What to make: `days` (whole or not) from `start` (aware) on, for one seed of the tent."""

    start: datetime
    days: float = 14.0
    seed: int = 7
    scenario: str | None = None


class _TentClock:
    """The tent's time as a Clock for what only asks for it."""

    def __init__(self, tent: SimulatedTent) -> None:
        self._tent = tent

    def now(self) -> datetime:
        """Wall time in the tent."""
        return self._tent.now

    def monotonic_ms(self) -> int:
        """Milliseconds since its start."""
        return self._tent.now_ms

    def wait_until_ms(self, deadline_ms: int, wake: object | None = None) -> None:
        """Raises RuntimeError: here the walk moves the time, and nobody waits."""
        raise RuntimeError("nobody waits for a tent without a line")


def make_history(
    plan: DemoPlan, store: Store, settings: BrainSettings, on_progress: Callable[[float], None] = lambda share: None
) -> datetime:
    """Record the days into `store`; returns the moment after the last. `on_progress` is told the share done, 0 to 1.

    Raises TomatoError for an unknown scenario, or without the firmware's files.
    """
    tent = SimulatedTent(plan.seed, None, plan.scenario, plan.start, PERIOD_S, timezone=settings.site.timezone)
    clock = _TentClock(tent)
    recorder = Recorder(store, Status(started_at=tent.now, now=tent.now))

    def recorded(guardrails: Guardrails) -> RecordedLedger:
        return RecordedLedger(guardrails, recorder, clock.now)

    run = TentRun(tent, settings, sink=recorder, ledger_of=recorded)
    answers = run.brain.resume((), (), tent.now)
    recorder.record(_event(tent.now, "process", "started", "Simulated days begin.", resumed=0, answers=answers))
    recorder.record(_event(tent.now, "link", "link_up", "The firmware's core runs in this process."))
    end = plan.start + timedelta(days=plan.days)
    _walk(run, end, lambda now: on_progress((now - plan.start) / (end - plan.start)))
    run.close()
    recorder.record(_event(tent.now, "process", "stopped", "Simulated days end."))
    return tent.now


def _walk(run: TentRun, end: datetime, on_progress: Callable[[datetime], None]) -> None:
    stated = run.tent.now
    while run.tent.now < end and run.step() is not None:
        if run.tent.now - stated >= STATE_EVERY:
            stated = run.tent.now
            run.record_state("cadence")
            on_progress(stated)


def _event(now: datetime, kind: str, name: str, text: str, **data: int) -> Record:
    said = {"level": "INFO", "kind": kind, "name": name, "text": text, "data": data}
    return EventV1.model_validate({"schema_version": "event_v1", "ts": now, **said})
