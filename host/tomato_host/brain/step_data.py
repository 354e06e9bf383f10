"""What goes into a step of the brain and what comes out of it: settings, circumstances, decisions, results."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from shared_schemas.records import Forecast36hV1, PlanV1, Prediction36hV1, TargetsV1
from tomato_host.brain.control import ControlSettings
from tomato_host.brain.estimator.estimate import Estimate
from tomato_host.brain.estimator.settings import EstimatorSettings
from tomato_host.brain.guardrails.guardrails import Verdict
from tomato_host.brain.guardrails.settings import GuardSettings
from tomato_host.brain.part_failures import PartChange
from tomato_host.brain.safe_mode import SafeModeSettings, SafeModeStep
from tomato_host.brain.settings import DEFAULT_TENT, BudgetSettings, SiteSettings
from tomato_host.brain.world_model.settings import WorldModelSettings
from tomato_host.brain.world_model.weather_adapter import AdaptedTargets


@dataclass(frozen=True, slots=True)
class BrainSettings:
    """The settings of every part of the brain."""

    site: SiteSettings = field(default_factory=SiteSettings)
    budgets: BudgetSettings = field(default_factory=BudgetSettings)
    estimator: EstimatorSettings = field(default_factory=EstimatorSettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    guardrails: GuardSettings = field(default_factory=GuardSettings)
    safe_mode: SafeModeSettings = field(default_factory=SafeModeSettings)
    world_model: WorldModelSettings = field(default_factory=WorldModelSettings)
    tent: str = DEFAULT_TENT
    """Name of the tent: its agents and their ids are its own."""


@dataclass(frozen=True, slots=True)
class RuntimeContext:
    """What the process knows and no observation says. Spans in seconds."""

    now: datetime
    link_up: bool = True
    link_down_s: float = 0.0
    operator_paused: bool = False
    operator_wants_safe: bool = False
    operator_acknowledges: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision: its plan, and the guardrails' verdict on each of its proposals, in their order."""

    plan: PlanV1
    verdicts: tuple[Verdict, ...]
    baseline: PlanV1 | None = None
    """What the rules would have done, when another controller decided."""


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one observation led to. Everything but the estimate is None for a late one (backlog)."""

    estimate: Estimate
    safe_mode: SafeModeStep | None = None
    rebuilt: AdaptedTargets | None = None
    """Targets and attention for the day, when they were made anew."""
    why: str | None = None
    prediction: Prediction36hV1 | None = None
    """What was expected when the decision was taken."""
    decision: Decision | None = None
    failures: tuple[PartChange, ...] = ()
    """Parts that have begun to fail, or work again."""


@dataclass(slots=True)
class CurrentForecasts:
    """What is expected: weather outside, climate inside, and the targets bent to it."""

    weather: Forecast36hV1 | None = None
    prediction: Prediction36hV1 | None = None
    targets: TargetsV1 | None = None
