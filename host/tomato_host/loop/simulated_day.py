"""A simulated day without a board: source -> estimator -> storage, driven by one clock and one scheduler.

The episode's walk with the estimator alone: an observation every minute, a state every half hour and more often while
an anomaly asks for it, the sensors' health and the sampling plan every two hours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shared_schemas.records import AnomalyV1, ObservationV1, Record, StateV1
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.settings import DEFAULT_TIME_ZONE, SiteSettings
from tomato_host.brain.step_data import RuntimeContext
from tomato_host.loop.clock import SimClock
from tomato_host.loop.episode import Episode, EstimateOnly
from tomato_host.loop.scheduler import Run, Scheduler
from tomato_host.sources.interface import ChangedDevices, Source
from tomato_host.sources.synthetic import SyntheticDay, SyntheticSource
from tomato_host.storage.dataset import Dataset
from tomato_host.storage.settings import Rotate

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class DayPlan:
    """What to simulate. Times in hours and seconds of logical time; `time_scale` 0 is as fast as possible."""

    start: datetime
    seed: int = 7
    duration_h: float = 24.0
    scenario: str = "calm"
    time_scale: float = 0.0
    sample_period_s: float = 60.0
    state_period_s: float = 1_800.0
    cycle_period_s: float = 7_200.0
    day: SyntheticDay = field(default_factory=SyntheticDay)
    rotate: Rotate = "month"
    timezone: str = DEFAULT_TIME_ZONE
    """IANA name; the day, its lamp and its record times follow this zone."""


@dataclass(slots=True)
class DayResult:
    """Counts of one simulated day."""

    dataset: Path
    observations: int = 0
    states: int = 0
    base_states: int = 0
    cycles: int = 0
    anomalies: int = 0
    stopped_early: bool = False


Listener = Callable[[StateV1], None]


class SimulatedDay:
    """One simulated run into a fresh `run_YYYYMMDD` below `output_dir`. The same plan gives the same bytes."""

    def __init__(
        self,
        plan: DayPlan,
        output_dir: Path,
        on_state: Listener | None = None,
        report: Callable[[float], None] = lambda share: None,
    ) -> None:
        """`report` gets the share of the plan that has passed, 0 to 1."""
        self._plan = plan
        self._report = report
        self._clock = SimClock(plan.start, plan.time_scale)
        self.scheduler = Scheduler(self._clock)
        site = SiteSettings(timezone=plan.timezone)
        self._source: Source = SyntheticSource(
            plan.seed,
            plan.start,
            plan.duration_h,
            plan.sample_period_s,
            [plan.scenario],
            day=plan.day,
            zone=site.zone,
        )
        self._devices = ChangedDevices(self._source)
        settings = EstimatorSettings(sample_period_s=plan.sample_period_s, state_period_s=plan.state_period_s)
        self._estimator = EstimateOnly(Estimator(settings, site))
        about = {
            "simulated": {
                "seed": plan.seed,
                "scenario": plan.scenario,
                "start": plan.start.isoformat(),
                "duration_h": plan.duration_h,
            },
            "settings": {"estimator": settings.model_dump(mode="json"), "site": {"timezone": plan.timezone}},
        }
        self._dataset = Dataset.create_run(
            output_dir, plan.start.date(), fsync="never", rotate=plan.rotate, about=about
        )
        self.result = DayResult(self._dataset.root)
        self._sink = _DaySink(self._dataset, self.result, on_state)
        self._episode = Episode(self._estimator, self._sink, _NoActuator(), health_with_states=False)
        self._close_period_ms = 0

    def run(self) -> DayResult:
        """Run to the end of the plan, or until `scheduler.stop()`; the dataset is closed in any case."""
        plan, sched = self._plan, self.scheduler
        sched.every("observe", round(plan.sample_period_s * 1000), self._observe, priority=10)
        sched.every("state", round(plan.state_period_s * 1000), self._base_state, priority=20)
        sched.every("cycle", round(plan.cycle_period_s * 1000), self._cycle, priority=30)
        try:
            sched.run(until_ms=round(plan.duration_h * HOUR_MS))
        finally:
            self.result.stopped_early = sched.stopping
            self._dataset.close()
        return self.result

    # -- tasks, in the order in which they run when they are due together ----------------------------------------

    def _observe(self, run: Run) -> None:
        """One episode; what opens or clears is stored at once, with the state it was seen in."""
        observation = self._source.next_observation()
        if observation is None:
            return
        self._report(self._clock.monotonic_ms() / (self._plan.duration_h * HOUR_MS))
        step = self._episode.run(observation, self._devices.now(), RuntimeContext(now=observation.ts))
        if step.estimate.anomalies:
            self._follow_sampling_plan()

    def _base_state(self, run: Run) -> None:
        """The half-hourly state record."""
        self.result.base_states += 1
        self._episode.record_state(None)

    def _close_state(self, run: Run) -> None:
        """A state between the half hours, while an anomaly asks for closer attention."""
        self._episode.record_state("closer attention")
        self._follow_sampling_plan()

    def _cycle(self, run: Run) -> None:
        """The two-hourly cycle: the health of every sensor, and the sampling plan from now on."""
        estimate = self._estimator.estimate
        if estimate is not None:
            self._sink.record(estimate.health)
            self._sink.record(estimate.sampling)
        self.result.cycles += 1

    def _follow_sampling_plan(self) -> None:
        """Closer states come on top of the half-hourly ones, whose grid stays as it is."""
        estimate = self._estimator.estimate
        assert estimate is not None
        now = estimate.ts
        periods = [o.period_s for o in estimate.sampling.overrides if o.start <= now < o.end]
        period_ms = round(min(periods) * 1000) if periods else 0
        if period_ms != self._close_period_ms:
            self._close_period_ms = period_ms
            self.scheduler.cancel("closely")
            if period_ms:
                self.scheduler.every("closely", period_ms, self._close_state, priority=25, first_after_ms=period_ms)


class _DaySink:
    """Into the dataset, counted by kind; every state goes to `on_state` as well."""

    def __init__(self, dataset: Dataset, result: DayResult, on_state: Listener | None) -> None:
        self._dataset = dataset
        self._result = result
        self._on_state = on_state

    def record(self, record: Record) -> None:
        """Append the record. Raises TomatoError as Dataset.append does."""
        self._dataset.append(record)
        if isinstance(record, ObservationV1):
            self._result.observations += 1
        elif isinstance(record, AnomalyV1):
            self._result.anomalies += 1
        elif isinstance(record, StateV1):
            self._result.states += 1
            if self._on_state is not None:
                self._on_state(record)


class _NoActuator:
    """Nothing is decided, so nothing is ever carried out."""

    def act(self, verdict: Verdict) -> None:
        raise AssertionError("a day without a brain has no actions")

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        raise AssertionError("a day without a brain has no mode")
