"""The whole brain as one value: estimate, update the mode, decide, guard. No I/O; equal calls give equal results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from shared_schemas.records import (
    ActionV1,
    DeviceStatusV1,
    ExtraReadingV1,
    Forecast36hV1,
    ObservationV1,
    PlanV1,
    StateV1,
    VisionV1,
)
from shared_schemas.records.state_v1 import AirMeans
from tomato_host.brain.admission.answered_verdicts import AnsweredVerdicts
from tomato_host.brain.admission.tent_admission import TentAdmission
from tomato_host.brain.control import (
    ControlDecision,
    ControllerMemory,
    DecisionContext,
    decision_triggers,
    fixed_timer,
    rules,
)
from tomato_host.brain.control.context import RECENT_H, RECENT_S, later
from tomato_host.brain.control.plan_columns import MEASURED_ON
from tomato_host.brain.control.planner.mpc import Clock, PlannerModel, planner
from tomato_host.brain.control.planner.world_model_adapter import bind_model
from tomato_host.brain.control.targets import base_targets
from tomato_host.brain.control.water_usage import recorded_usual_water_ml
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.forecast_state import ForecastState, WithoutForecasts
from tomato_host.brain.foreign_holds import ForeignHolds
from tomato_host.brain.guardrails.context import GuardContext
from tomato_host.brain.guardrails.guardrails import Guardrails, Verdict
from tomato_host.brain.guardrails.limits import MILLI, OUTPUT_NAMES
from tomato_host.brain.guardrails.profiles import DOSES, OWN_ORIGINS
from tomato_host.brain.part_failures import PartFailures
from tomato_host.brain.safe_mode import SafeModeState, SafeModeStep, step
from tomato_host.brain.safe_mode_inputs import blocking_faults, signals_of
from tomato_host.brain.step_data import BrainSettings, CurrentForecasts, Decision, RuntimeContext, StepResult
from tomato_host.brain.world_model.weather_adapter import AdaptedTargets, AdapterContext, adapt

Controller = Callable[[DecisionContext], ControlDecision]

TRIGGER_CHECK_S = 60.0
"""How often an observation is asked whether it calls for a decision; a change of mode asks at once."""

AIR = ("air_temp_c", "rh_pct", "vpd_kpa")
RECENT_COLUMNS = (*AIR, *MEASURED_ON)

CLOCK_SET = "clock set"
NOT_READY = ("UNKNOWN", "BOOT", "SAFE", "READY")
"""States of the board in which it could carry nothing out yet; a decision waits until it is leased."""

CONTROLLERS: dict[str, Controller] = {"rules": rules.decide, "timer": fixed_timer.decide}
"""Controllers that need no foresight, by the name they have in the settings."""


def _standing_clock() -> float:
    """A clock that stands still: the planner then searches to its end, the same way every time."""
    return 0.0


class Brain:
    """Holds what the brain remembers between two calls; everything that happens comes in as an argument."""

    def __init__(
        self,
        settings: BrainSettings | None = None,
        planner_clock: Clock = _standing_clock,
        forecasts: bool = True,
    ) -> None:
        """`planner_clock` bounds the planner's thinking by seconds of its own; simulations leave it standing.

        `forecasts` False: the tent is neither learned nor forecast, which changes no decision of `CONTROLLERS`. For
        runs under one of them whose records nobody reads.
        """
        self.settings = settings or BrainSettings()
        self.estimator = Estimator(self.settings.estimator, self.settings.site, self.settings.budgets)
        self.guardrails = Guardrails(self.settings.guardrails, self.settings.budgets)
        self._answers = AnsweredVerdicts(self.guardrails)
        self.admission = TentAdmission(self.guardrails, self._answers, self.settings.tent)
        self._foreign = ForeignHolds(self.guardrails.ledger)
        zone = self.settings.site.zone
        probes = tuple(probe.id for probe in self.settings.estimator.probes)
        self._foresees = forecasts
        made = ForecastState if forecasts else WithoutForecasts
        self.forecast_state = made(self.settings.world_model, zone, probes)
        self.forecasts = CurrentForecasts()
        self.memory = ControllerMemory()
        self.safe_mode = SafeModeState()
        self._parts = PartFailures()
        self._controllers: Mapping[str, Controller] = {**CONTROLLERS, "mpc": planner(self._bind_model, planner_clock)}
        self._estimate: Estimate | None = None
        self._observation: ObservationV1 | None = None
        self._devices: DeviceStatusV1 | None = None
        self._checked_at: datetime | None = None
        self._previous_water_at: datetime | None = None
        self._vision: VisionV1 | None = None
        self._due: str | None = None
        """What asks for a decision at once, until one is taken."""

    def use_controller(self, name: str, controller: Controller) -> None:
        """Let another controller decide under this name; for studies in the twin, before the first observation."""
        self._controllers = {**self._controllers, name: controller}

    @property
    def estimate(self) -> Estimate | None:
        """The newest estimate; None before the first observation."""
        return self._estimate

    @property
    def recent_air(self) -> AirMeans | None:
        """The air of the last half hour, as the controllers see it; None before anything was measured."""
        return self.estimator.air_means(RECENT_H)

    @property
    def mode(self) -> str:
        """NORMAL, CAUTION, SAFE or PAUSED."""
        return self.safe_mode.mode

    def step(self, observation: ObservationV1, devices: DeviceStatusV1, runtime: RuntimeContext) -> StepResult:
        """One observation all the way: estimate, trust, and a decision where one is due.

        Everything follows from the arguments and from what came before, so a replay of the records takes the same
        steps. `runtime.now` is the moment the observation was received.
        """
        estimate = self.observe(observation, devices, self._vision)
        if estimate.late:
            return StepResult(estimate)
        trust = self.update_safe_mode(runtime)
        if ended := self._foreign.pop_ended(runtime.now):
            self._due = f"free again: {', '.join(ended)}"
        able = runtime.link_up and devices.board_state not in NOT_READY
        if not able or not self._trigger_check_due(runtime.now, trust.changed or self._due is not None):
            return StepResult(estimate, trust)
        if self._foresees:
            self.forecast_state.add_state(estimate.state)
        rebuilt = self._rebuild(runtime.now)
        why = self.decision_trigger(runtime)
        if why is None:
            return StepResult(estimate, trust, rebuilt, failures=self._parts.pop_changes())
        forecasts, last_plan = self.forecasts, self.memory.last_plan
        forecasts.prediction = self._parts.attempt(
            "forecast", lambda: self.forecast_state.predict(runtime.now, forecasts.weather, last_plan)
        )
        decision = self.decide(runtime, None if why == "cycle" else why)
        return StepResult(estimate, trust, rebuilt, why, forecasts.prediction, decision, self._parts.pop_changes())

    def resume(self, finished: Iterable[ActionV1], judged: Iterable[ActionV1] = (), now: datetime | None = None) -> int:
        """Actions of an earlier process, oldest first: their water and time count, and pauses do not begin anew.

        `judged`: verdicts of the last 24 h, whose ids are answered, and which count against their agents' quotas;
        returns how many are answered. `now` None: the newest of the finished actions ends now.
        """
        actions = tuple(finished)
        self.guardrails.replay(actions, now)
        watered = [a.ts for a in actions if a.outcome and a.outcome.delivered_ml]
        named_at = max((a.ts for a in actions if a.origin in OWN_ORIGINS), default=None)
        self.memory = replace(self.memory, named_at=named_at)
        if watered:
            last_water_at = max(watered) if now is None else min(max(watered), now)
            self.memory = replace(
                self.memory, last_water_at=last_water_at, usual_water_ml=recorded_usual_water_ml(actions)
            )
        if now is None:
            return 0
        recent = tuple(judged)
        self.admission.resume(recent)
        return self._answers.restore(recent, now)

    def clock_was_set(self, moved: timedelta) -> None:
        """The wall clock was set: what was a minute ago stays so, and what follows the local day is decided anew."""
        self.guardrails.clock_was_set(moved)
        self._answers.clock_was_set(moved)
        self.admission.pipeline.clock_was_set(moved.total_seconds())
        self.estimator.clock_was_set(moved)
        self.forecast_state.clock_was_set(moved)
        self.memory, self.safe_mode = self.memory.moved(moved), self.safe_mode.moved(moved)
        self._previous_water_at = later(self._previous_water_at, moved)
        self._due = CLOCK_SET

    def add_weather(self, weather: Forecast36hV1) -> None:
        """A forecast of the weather outside has arrived."""
        self.forecasts.weather = weather
        self.forecast_state.add_weather(weather)

    def add_vision(self, vision: VisionV1) -> None:
        """A photo has been judged. The state shows it, nothing is decided by it; one without trust is passed over."""
        if vision.confidence > 0.0:
            self._vision = vision

    def add_extra_reading(self, reading: ExtraReadingV1) -> None:
        """A sensor that is not the board's has given a value (`estimator/extra_probes.py`)."""
        self.estimator.extra.add(reading)

    def add_outcome(self, action: ActionV1) -> None:
        """An action has ended; what it delivered explains what comes. Water that surely never came was no watering."""
        self.forecast_state.add_outcome(action)
        if action.outcome is not None and action.outcome.delivered_ml == 0.0:
            self._undo_watering(action.ts)

    def _rebuild(self, now: datetime) -> AdaptedTargets | None:
        """At 00:10 local time learn the day and set the targets anew; also as soon as weather is first known."""
        forecasts = self.forecasts
        night = self.forecast_state.night_is_due(now)
        if night:
            self._parts.attempt("learning", lambda: self.forecast_state.learn(now))
        if not night and (forecasts.targets is not None or forecasts.weather is None):
            return None
        settings = self.settings
        context = AdapterContext(
            now,
            base_targets(settings.control, settings.budgets),
            settings.control.stage,
            self.safe_mode.mode,
            settings.estimator.state_period_s,
            settings.estimator.sample_period_s,
        )
        state = self._estimate.state if self._estimate is not None else None
        adapted = adapt(forecasts.weather, state, context)
        forecasts.targets = adapted.targets
        return adapted

    def _bind_model(self, context: DecisionContext) -> PlannerModel | None:
        return bind_model(self.forecast_state.model, self.forecast_state.history.log(context.now), context)

    def _trigger_check_due(self, now: datetime, changed: bool) -> bool:
        last = self._checked_at
        # A last look that lies ahead was taken before the clock was set back: look now.
        if not changed and last is not None and 0.0 <= (now - last).total_seconds() < TRIGGER_CHECK_S:
            return False
        self._checked_at = now
        return True

    def observe(self, observation: ObservationV1, devices: DeviceStatusV1, vision: VisionV1 | None = None) -> Estimate:
        """Take one observation; late ones (backlog) teach nothing about the present."""
        self.estimator.believe_room(*self.memory.tent.mean[:2])
        estimate = self.estimator.step(observation, devices, vision)
        if not estimate.late:
            self._observation, self._devices = observation, devices
            self._estimate = estimate
        return estimate

    def update_devices(self, devices: DeviceStatusV1) -> None:
        """Take the body's condition between two observations (a lost link, a latched fault)."""
        self._devices = devices

    def update_safe_mode(self, runtime: RuntimeContext) -> SafeModeStep:
        """One step of safe mode's state machine."""
        signals = signals_of(self._estimate, self._observation, self._devices, runtime)
        result = step(self.safe_mode, signals, self.settings.safe_mode)
        self.safe_mode = result.state
        return result

    def decision_trigger(self, runtime: RuntimeContext) -> str | None:
        """Why a decision is due now ("first", "cycle", an event), or None."""
        if self._estimate is None:
            return None
        now, control = runtime.now, self.settings.control
        why = decision_triggers.clock_trigger(now, self.memory, self.safe_mode.mode, control) or self._due
        if why is not None or decision_triggers.events_pause(now, self.memory, control):
            return why
        # Asked every minute: no budgets are summed up, no means made but those that the climate's events read.
        return decision_triggers.climate_trigger(self._context(now, self._estimate.state, None, self._recent(AIR), {}))

    def decide(self, runtime: RuntimeContext, event: str | None) -> Decision:
        """Plan and take every proposal through the guardrails. Raises RuntimeError before the first observation."""
        if self._estimate is None:
            raise RuntimeError("nothing has been observed yet")
        used = {name: self._day_used(name, runtime.now) for name in OUTPUT_NAMES}
        recent, recent_s = self._recent(RECENT_COLUMNS), self._recent_s()
        context = self._context(runtime.now, self._estimate.state, event, recent, used, recent_s)
        decision = self._controlled(context)
        if decision.memory.last_water_at != self.memory.last_water_at:
            self._previous_water_at = self.memory.last_water_at
        # A clock that was set begins no new cycle: the next decision is due when it was.
        decided_at = self.memory.decided_at if event == CLOCK_SET else decision.memory.decided_at
        self.memory, self._due = replace(decision.memory, decided_at=decided_at), None
        guard = self._guard_context(runtime)
        verdicts = tuple(self.admission.admit(proposal, guard) for proposal in decision.proposals)
        if any(v.action.type in DOSES and not v.allowed for v in verdicts):
            self._undo_watering(runtime.now)
        return Decision(decision.plan, verdicts, _baseline(context, decision.plan))

    def _controlled(self, context: DecisionContext) -> ControlDecision:
        """What the controller decides; where it needs foresight and fails, what the rules decide."""
        policy = self.settings.control.policy
        if policy in CONTROLLERS:
            return self._controllers[policy](context)
        decision = self._parts.attempt("planner", lambda: self._controllers[policy](context))
        if decision is not None:
            return decision
        decision = rules.decide(context)
        told = f"the planner failed, the rules decide: {decision.plan.explanation}"[:240]
        return replace(decision, plan=decision.plan.model_copy(update={"explanation": told}))

    def _undo_watering(self, at: datetime) -> None:
        """The watering decided at that moment did not happen; the pause counts from the one before."""
        if self.memory.last_water_at == at:
            self.memory = replace(self.memory, last_water_at=self._previous_water_at)

    def judge(self, proposal: ActionV1, runtime: RuntimeContext) -> Verdict:
        """The same admission and guardrails for a proposal of anybody else; its id gets one answer however often."""
        verdict = self.admission.admit(proposal, self._guard_context(runtime))
        self._foreign.add(verdict)
        return verdict

    def submit(self, proposal: ActionV1, runtime: RuntimeContext) -> Verdict | None:
        """As `judge`, but a proposal that admission lets pass waits for `run_turn`; None then."""
        return self._with_hold(self.admission.submit(proposal, self._guard_context(runtime)))

    def run_turn(self, runtime: RuntimeContext, spent_s: Callable[[], float]) -> list[Verdict]:
        """One turn of admission over what waits; `spent_s` says how long it has taken so far."""
        verdicts = self.admission.turn(self._guard_context(runtime), spent_s)
        for verdict in verdicts:
            self._with_hold(verdict)
        return verdicts

    def preview(self, proposal: ActionV1, runtime: RuntimeContext) -> Verdict:
        """The verdict that a proposal would get now; nothing is counted, stored or reserved."""
        return self.admission.preview(proposal, self._guard_context(runtime))

    def _with_hold(self, verdict: Verdict | None) -> Verdict | None:
        if verdict is not None:
            self._foreign.add(verdict)
        return verdict

    # -- inside ------------------------------------------------------------------------------------------------

    def _context(
        self,
        now: datetime,
        state: StateV1,
        event: str | None,
        recent: Mapping[str, float],
        used: Mapping[str, float],
        recent_s: float = RECENT_S,
    ) -> DecisionContext:
        forecasts = self.forecasts
        return DecisionContext(
            now=now,
            state=state,
            settings=self.settings.control,
            site=self.settings.site,
            budgets=self.settings.budgets,
            targets=forecasts.targets,
            prediction=forecasts.prediction,
            forecast=forecasts.weather,
            memory=self.memory,
            mode=self.safe_mode.mode,
            safe_causes=self.safe_mode.causes,
            switched_off=self.safe_mode.off,
            recent=recent,
            recent_s=recent_s,
            used=used,
            event=event,
        )

    def _day_used(self, output: str, now: datetime) -> float:
        """Seconds or ml of the last 24 h by the guardrails' ledger."""
        return self.guardrails.ledger.day_used(output, now.timestamp()) / MILLI

    def _recent(self, columns: tuple[str, ...]) -> dict[str, float]:
        """Means over the last half hour, of what is known: the air, and the shares of time outputs were seen on."""
        return self.estimator.history.means(columns, RECENT_H)

    def _recent_s(self) -> float:
        """Seconds that these means cover."""
        rows = self.estimator.history.last_n_hours(RECENT_H)
        return float(rows[-1, 0] - rows[0, 0]) if len(rows) else 0.0

    def _guard_context(self, runtime: RuntimeContext) -> GuardContext:
        seen, devices = self._observation, self._devices
        return GuardContext(
            now=runtime.now,
            state=self._estimate.state if self._estimate is not None else None,
            mode=self.safe_mode.mode,
            link_up=runtime.link_up,
            board_state=devices.board_state if devices is not None else "UNKNOWN",
            faults=blocking_faults(devices),
            leak=seen.leak if seen is not None else None,
            reservoir_ok=seen.reservoir_ok if seen is not None else None,
            switched_off=self.safe_mode.off,
            safe_causes=self.safe_mode.causes,
        )


def _baseline(context: DecisionContext, taken: PlanV1) -> PlanV1 | None:
    """What the rules would have done in the same context, for comparison; None when they did decide."""
    if taken.controller in ("rules", "safe_mode"):
        return None
    plan = rules.decide(context).plan
    return plan.model_copy(update={"id": f"{plan.id}-rules", "shadow": True})
