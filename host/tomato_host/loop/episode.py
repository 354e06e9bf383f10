"""The walk of the data, as one short function: read, estimate, forecast, plan, guard, act, log."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from shared_schemas.records import DeviceStatusV1, ObservationV1, StateV1
from tomato_host.brain.brain import Brain, RuntimeContext, StepResult
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.safe_mode import SafeModeStep
from tomato_host.loop.recorder import Level, Recorder


class Actuator(Protocol):
    """What an episode may do to the world."""

    def act(self, verdict: Verdict) -> None:
        """Carry out one action that the guardrails has allowed."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now; stopping needs nobody's leave."""


class Episode:
    """Runs observations through the brain; the records come out in the order in which things happened."""

    def __init__(self, brain: Brain, recorder: Recorder, hands: Actuator) -> None:
        self._brain = brain
        self._log = recorder
        self._hands = hands
        self._devices: DeviceStatusV1 | None = None
        self._stated_at: datetime | None = None

    def run(self, observation: ObservationV1, devices: DeviceStatusV1, here: RuntimeContext) -> StepResult:
        """One observation: read, estimate, forecast, plan, guard, act, log."""
        self._log_devices(devices)
        self._log.record(observation)
        taken = self._brain.step(observation, devices, here)
        for anomaly in taken.estimate.anomalies:
            self._log.record(anomaly)
        if taken.safe_mode is not None:
            self._heed_trust(taken.safe_mode, here.now)
        if taken.estimate.anomalies or taken.decision is not None:
            self.log_state(_why_now(taken))
        self._log_expectations(taken)
        if taken.decision is not None:
            if taken.decision.baseline is not None:
                self._log.record(taken.decision.baseline)
            self._log.record(taken.decision.plan)
            for verdict in taken.decision.verdicts:
                self._log.record(verdict.action)
                if verdict.allowed:
                    self._hands.act(verdict)
        return taken

    def log_state(self, reason: str | None) -> StateV1 | None:
        """Write the newest state and the sensors' health, once for each moment; None before the first."""
        estimate = self._brain.estimate
        if estimate is None or self._stated_at == estimate.ts:
            return None
        self._stated_at = estimate.ts
        state = estimate.state.model_copy(update={"mode": self._brain.mode, "reason": reason})
        self._log.record(state)
        self._log.record(estimate.health)
        return state

    def log_devices(self, devices: DeviceStatusV1) -> None:
        """Write the body's condition and let the brain know, outside an observation (a lost link, a fault)."""
        self._log_devices(devices)
        self._brain.update_devices(devices)

    def update_safe_mode(self, here: RuntimeContext) -> None:
        """Let time pass for trust while nothing is observed."""
        self._heed_trust(self._brain.update_safe_mode(here), here.now)

    # -- inside ------------------------------------------------------------------------------------------------

    def _log_devices(self, devices: DeviceStatusV1) -> None:
        """Only a change is worth a line."""
        if devices is not self._devices:
            self._devices = devices
            self._log.record(devices)

    def _log_expectations(self, taken: StepResult) -> None:
        """Targets when they were made anew, and the forecast a decision rested on."""
        if taken.rebuilt is not None:
            for record in (taken.rebuilt.targets, taken.rebuilt.sampling, taken.rebuilt.log):
                self._log.record(record)
        if taken.prediction is not None:
            self._log.record(taken.prediction)

    def _heed_trust(self, trust: SafeModeStep, now: datetime) -> None:
        """Entering safe mode switches off at once; every change is an event that may be notified."""
        if trust.entered:
            self._hands.switch_off(trust.switch_off, ", ".join(trust.entered))
        if trust.notify is not None:
            level: Level = "ALARM" if trust.state.mode == "SAFE" and trust.entered else "INFO"
            self._log.event(
                now,
                level,
                "mode",
                f"mode_{trust.state.mode.lower()}",
                trust.notify,
                causes=", ".join(trust.state.causes),
                entered=", ".join(trust.entered),
            )


def _why_now(taken: StepResult) -> str | None:
    """Why a state is written outside the cadence."""
    if taken.why is not None:
        return f"decision: {taken.why}"
    return ", ".join(dict.fromkeys(f"{a.type.value} {a.phase.lower()}" for a in taken.estimate.anomalies))[:240]
