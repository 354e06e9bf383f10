"""Replay: recorded observations through the current brain, with an actuator that moves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared_schemas.records import (
    ActionV1,
    AnomalyV1,
    ObservationV1,
    PlanV1,
    Record,
    StateV1,
)
from tomato_host.brain.brain import Brain
from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict
from tomato_host.brain.step_data import RuntimeContext
from tomato_host.loop.episode import Episode
from tomato_host.loop.recorder import Recorder, Store
from tomato_host.loop.status import Status
from tomato_host.sources.interface import ChangedDevices, Source


@dataclass(slots=True)
class ReplayResult:
    """Counts of what was read and written."""

    observations: int = 0
    late: int = 0
    states: int = 0
    anomalies: int = 0
    decisions: int = 0
    actions: int = 0
    refused: int = 0
    first_ts: datetime | None = None
    last_ts: datetime | None = None
    lacking: tuple[str, ...] = ()
    missing: dict[str, int] = field(default_factory=dict)
    """Observations without a value, per quantity that the source does measure."""


class NullActuator:
    """The actuator of a replay: nothing moves, and what the guardrails reserve is released at once."""

    def __init__(self, guardrails: Guardrails) -> None:
        self._guardrails = guardrails

    def act(self, verdict: Verdict) -> None:
        """Release the reserved amount; the action is long past or was never possible."""
        self._guardrails.release(verdict.action)

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Nothing is on."""


class NoStore:
    """Stores nothing, for a replay that only counts."""

    def offer(self, record: Record) -> bool:
        """Discard the record."""
        return True


def replay(source: Source, brain: Brain, store: Store) -> ReplayResult:
    """Run every observation of `source` through `brain`; states go to `store` at the cadence of the settings.

    Raises what the source raises. The moment of receipt counts as now.
    """
    result = ReplayResult(lacking=tuple(sorted(source.lacking)))
    episode: Episode | None = None
    period = timedelta(seconds=brain.settings.estimator.state_period_s)
    next_state: datetime | None = None
    devices = ChangedDevices(source)
    while (observation := source.next_observation()) is not None:
        now = observation.received_ts or observation.ts
        if episode is None:
            recorder = Recorder(store, Status(started_at=now, now=now))
            recorder.listeners.append(lambda record: _count_record(result, record))
            episode = Episode(brain, recorder, NullActuator(brain.guardrails))
        step = episode.run(observation, devices.now(), RuntimeContext(now=now))
        _count_observation(result, observation, late=step.estimate.late)
        if not step.estimate.late and (next_state is None or observation.ts >= next_state):
            episode.record_state(None)
            next_state = (next_state or observation.ts) + period
            while next_state <= observation.ts:
                next_state += period
    return result


def _count_observation(result: ReplayResult, observation: ObservationV1, late: bool) -> None:
    result.observations += 1
    result.late += late
    result.first_ts = result.first_ts or observation.ts
    result.last_ts = observation.ts
    gone = [name for name, reason in observation.missing.items() if reason != "not_measured"]
    gone += [f"soil.{probe.id}" for probe in observation.soil if probe.moisture_pct is None]
    for name in gone:
        result.missing[name] = result.missing.get(name, 0) + 1


def _count_record(result: ReplayResult, record: Record) -> None:
    if isinstance(record, StateV1):
        result.states += 1
    elif isinstance(record, AnomalyV1):
        result.anomalies += 1
    elif isinstance(record, PlanV1) and not record.shadow:
        result.decisions += 1
    elif isinstance(record, ActionV1):
        result.actions += record.safety.validated and not record.shadow
        result.refused += not record.safety.validated
