"""action_v1: a proposal on its way to the board, its verdict, and what became of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, model_validator

from shared_schemas.devices import OUTPUTS
from shared_schemas.records.base import Identifier, Listed, Part, Record, ShortText, Timestamp
from shared_schemas.records.device_fields import OUTPUT_OF as OUTPUT_OF
from shared_schemas.records.device_fields import ActionType as ActionType

Origin = Literal["controller", "person", "safe_mode", "llm", "policy", "mqtt", "api"]
Status = Literal[
    "PROPOSED", "ACCEPTED", "CLIPPED", "REFUSED", "SENT", "DONE", "ABORTED", "REJECTED_BY_BOARD", "EXPIRED"
]


TraceParent = Annotated[str, Field(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")]
"""W3C trace context of the request, so that one trace spans client and host."""


class Params(Part):
    """How much. WATER: `ml` in `pulses` pulses. SET_*: `state` ON for `seconds`, or OFF. CO2_INJECT: `seconds`.

    With `period_s`, `pulses` is in how many strokes a relay's time is given; null: one each quarter of an hour.
    """

    ml: Annotated[FiniteFloat, Field(gt=0.0, le=10_000.0)] | None = None
    pulses: Annotated[int, Field(ge=1, le=100)] | None = None
    seconds: Annotated[FiniteFloat, Field(gt=0.0, le=86_400.0)] | None = None
    state: Literal["ON", "OFF"] | None = None
    period_s: Annotated[FiniteFloat, Field(gt=0.0, le=86_400.0)] | None = None
    """Spread the on-time evenly over this many seconds from now (a duty); null: all of it at once, from now."""


class Why(Part):
    """The reason, in a form that can be checked and shown."""

    rules_fired: Annotated[tuple[str, ...], Listed] = ()
    objective_hint: str = ""
    text: ShortText = ""
    state_ts: Timestamp | None = None
    """The `ts` of the state snapshot this was decided on."""


class Check(Part):
    """One guardrail's word: the rule, the value it saw, the limit it holds."""

    rule: Identifier
    ok: bool
    value: FiniteFloat | None = None
    limit: FiniteFloat | None = None
    unit: Annotated[str, Field(max_length=20)] = ""
    """Of value and limit; empty where they are no quantities."""
    again_ts: Timestamp | None = None
    """When the same proposal may pass, as far as this rule goes; null where nobody can know."""
    text: ShortText = ""
    """The sentence for people, with value, unit, limit and that time."""


class Safety(Part):
    """The verdict of the guardrails."""

    validated: bool
    guardrails: Annotated[tuple[str, ...], Listed] = ()
    refused_by: Identifier | None = None
    clipped_by: Annotated[tuple[str, ...], Listed] = ()
    checks: Annotated[tuple[Check, ...], Listed] = ()
    asked: Params | None = None
    """What an outside client had asked for, where the verdict has lowered it: a repeat of its id is known by this."""


class Outcome(Part):
    """What the board says really happened."""

    status: Status
    delivered_ml: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    delivered_s: Annotated[FiniteFloat, Field(ge=0.0)] | None = None
    reason: ShortText = ""
    cmd_ids: Annotated[tuple[int, ...], Listed] = ()
    finished_ts: Timestamp | None = None


_NEEDS: dict[ActionType, str] = {
    ActionType(row.action): "ml" if row.dose_unit == "ml" else "seconds" for row in OUTPUTS if row.kind != "relay"
}
"""The amount that an action of a pump or a valve must name."""


class ActionV1(Record):
    """An action asked for. The same record, appended again, carries the verdict and the outcome.

    Example:
        {"schema_version": "action_v1", "ts": "2026-02-14T10:00:05+01:00", "type": "WATER",
         "params": {"ml": 200.0, "pulses": 1}, "why": {"rules_fired": ["soil.P1 < 18%"],
         "objective_hint": "reduce_water_stress"}, "safety": {"validated": true,
         "guardrails": ["daily_water_budget", "max_pulse_ml", "min_interval"]}, "id": "a-000017",
         "origin": "controller", "outcome": {"status": "DONE", "delivered_ml": 199.0}}
    """

    schema_version: Literal["action_v1"]
    type: Annotated[ActionType, Field(strict=False)]
    params: Params = Params()
    why: Why = Why()
    safety: Safety = Safety(validated=False)
    id: Identifier | None = None
    origin: Origin = "controller"
    not_after: Timestamp | None = None
    """A proposal older than this moves nothing."""
    outcome: Outcome | None = None
    decision_id: Identifier | None = None
    agent: Identifier | None = None
    """The agent of the shared world that proposed it (`agent_v1`)."""
    context_seq: Annotated[int, Field(ge=0)] | None = None
    """Number of the agent's view that the proposal rests on; null: staleness is not checked."""
    shadow: bool = False
    """Judged and recorded, but never carried out."""
    deadline_ms: Annotated[int, Field(ge=0, le=3_600_000)] | None = None
    """Longest wait at admission; past it the answer is TIMEOUT."""
    trace: TraceParent | None = None

    @model_validator(mode="after")
    def _params_fit_the_type(self) -> ActionV1:
        kind = self.type
        if kind in (ActionType.STOP_ALL, ActionType.NO_ACTION):
            if self.params != Params():
                raise ValueError(f"{kind.value} takes no params")
            return self
        if kind.value.startswith("SET_"):
            if self.params.state is None:
                raise ValueError(f"{kind.value} needs params.state ON or OFF")
            if self.params.state == "ON" and self.params.seconds is None:
                raise ValueError(f"{kind.value} ON needs params.seconds: nothing is ever ON without an end")
            return self
        if getattr(self.params, _NEEDS[kind]) is None:
            raise ValueError(f"{kind.value} needs params.{_NEEDS[kind]}")
        return self
