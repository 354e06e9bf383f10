"""plan_v1: what was decided for the coming hours, what was not, and why."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from shared_schemas.records.base import Identifier, Listed, Part, Record, ShortText, Timestamp
from shared_schemas.records.device_fields import PlanStep as PlanStep


class Score(Part):
    """The objective and its terms, all unit-free."""

    j: FiniteFloat
    yield_proxy: FiniteFloat = 0.0
    stress: FiniteFloat = 0.0
    resource_use: FiniteFloat = 0.0
    action_churn: FiniteFloat = 0.0


class CropCost(Part):
    """One of the crop's own terms in the stress of a plan: what no band shows (docs/control.md)."""

    name: ShortText
    weight: Annotated[FiniteFloat, Field(ge=0.0)]
    """What an hour of it takes from J: the weight of stress times the term's own."""
    cost: Annotated[FiniteFloat, Field(ge=0.0)]
    """Mean of an hour; 0: all limits are kept, 1: an hour well outside."""
    decided: bool = False
    """The plan that would have been best without the crop's terms lost by it."""


class RejectedPlan(Part):
    """A plan that lost, by how much and why."""

    summary: ShortText
    score: Score
    why: ShortText


class PlanV1(Record):
    """A decision. A rule policy's plan has no score; a planner's has, with the three best that lost.

    Example:
        {"schema_version": "plan_v1", "ts": "2026-02-14T10:00:05+01:00", "id": "p-000005", "controller": "rules",
         "state_ts": "2026-02-14T10:00:00+01:00", "horizon_h": 2.0, "steps": [
         {"start": "2026-02-14T10:00:00+01:00", "water_ml": 200.0, "light": 1.0, "circulation_fan": 0.5}],
         "rules_fired": ["soil.P1 < 18%"], "not_done": ["CO2: exhaust is on"], "explanation":
         "P1 is dry at 15.6 %, so 200 ml now."}
    """

    schema_version: Literal["plan_v1"]
    id: Identifier
    controller: Literal["rules", "mpc", "fixed_timer", "safe_mode", "learned"]
    state_ts: Timestamp
    horizon_h: Annotated[FiniteFloat, Field(gt=0.0, le=72.0)]
    steps: Annotated[tuple[PlanStep, ...], Listed]
    rules_fired: Annotated[tuple[str, ...], Listed] = ()
    not_done: Annotated[tuple[str, ...], Listed] = ()
    score: Score | None = None
    rejected: Annotated[tuple[RejectedPlan, ...], Listed, Field(max_length=3)] = ()
    crop_costs: Annotated[tuple[CropCost, ...], Listed] = ()
    """A planner's plan: every term that the growth stage has, those that cost nothing included."""
    tasks: Annotated[tuple[ShortText, ...], Listed] = ()
    """What a person should do that no output can, in plain words; shown on the page until a plan no longer says it."""
    explanation: ShortText = ""
    shadow: bool = False
    """True: what the rules would have done, published for comparison; nothing of it was carried out."""
    planning_ms: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    """Null in simulated runs: wall time would break byte equality."""
