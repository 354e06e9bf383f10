"""What a controller gets and what it returns: plain frozen data, no hidden state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared_schemas.records.action_v1 import ActionV1
from shared_schemas.records.base import Mode
from shared_schemas.records.forecast_36h_v1 import Forecast36hV1
from shared_schemas.records.plan_v1 import PlanV1
from shared_schemas.records.prediction_36h_v1 import Prediction36hV1
from shared_schemas.records.state_v1 import StateV1
from shared_schemas.records.targets_v1 import TargetsV1
from tomato_host.brain.control.model_error import ModelError
from tomato_host.brain.control.parameter_estimation import ParameterEstimate, prior_estimate
from tomato_host.brain.control.settings import ControlSettings
from tomato_host.brain.control.strokes import SLOT_S
from tomato_host.brain.settings import BudgetSettings, SiteSettings

RECENT_S = SLOT_S
"""The air's means cover one whole period of strokes: a part of one holds more of the stroke, or of the pause."""
RECENT_H = RECENT_S / 3_600.0


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
    model_error: ModelError = field(default_factory=ModelError)
    """How far that has been from what this tent did."""
    debt_h: float = 0.0
    """Stress hours that the planner's choices of about a week may have cost beyond the rules' (the safeguard)."""
    named_at: datetime | None = None
    """The newest moment that gave a decision its name; names must not repeat when the clock is set back."""

    clock_off: timedelta = timedelta(0)
    """How far the clock has been set since this process began."""
    first_duty: Mapping[str, float] = field(default_factory=dict)
    """The duties of before the clock was set away from what it showed first."""
    still_on: tuple[str, ...] = ()
    """Outputs that a forgotten duty may have left on: to be switched off where they are not wanted."""

    def moved(self, by: timedelta) -> ControllerMemory:
        """The same memory after the wall clock was set by this much.

        The edge of the light hours is forgotten: it is the wall's. So are the duties of another time of day, for rules
        that go on from the last share would carry what a false night asked for into the whole day; when the clock comes
        back to what it showed first, the duties of then hold again.
        """
        off, duty, first = self.clock_off + by, self.duty, self.first_duty
        if abs(by) >= OTHER_TIME_OF_DAY:
            first = duty if abs(self.clock_off) < OTHER_TIME_OF_DAY else first
            duty = first if abs(off) < OTHER_TIME_OF_DAY else {}
        return replace(
            self,
            decided_at=later(self.decided_at, by),
            last_water_at=later(self.last_water_at, by),
            light_edge_at=None,
            tent=replace(self.tent, at=later(self.tent.at, by)),
            duty=duty,
            clock_off=off,
            first_duty=first,
            still_on=tuple(sorted({*self.still_on, *(name for name, share in self.duty.items() if share > 0.0)})),
        )


OTHER_TIME_OF_DAY = timedelta(minutes=15)
"""A clock set by less corrects itself; by more it shows another time of day."""


def later(moment: datetime | None, by: timedelta) -> datetime | None:
    """A moment as the clock shows it after it was set; None stays None."""
    return None if moment is None else moment + by


def elapsed_s(now: datetime, then: datetime | None) -> float | None:
    """Seconds since `then`; None for never, and for a moment that lies in the future: a clock was ahead then."""
    since_s = None if then is None else (now - then).total_seconds()
    return None if since_s is None or since_s < 0.0 else since_s


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
    recent_s: float = RECENT_S
    """How long the time is that `recent` covers: less soon after the start."""
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
