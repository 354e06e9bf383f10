"""From requests to records: the same few lines for every controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from shared_schemas.devices import OUTPUT_BY_NAME, OUTPUTS, PUMP, Output
from shared_schemas.records.action_v1 import OUTPUT_OF, ActionType, ActionV1, Origin, Params, Why
from shared_schemas.records.plan_v1 import CropCost, PlanStep, PlanV1, RejectedPlan, Score
from tomato_host.brain.control.context import ControlDecision, ControllerMemory, DecisionContext
from tomato_host.brain.control.targets import setpoints_at
from tomato_host.brain.control.water_usage import usual_water_ml

TYPE_OF: dict[str, ActionType] = {output: kind for kind, output in OUTPUT_OF.items()}
MIN_S, MIN_ML = 1.0, 5.0
PROPOSAL_LIFETIME_S = 120
"""A proposal not carried out within this time is not carried out at all."""
OVERLAP_S = 60.0
"""What is wanted for the whole cycle reaches this far into the next one, so that the next decision takes over a light
that still shines: a gap of a moment would cost the lamp's minimum pause."""
Controller = Literal["rules", "mpc", "fixed_timer", "safe_mode", "learned"]


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """What a rule says of one output. `amount` in ml for the pump, seconds for the rest; 0 means off."""

    output: str
    amount: float
    text: str
    """Why, in words a grower uses."""
    fired: tuple[str, ...] = ()
    hint: str = ""
    spread: bool = False
    """True: a duty over the cycle; False: at once."""
    pulses: int = 1
    strokes: int | None = None
    """In how many strokes a duty is given; None: as many as the executor gives one."""


def stamp(context: DecisionContext) -> str:
    """A decision's name: its second in UTC, so that names never repeat after a restart.

    Where the clock has been set back and may pass the same second again, the count of decisions is added.
    """
    memory, name = context.memory, context.now.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return name if memory.named_at is None or context.now > memory.named_at else f"{name}-{memory.decisions}"


def _params(request: OutputRequest, cycle_s: float) -> Params:
    row = OUTPUT_BY_NAME[request.output]
    if row.kind == "pump":
        return Params(ml=float(round(request.amount)), pulses=request.pulses)
    period_s = float(cycle_s) if request.spread else None
    state: Literal["ON"] | None = "ON" if row.kind == "relay" else None
    seconds = request.amount
    if state and not request.spread and request.amount >= cycle_s:
        seconds += OVERLAP_S
    strokes = request.strokes if request.spread else None
    return Params(state=state, seconds=round(seconds, 1), period_s=period_s, pulses=strokes)


def _action(
    context: DecisionContext, kind: ActionType, params: Params, why: Why, index: int, origin: Origin
) -> ActionV1:
    name = stamp(context)
    return ActionV1(
        schema_version="action_v1",
        ts=context.now,
        type=kind,
        params=params,
        why=why,
        id=f"a-{name}-{index}",
        origin=origin,
        not_after=context.now + timedelta(seconds=PROPOSAL_LIFETIME_S),
        decision_id=f"p-{name}",
    )


def propose(
    context: DecisionContext, requests: Sequence[OutputRequest], origin: Origin = "controller"
) -> tuple[ActionV1, ...]:
    """The requests as proposals: ON for the wanted, OFF for what ran and is no longer wanted, else one NO_ACTION."""
    state, actions = context.state, list[ActionV1]()
    for request in requests:
        why = Why(rules_fired=request.fired, objective_hint=request.hint, text=request.text[:240], state_ts=state.ts)
        kind = TYPE_OF[request.output]
        if request.amount > 0.0:
            params = _params(request, context.settings.cycle_s)
        elif OUTPUT_BY_NAME[request.output].kind == "relay" and _may_run(context.memory, request.output):
            params = Params(state="OFF")
        else:
            continue
        actions.append(_action(context, kind, params, why, len(actions), origin))
    if not actions:
        text = "; ".join(f"{request.output}: {request.text}" for request in requests)[:240]
        why = Why(objective_hint="nothing to do", text=text, state_ts=state.ts)
        actions.append(_action(context, ActionType.NO_ACTION, Params(), why, 0, origin))
    return tuple(actions)


def _may_run(memory: ControllerMemory, output: str) -> bool:
    """Whether an earlier decision has asked for it: it may be on, and is to be switched off."""
    return memory.duty.get(output, 0.0) > 0.0 or output in memory.still_on


def duties(requests: Sequence[OutputRequest], cycle_s: float) -> dict[str, float]:
    """Share of the cycle each output is on, 0..1; the pump has none."""
    return {w.output: min(1.0, w.amount / cycle_s) for w in requests if OUTPUT_BY_NAME[w.output].kind != "pump"}


def cycle_steps(context: DecisionContext, requests: Sequence[OutputRequest]) -> tuple[PlanStep, ...]:
    """The coming cycle hour by hour, as far as one decision reaches: water now, duties even, light at its front."""
    cycle_s = context.settings.cycle_s
    amounts = {w.output: w.amount for w in requests}
    steps = []
    for hour in range(max(1, -(-cycle_s // 3_600))):
        columns = {row.column: _in_hour(row, amounts.get(row.name, 0.0), cycle_s, hour) for row in OUTPUTS}
        steps.append(PlanStep(start=context.now + timedelta(hours=hour), **columns))
    return tuple(steps)


def _in_hour(row: Output, amount: float, cycle_s: float, hour: int) -> float:
    """What an output gives in one hour of the cycle, in the unit of its column."""
    if row.kind == "pump":
        return amount if hour == 0 else 0.0
    span_s = min(3_600.0, cycle_s - hour * 3_600.0)
    if row.lights:
        return min(1.0, max(0.0, (amount - hour * 3_600.0) / span_s))
    share = min(1.0, amount / cycle_s)
    return share if row.kind == "relay" else share * span_s


def _light_edge(context: DecisionContext) -> datetime | None:
    """When the light hours next begin or end within the cycle; None where neither happens."""
    setpoints, cycle_s = setpoints_at(context.now, context), context.settings.cycle_s
    edge_s = setpoints.light_for_s if setpoints.light_hours else setpoints.light_starts_in_s
    return context.now + timedelta(seconds=edge_s) if edge_s < cycle_s else None


def worthwhile(request: OutputRequest) -> OutputRequest:
    """The request, or nothing where the amount is not worth a relay's stroke: below 1 s, below 5 ml."""
    least = MIN_ML if OUTPUT_BY_NAME[request.output].kind == "pump" else MIN_S
    return (
        replace(request, amount=0.0, text=f"too little to be worth it: {request.text}"[:240])
        if (0.0 < request.amount < least)
        else request
    )


def _binding_first(request: OutputRequest, context: DecisionContext) -> OutputRequest:
    """What safe mode keeps off is off for its causes, whatever else would be said of it or be asked for."""
    if request.output not in context.switched_off or not context.safe_causes:
        return request
    return replace(request, amount=0.0, text=f"safe mode keeps it off: {', '.join(context.safe_causes)}")


def build_decision(
    context: DecisionContext,
    controller: Controller,
    requests: Sequence[OutputRequest],
    *,
    steps: tuple[PlanStep, ...] | None = None,
    horizon_h: float | None = None,
    score: Score | None = None,
    rejected: tuple[RejectedPlan, ...] = (),
    crop_costs: tuple[CropCost, ...] = (),
    tasks: tuple[str, ...] = (),
    explanation: str = "",
) -> ControlDecision:
    """Plan, proposals and the memory for next time, from the requests of one decision."""
    requests = [_binding_first(worthwhile(request), context) for request in requests]
    wanted = [w for w in requests if w.amount > 0.0]
    plan = PlanV1(
        schema_version="plan_v1",
        ts=context.now,
        id=f"p-{stamp(context)}",
        controller=controller,
        state_ts=context.state.ts,
        horizon_h=horizon_h or context.settings.cycle_s / 3_600.0,
        steps=steps if steps is not None else cycle_steps(context, requests),
        rules_fired=tuple(dict.fromkeys(rule for w in wanted for rule in w.fired)),
        not_done=tuple(f"{w.output}: {w.text}"[:240] for w in requests if w.amount <= 0.0),
        score=score,
        rejected=rejected,
        crop_costs=crop_costs,
        tasks=tasks,
        explanation=(explanation or "; ".join(w.text for w in wanted) or "nothing to do")[:240],
    )
    watered = any(w.output == PUMP.name for w in wanted)
    memory = replace(
        context.memory,
        decided_at=context.now,
        decisions=context.memory.decisions + 1,
        still_on=(),
        named_at=max(context.now, context.memory.named_at or context.now),
        duty=duties(requests, context.settings.cycle_s),
        last_plan=plan,
        mode=context.mode,
        last_water_at=context.now if watered else context.memory.last_water_at,
        light_edge_at=_light_edge(context),
        usual_water_ml=usual_water_ml(context),
    )
    return ControlDecision(
        plan, propose(context, requests, "safe_mode" if controller == "safe_mode" else "controller"), memory
    )
