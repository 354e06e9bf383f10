"""What a controller gets and what it returns: plain frozen data, no hidden state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared_schemas.records.action_v1 import ActionV1
from shared_schemas.records.base import Mode
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1
from shared_schemas.records.plan_v1 import PlanV1
from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from shared_schemas.records.state_v1 import StateV1
from shared_schemas.records.targets_v1 import TargetsV1
from tomato_host.brain.control.parameter_estimation import ParameterEstimate, prior_estimate
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.settings import BudgetSettings, SiteSettings

RECENT_H = 0.5


@dataclass(frozen=True, slots=True)
class ControllerMemory:
    """What a controller remembers from one decision to the next. The runtime keeps it and passes it in again."""

    decided_at: datetime | None = None
    decisions: int = 0
    """Counts up; gives plans and actions their ids."""
    duty: Mapping[str, float] = field(default_factory=dict)
    """Share of the time that each output was given in the last decision, 0..1."""
    last_water_at: datetime | None = None
    usual_water_ml: float = 0.0
    """Water of a day as it has been lately, in ml, while every probe was trusted."""
    last_plan: PlanV1 | None = None
    light_edge_at: datetime | None = None
    """When the light hours next begin or end, as seen at the last decision; passing it is an event."""
    mode: Mode = "NORMAL"
    tent: ParameterEstimate = field(default_factory=prior_estimate)
    """What the planner believes of the tent, from what it saw duties do."""


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """Everything a decision may rest on."""

    now: datetime
    state: StateV1
    settings: ControlSettings = field(default_factory=ControlSettings)
    site: SiteSettings = field(default_factory=SiteSettings)
    budgets: BudgetSettings = field(default_factory=BudgetSettings)
    targets: TargetsV1 | None = None
    prediction: Prediction36hV1 | None = None
    forecast: Forecast36hV1 | None = None
    memory: ControllerMemory = field(default_factory=ControllerMemory)
    mode: Mode = "NORMAL"
    safe_causes: tuple[str, ...] = ()
    """Causes that hold safe mode."""
    switched_off: tuple[str, ...] = ()
    """Outputs that safe mode keeps off."""
    recent: Mapping[str, float] = field(default_factory=dict)
    """Means over the last `RECENT_H` hours of vpd_kpa, air_temp_c, rh_pct: fans work in strokes, leaves feel means.
    Shares of the same time that outputs were seen on (`plan_columns.MEASURED_ON`), which show what was cut short."""
    used: Mapping[str, float] = field(default_factory=dict)
    """By output: s or ml of the last 24 h by the ledger, those under way included; empty without a ledger."""
    event: str | None = None
    """Why this decision is taken outside the cycle; None on the cycle."""


@dataclass(frozen=True, slots=True)
class ControlDecision:
    """The plan, the actions it asks for now (NO_ACTION when there are none), and the memory for the next decision."""

    plan: PlanV1
    proposals: tuple[ActionV1, ...]
    memory: ControllerMemory
