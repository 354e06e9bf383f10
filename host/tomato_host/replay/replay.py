"""Recorded observations through today's brain: the same episode, with hands that move nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared_schemas.records import (
    ActionV1,
    AnomalyV1,
    DeviceStatusV1,
    ObservationV1,
    PlanV1,
    Record,
    StateV1,
)
from tomato_host.brain.brain import Brain, RuntimeContext
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.loop.episode import Episode
from tomato_host.loop.recorder import Recorder, Store
from tomato_host.loop.status import Status
from tomato_host.sources.interface import Source


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
    """In a replay nothing moves: what the guardrails allows is released again at once."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain

    def act(self, verdict: Verdict) -> None:
        """Free the promised amount; the action is long past or was never possible."""
        self._brain.guardrails.release(verdict.action)

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Nothing is on."""


class NoStore:
    """Keeps nothing, for a replay that only counts."""

    def offer(self, record: Record) -> bool:
        """Take a record and forget it."""
        return True


def replay(source: Source, brain: Brain, store: Store) -> ReplayResult:
    """Run every observation of `source` through `brain`; states go to `store` at the cadence of the settings.

    Raises what the source raises. The moment of receipt counts as now.
    """
    result = ReplayResult(lacking=tuple(sorted(source.lacking)))
    episode: Episode | None = None
    period = timedelta(seconds=brain.settings.estimator.state_period_s)
    next_state: datetime | None = None
    devices = _Devices(source)
    while (observation := source.next_observation()) is not None:
        now = observation.received_ts or observation.ts
        if episode is None:
            recorder = Recorder(store, Status(started_at=now, now=now))
            recorder.listeners.append(lambda record: _count(result, record))
            episode = Episode(brain, recorder, NullActuator(brain))
        taken = episode.run(observation, devices.now(), RuntimeContext(now=now))
        _note(result, observation, late=taken.estimate.late)
        if not taken.estimate.late and (next_state is None or observation.ts >= next_state):
            episode.log_state(None)
            next_state = (next_state or observation.ts) + period
            while next_state <= observation.ts:
                next_state += period
    return result


class _Devices:
    """The source's device status, as one object for as long as only its time changes."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._last: DeviceStatusV1 | None = None

    def now(self) -> DeviceStatusV1:
        fresh = self._source.device_status()
        last = self._last
        if last is None or fresh.model_copy(update={"ts": last.ts}) != last:
            self._last = last = fresh
        return last


def _note(result: ReplayResult, observation: ObservationV1, late: bool) -> None:
    result.observations += 1
    result.late += late
    result.first_ts = result.first_ts or observation.ts
    result.last_ts = observation.ts
    gone = [name for name, reason in observation.missing.items() if reason != "not_measured"]
    gone += [f"soil.{probe.id}" for probe in observation.soil if probe.moisture_pct is None]
    for name in gone:
        result.missing[name] = result.missing.get(name, 0) + 1


def _count(result: ReplayResult, record: Record) -> None:
    if isinstance(record, StateV1):
        result.states += 1
    elif isinstance(record, AnomalyV1):
        result.anomalies += 1
    elif isinstance(record, PlanV1) and not record.shadow:
        result.decisions += 1
    elif isinstance(record, ActionV1):
        result.actions += record.safety.validated
        result.refused += not record.safety.validated
