"""One episode: the walk of one observation through the brain to the board and into the record. It exists once.

    observe -> estimate -> safe mode -> forecast -> decide -> guard -> execute -> outcome -> record

Everything that feeds observations to the brain runs this walk: the live supervisor, `replay`, `replay --check`, the
simulated day and the campaigns. They differ in four things only, which they pass in:

* the **source** of observations and device statuses, with the moment of receipt (`RuntimeContext.now`);
* the **brain**: the whole one, or the estimator alone (`EstimateOnly`) where nothing is decided;
* the **sink** of the records: dataset and status, a comparison with a recording, or a counter;
* the **actuator**: the board, a simulated tent, or nothing at all.

What the brain does with an observation is in `brain/brain.py`; it is pure. This file fixes the order in which its
results are recorded and carried out. The order is part of the recording's meaning: `replay --check` compares record by
record, and a crash between two lines must leave the earlier part complete. Hence a device status precedes the
observation it belongs to, anomalies precede the state that shows them, targets and forecast precede the plan that rests
on them, and the verdict of an action is recorded before the action is started.

Rejected alternatives: one loop per caller (there were five, and they had drifted apart: one forgot the baseline plan,
one the reason of a state), and callbacks from within the brain (it would then do I/O in the middle of a decision).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from shared_schemas.records import ActionV1, DeviceStatusV1, EventV1, ObservationV1, Record, StateV1
from shared_schemas.records.state_v1 import AirMeans
from tomato_host.brain.control.context import RECENT_H
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.part_failures import Part, PartChange
from tomato_host.brain.safe_mode import SafeModeStep
from tomato_host.brain.step_data import Decision, RuntimeContext, StepResult

SAFE_MODE_PERIOD = timedelta(seconds=10)
"""While the link is down nothing is observed; the safe mode is then updated at this period, counted from the start."""
REASON_MAX = 240
"""Longest `reason` of a state_v1."""


class Sink(Protocol):
    """Where the records of an episode go."""

    def record(self, record: Record) -> None:
        """Take one record, in the order in which things happened."""


class Actuator(Protocol):
    """What an episode may do to the world."""

    def act(self, verdict: Verdict) -> None:
        """Carry out one action that the guardrails have allowed."""

    def switch_off(self, outputs: tuple[str, ...], reason: str) -> None:
        """Stop these outputs now; stopping needs no permission."""


class EpisodeBrain(Protocol):
    """What an episode needs of `brain.Brain`."""

    @property
    def estimate(self) -> Estimate | None: ...
    @property
    def recent_air(self) -> AirMeans | None: ...
    @property
    def mode(self) -> str | None: ...
    def step(self, observation: ObservationV1, devices: DeviceStatusV1, context: RuntimeContext) -> StepResult: ...
    def update_devices(self, devices: DeviceStatusV1) -> None: ...
    def update_safe_mode(self, context: RuntimeContext) -> SafeModeStep: ...
    def add_outcome(self, action: ActionV1) -> None: ...


class Episode:
    """Runs observations through the brain; the records come out in the order in which things happened."""

    def __init__(self, brain: EpisodeBrain, sink: Sink, actuator: Actuator, *, health_with_states: bool = True) -> None:
        """`health_with_states`: record the sensors' health beside each state, instead of leaving it to the caller."""
        self._brain = brain
        self._sink = sink
        self._actuator = actuator
        self._health_with_states = health_with_states
        self._devices: DeviceStatusV1 | None = None
        self._stated_at: datetime | None = None

    def run(self, observation: ObservationV1, devices: DeviceStatusV1, context: RuntimeContext) -> StepResult:
        """One observation: estimate, safe mode, forecast, decide, guard (all in the brain), execute, record."""
        self._record_devices(devices)
        self._sink.record(observation)
        step = self._brain.step(observation, devices, context)
        self._record_all(*step.estimate.anomalies)
        self._apply_safe_mode(step.safe_mode, context.now)
        self._record_all(*(_failure_event(change, context.now) for change in step.failures))
        if step.estimate.anomalies or step.decision is not None:
            self.record_state(_state_reason(step))
        self._record_expectations(step)
        self._carry_out(step.decision)
        return step

    def finish(self, action: ActionV1) -> None:
        """The outcome of an action: the brain learns it, the record keeps it."""
        self._brain.add_outcome(action)
        self._sink.record(action)

    def record_state(self, reason: str | None) -> StateV1 | None:
        """Record the newest state, once for each moment; None before the first and when it is recorded already."""
        estimate = self._brain.estimate
        if estimate is None or self._stated_at == estimate.ts:
            return None
        self._stated_at = estimate.ts
        update = {"mode": self._brain.mode, "reason": reason, "means": self._brain.recent_air}
        state = estimate.state.model_copy(update=update)
        self._sink.record(state)
        if self._health_with_states:
            self._sink.record(estimate.health)
        return state

    def record_devices(self, devices: DeviceStatusV1) -> None:
        """A device status outside an observation (a lost link, a fault): record it and pass it to the brain."""
        self._record_devices(devices)
        self._brain.update_devices(devices)

    def update_safe_mode(self, context: RuntimeContext) -> None:
        """Let time pass for the safe mode while nothing is observed."""
        self._apply_safe_mode(self._brain.update_safe_mode(context), context.now)

    # -- inside ------------------------------------------------------------------------------------------------

    def _record_all(self, *records: Record) -> None:
        for record in records:
            self._sink.record(record)

    def _record_devices(self, devices: DeviceStatusV1) -> None:
        """Only a change is recorded; sources return the same object until something changes."""
        if devices is not self._devices:
            self._devices = devices
            self._sink.record(devices)

    def _apply_safe_mode(self, safe_mode: SafeModeStep | None, now: datetime) -> None:
        """Entering safe mode switches off at once; every change is an event that may be notified."""
        if safe_mode is None:
            return
        if safe_mode.entered:
            self._actuator.switch_off(safe_mode.switch_off, ", ".join(safe_mode.entered))
        if safe_mode.notify is not None:
            self._sink.record(_mode_event(safe_mode, safe_mode.notify, now))

    def _record_expectations(self, step: StepResult) -> None:
        """Targets when they were made anew, and the forecast a decision rests on."""
        if step.rebuilt is not None:
            self._record_all(step.rebuilt.targets, step.rebuilt.sampling, step.rebuilt.log)
        if step.prediction is not None:
            self._sink.record(step.prediction)

    def _carry_out(self, decision: Decision | None) -> None:
        """Record the plan, then each action with its verdict; what is allowed is started."""
        if decision is None:
            return
        if decision.baseline is not None:
            self._sink.record(decision.baseline)
        self._sink.record(decision.plan)
        for verdict in decision.verdicts:
            self._sink.record(verdict.action)
            if verdict.allowed:
                self._actuator.act(verdict)


class EstimateOnly:
    """The estimator in the place of the brain, for recordings and simulations in which nothing is decided."""

    mode: str | None = None

    def __init__(self, estimator: Estimator) -> None:
        self._estimator = estimator
        self.estimate: Estimate | None = None

    def step(self, observation: ObservationV1, devices: DeviceStatusV1, context: RuntimeContext) -> StepResult:
        """Estimate; a late observation (backlog) does not replace the present estimate."""
        estimate = self._estimator.step(observation, devices)
        if not estimate.late:
            self.estimate = estimate
        return StepResult(estimate)

    @property
    def recent_air(self) -> AirMeans | None:
        """The air of the last half hour."""
        return self._estimator.air_means(RECENT_H)

    def update_devices(self, devices: DeviceStatusV1) -> None:
        """The estimator sees devices with observations only."""

    def update_safe_mode(self, context: RuntimeContext) -> SafeModeStep:
        """Raises RuntimeError: without a brain there is no mode."""
        raise RuntimeError("an estimator alone has no mode")

    def add_outcome(self, action: ActionV1) -> None:
        """Nothing is decided, so there are no outcomes."""


def _state_reason(step: StepResult) -> str:
    """Why a state is recorded outside the cadence."""
    if step.why is not None:
        return f"decision: {step.why}"
    names = (f"{anomaly.type.value} {anomaly.phase.lower()}" for anomaly in step.estimate.anomalies)
    return ", ".join(dict.fromkeys(names))[:REASON_MAX]


def _mode_event(safe_mode: SafeModeStep, text: str, now: datetime) -> EventV1:
    return EventV1(
        schema_version="event_v1",
        ts=now,
        level="ALARM" if safe_mode.state.mode == "SAFE" and safe_mode.entered else "INFO",
        kind="mode",
        name=f"mode_{safe_mode.state.mode.lower()}",
        text=text[:4_000],
        data={"causes": ", ".join(safe_mode.state.causes), "entered": ", ".join(safe_mode.entered)},
    )


WITHOUT_PART: dict[Part, str] = {
    "learning": "The world model has learned nothing of the last day",
    "forecast": "There is no forecast for this decision",
    "planner": "The rules decide instead of the planner",
}
"""What a part's failure means for the tent."""


def _failure_event(change: PartChange, now: datetime) -> EventV1:
    meaning = f"{WITHOUT_PART[change.part]}; the tent goes on. Please report it: {change.error}."
    text, name = (meaning, "failed") if change.error else (f"The {change.part} works again.", "restored")
    return EventV1(
        schema_version="event_v1",
        ts=now,
        level="WARNING" if change.error else "INFO",
        kind="model",
        name=f"{change.part}_{name}",
        text=text[:4_000],
    )
