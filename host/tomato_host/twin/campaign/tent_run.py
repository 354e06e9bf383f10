"""The brain on a simulated tent: one observation in, the pulses it leads to out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from shared_schemas.records import ActionV1, AnomalyV1, DeviceStatusV1, EventV1, ObservationV1, Record
from shared_schemas.records.state_v1 import AirMeans
from tomato_host.brain.brain import Brain
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.execution.executor import BudgetLedger, Executor
from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict
from tomato_host.brain.step_data import BrainSettings, RuntimeContext, StepResult
from tomato_host.loop.actuator import ExecutorActuator
from tomato_host.loop.episode import Episode, Sink
from tomato_host.twin.simulated_tent import SimulatedTent

RENEW_MS = 10_000
"""Pace of the executor between two observations."""
LINK_DOWN_S = 20.0
"""A silence longer than this counts as a lost link, as in the session with the real board."""


class TentLine:
    """The executor's line to the tent, whose clock is its own."""

    def __init__(self, tent: SimulatedTent) -> None:
        self._tent = tent

    def pulse(self, output: str, amount: int, now_ms: int) -> int:
        """Ask for a pulse in ms, or ml for the pump."""
        return self._tent.pulse(output, amount)

    def stop(self, output: str, now_ms: int) -> int:
        """End a pulse."""
        return self._tent.stop(output)

    def stop_all(self, now_ms: int) -> int:
        """End all pulses."""
        return self._tent.stop_all()


class _Counts:
    """The sink of a campaign: records are counted, not stored."""

    def __init__(self) -> None:
        self.refused = 0
        self.anomalies = 0

    def record(self, record: Record) -> None:
        """Count anomalies and refused proposals.

        Raises RuntimeError for a part of the brain that failed: a tent goes on without it, a study must not.
        """
        if isinstance(record, EventV1) and record.kind == "model" and record.level == "WARNING":
            raise RuntimeError(f"{record.ts:%Y-%m-%d %H:%M}: {record.text}")
        self.anomalies += isinstance(record, AnomalyV1)
        self.refused += isinstance(record, ActionV1) and not record.safety.validated and record.outcome is None


class Undecided:
    """A brain in an episode that takes no decision of its own: it estimates, and its safe mode switches off."""

    def __init__(self, brain: Brain) -> None:
        self._brain = brain
        self.update_devices = brain.update_devices
        self.update_safe_mode = brain.update_safe_mode
        self.add_outcome = brain.add_outcome

    @property
    def estimate(self) -> Estimate | None:
        """The newest estimate."""
        return self._brain.estimate

    @property
    def recent_air(self) -> AirMeans | None:
        """The air of the last half hour."""
        return self._brain.recent_air

    @property
    def mode(self) -> str | None:
        """NORMAL, CAUTION, SAFE or PAUSED."""
        return self._brain.mode

    def step(self, observation: ObservationV1, devices: DeviceStatusV1, context: RuntimeContext) -> StepResult:
        """Estimate, and the mode that follows."""
        estimate = self._brain.observe(observation, devices)
        return StepResult(estimate) if estimate.late else StepResult(estimate, self._brain.update_safe_mode(context))


class TentRun:
    """One installation without a line: `step` observes once and acts on it, by the same episode as a live host."""

    def __init__(
        self,
        tent: SimulatedTent,
        settings: BrainSettings,
        decides: bool = True,
        sink: Sink | None = None,
        ledger_of: Callable[[Guardrails], BudgetLedger] | None = None,
        forecasts: bool = True,
    ) -> None:
        """`decides` False: the brain observes, guards and keeps its modes; what is to be done is proposed to it.

        Without a `sink` records are counted only, without the sensors' health. `ledger_of` wraps the ledger that the
        executor draws from, so that a recording holds its movements. `forecasts`: see `Brain`.
        """
        self.tent = tent
        self.brain = Brain(settings, forecasts=forecasts)
        self._counts = _Counts()
        guardrails = self.brain.guardrails
        self._executor = Executor(TentLine(tent), guardrails if ledger_of is None else ledger_of(guardrails))
        finished = self.brain.add_outcome if sink is None else self._finish
        self._actuator = ExecutorActuator(self._executor, lambda: tent.now_ms, lambda: tent.now, finished)
        walked = self.brain if decides else Undecided(self.brain)
        self._episode = Episode(walked, sink or self._counts, self._actuator, health_with_states=sink is not None)
        self.observation: ObservationV1 | None = None
        """The newest one."""
        self._last: datetime | None = None
        self._seen_ms = tent.now_ms

    @property
    def refused(self) -> int:
        """Proposals that the guardrails refused."""
        return self._counts.refused

    @property
    def anomalies(self) -> int:
        """Anomalies that opened, worsened or cleared."""
        return self._counts.anomalies

    def record_state(self, reason: str) -> None:
        """Record the newest state between two decisions."""
        self._episode.record_state(reason)

    def close(self) -> None:
        """End the run as a host's process ends: what is under way is closed and recorded."""
        self._executor.abandon("shutdown", self.tent.now)
        self._settle(self.tent.now_ms, self.tent.now)

    def _finish(self, action: ActionV1) -> None:
        self._episode.finish(action)

    def step(self) -> StepResult | None:
        """Advance by one observation; None when the tent has none any more."""
        self._renew_until_observed()
        observation = self.tent.next_observation(self.tent.period_ms - (self.tent.now_ms - self._seen_ms))
        if observation is None:
            return None
        self._seen_ms, self.observation = self.tent.now_ms, observation
        now, now_ms = observation.ts, self.tent.now_ms
        silent_s = (now - self._last).total_seconds() if self._last else 0.0
        self._last = now
        if silent_s > LINK_DOWN_S + self.tent.period_ms / 1_000.0:
            self._executor.on_link_lost(now_ms, now)
        self._settle(now_ms, now)
        result = self._episode.run(observation, self.tent.device_status(), self.context(now))
        self._executor.tick(now_ms, now)
        self._settle(now_ms, now)
        return result

    def propose(self, action: ActionV1) -> Verdict:
        """Somebody's proposal through admission and guardrails; what they allow is carried out."""
        verdict = self.brain.judge(action, RuntimeContext(self.tent.now))
        if verdict.allowed and not verdict.repeated:
            self._actuator.act(verdict)
        return verdict

    def context(self, now: datetime) -> RuntimeContext:
        """What the process knows and no observation says."""
        return RuntimeContext(now, operator_acknowledges=self.tent.take_acknowledgement())

    def _renew_until_observed(self) -> None:
        """Until the next observation the executor renews what runs out, on a grid of RENEW_MS.

        Of the grid's moments those are left out at which it would have nothing to do: no result came, no job is due.
        """
        tent = self.tent
        end_ms = self._on_grid(self._seen_ms + tent.period_ms - RENEW_MS)
        while tent.now_ms < end_ms:
            due_ms = self._on_grid(tent.now_ms + 1 if tent.has_results else self._executor.next_due_ms())
            tent.advance_to(min(max(due_ms, self._on_grid(tent.now_ms + 1)), end_ms), until_result=True)
            tent.advance_to(self._on_grid(tent.now_ms))
            if tent.has_results or tent.now_ms >= due_ms:
                self._settle(tent.now_ms, tent.now)
                self._executor.tick(tent.now_ms, tent.now)

    def _on_grid(self, t_ms: int) -> int:
        """The first moment of the grid at or after `t_ms`; it begins with the last observation."""
        return self._seen_ms - (self._seen_ms - t_ms) // RENEW_MS * RENEW_MS

    def _settle(self, now_ms: int, now: datetime) -> None:
        for result in self.tent.take_results():
            self._executor.on_result(result, now_ms, now)
        for action in self._executor.pop_finished():
            self._episode.finish(action)
