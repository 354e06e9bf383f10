"""A simulated day without a board: source -> estimator -> storage, driven by one clock and one scheduler.

Main loop, every 2 hours: observe -> estimate -> store -> advance. In between it looks every minute, writes a state
every half hour, and more often while an anomaly asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from shared_schemas.records import DeviceStatusV1, StateV1
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.brain.settings import SiteSettings
from tomato_host.loop.clock import SimClock
from tomato_host.loop.scheduler import Run, Scheduler
from tomato_host.sources.interface import Source
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
    scenario: str = "normal"
    time_scale: float = 0.0
    sample_period_s: float = 60.0
    state_period_s: float = 1_800.0
    cycle_period_s: float = 7_200.0
    day: SyntheticDay = field(default_factory=SyntheticDay)
    rotate: Rotate = "month"


@dataclass(slots=True)
class DayResult:
    """What came of it."""

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

    def __init__(self, plan: DayPlan, output_dir: Path, on_state: Listener | None = None) -> None:
        self._plan = plan
        self._clock = SimClock(plan.start, plan.time_scale)
        self.scheduler = Scheduler(self._clock)
        settings = EstimatorSettings(sample_period_s=plan.sample_period_s, state_period_s=plan.state_period_s)
        self._source: Source = SyntheticSource(
            plan.seed,
            plan.start,
            plan.duration_h,
            plan.sample_period_s,
            [plan.scenario],
            day=plan.day,
            zone=SiteSettings().zone,
        )
        self._estimator = Estimator(settings)
        about = {
            "simulated": {
                "seed": plan.seed,
                "scenario": plan.scenario,
                "start": plan.start.isoformat(),
                "duration_h": plan.duration_h,
            },
            "settings": {"estimator": settings.model_dump(mode="json")},
        }
        self._dataset = Dataset.create_run(
            output_dir, plan.start.date(), fsync="never", rotate=plan.rotate, about=about
        )
        self._on_state = on_state
        self._estimate: Estimate | None = None
        self._devices: DeviceStatusV1 | None = None
        self._stated_at: datetime | None = None
        self._close_period_ms = 0
        self.result = DayResult(self._dataset.root)

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
        """Observe and estimate; what opens or clears is stored at once, with the state it was seen in."""
        observation = self._source.next_observation()
        if observation is None:
            return
        devices = self._source.device_status()
        self._store_devices(devices)
        self._dataset.append(observation)
        self.result.observations += 1
        self._estimate = self._estimator.step(observation, devices)
        for anomaly in self._estimate.anomalies:
            self._dataset.append(anomaly)
            self.result.anomalies += 1
        if self._estimate.anomalies:
            names = dict.fromkeys(f"{a.type.value} {a.phase.lower()}" for a in self._estimate.anomalies)
            self._store_state(", ".join(names)[:240])
            self._follow_sampling_plan()

    def _base_state(self, run: Run) -> None:
        """The half-hourly state record."""
        self.result.base_states += 1
        self._store_state(None)

    def _close_state(self, run: Run) -> None:
        """A state between the half hours, while an anomaly asks for closer attention."""
        self._store_state("closer attention")
        self._follow_sampling_plan()

    def _cycle(self, run: Run) -> None:
        """The two-hourly cycle: what every sensor is worth, and how closely to look from now on."""
        if self._estimate is not None:
            self._dataset.append(self._estimate.health)
            self._dataset.append(self._estimate.sampling)
        self.result.cycles += 1

    # -- storing -----------------------------------------------------------------------------------------------

    def _store_devices(self, devices: DeviceStatusV1) -> None:
        """Only a change is worth a line; the time alone is none."""
        before = self._devices
        if before is None or devices.model_copy(update={"ts": before.ts}) != before:
            self._devices = devices
            self._dataset.append(devices)

    def _store_state(self, reason: str | None) -> None:
        """Each moment gets one state at most."""
        if self._estimate is None or self._estimate.ts == self._stated_at:
            return
        self._stated_at = self._estimate.ts
        state = self._estimate.state.model_copy(update={"reason": reason})
        self._dataset.append(state)
        self.result.states += 1
        if self._on_state is not None:
            self._on_state(state)

    def _follow_sampling_plan(self) -> None:
        """Closer states come on top of the half-hourly ones, whose grid stays as it is."""
        assert self._estimate is not None
        now = self._estimate.ts
        periods = [o.period_s for o in self._estimate.sampling.overrides if o.start <= now < o.end]
        period_ms = round(min(periods) * 1000) if periods else 0
        if period_ms != self._close_period_ms:
            self._close_period_ms = period_ms
            self.scheduler.cancel("closely")
            if period_ms:
                self.scheduler.every("closely", period_ms, self._close_state, priority=25, first_after_ms=period_ms)
