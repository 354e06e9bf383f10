"""The walk of the data, as one short function: read, estimate, forecast, plan, guard, act, log."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared_schemas.records import DeviceStatusV1, ObservationV1, StateV1
from tomato_host.brain.brain import Brain, RuntimeContext, StepResult
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.safe_mode import Step
from tomato_host.loop.recorder import Level, Recorder


class Actuator(Protocol):
    """What an episode may do to the world."""

    def act(self, verdict: Verdict) -> None:
        """Carry out one action that the guardrails has allowed."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now; stopping needs nobody's leave."""


class Episode:
    """Runs observations through the brain; the records come out in the order in which things happened."""

    def __init__(self, brain: Brain, recorder: Recorder, actuator: Actuator) -> None:
        self._brain = brain
        self._recorder = recorder
        self._actuator = actuator
        self._devices: DeviceStatusV1 | None = None
        self._stated_at: datetime | None = None

    def run(self, observation: ObservationV1, devices: DeviceStatusV1, context: RuntimeContext) -> StepResult:
        """One observation: read, estimate, forecast, plan, guard, act, log."""
        self._record_devices(devices)
        self._recorder.record(observation)
        result = self._brain.take(observation, devices, context)
        for anomaly in result.estimate.anomalies:
            self._recorder.record(anomaly)
        if result.trust is not None:
            self._apply_trust(result.trust, context.now)
        if result.estimate.anomalies or result.decision is not None:
            self.record_state(_why_now(result))
        self._record_expectations(result)
        if result.decision is not None:
            if result.decision.baseline is not None:
                self._recorder.record(result.decision.baseline)
            self._recorder.record(result.decision.plan)
            for verdict in result.decision.verdicts:
                self._recorder.record(verdict.action)
                if verdict.allowed:
                    self._actuator.act(verdict)
        return result

    def record_state(self, reason: str | None) -> StateV1 | None:
        """Write the newest state and the sensors' health, once for each moment; None before the first."""
        estimate = self._brain.estimate
        if estimate is None or self._stated_at == estimate.ts:
            return None
        self._stated_at = estimate.ts
        state = estimate.state.model_copy(update={"mode": self._brain.mode, "reason": reason})
        self._recorder.record(state)
        self._recorder.record(estimate.health)
        return state

    def record_devices(self, devices: DeviceStatusV1) -> None:
        """Write the body's condition and let the brain know, outside an observation (a lost link, a fault)."""
        self._record_devices(devices)
        self._brain.learn_devices(devices)

    def update_trust(self, context: RuntimeContext) -> None:
        """Let time pass for trust while nothing is observed."""
        self._apply_trust(self._brain.weigh_trust(context), context.now)

    # -- inside ------------------------------------------------------------------------------------------------

    def _record_devices(self, devices: DeviceStatusV1) -> None:
        """Only a change is worth a line."""
        if devices is not self._devices:
            self._devices = devices
            self._recorder.record(devices)

    def _record_expectations(self, result: StepResult) -> None:
        """Targets when they were made anew, and the forecast a decision rested on."""
        if result.rebuilt is not None:
            for record in (result.rebuilt.targets, result.rebuilt.sampling, result.rebuilt.log):
                self._recorder.record(record)
        if result.prediction is not None:
            self._recorder.record(result.prediction)

    def _apply_trust(self, trust: Step, now: datetime) -> None:
        """Entering safe mode switches off at once; every change is an event that may be notified."""
        if trust.entered:
            self._actuator.switch_off(trust.switch_off, ", ".join(trust.entered))
        if trust.notify is not None:
            level: Level = "ALARM" if trust.state.mode == "SAFE" and trust.entered else "INFO"
            self._recorder.event(
                now,
                level,
                "mode",
                f"mode_{trust.state.mode.lower()}",
                trust.notify,
                causes=", ".join(trust.state.causes),
                entered=", ".join(trust.entered),
            )


def _why_now(result: StepResult) -> str | None:
    """Why a state is written outside the cadence."""
    if result.why is not None:
        return f"decision: {result.why}"
    return ", ".join(dict.fromkeys(f"{a.type.value} {a.phase.lower()}" for a in result.estimate.anomalies))[:240]
