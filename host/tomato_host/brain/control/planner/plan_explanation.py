"""A plan's score and the plans it was preferred to, in the record's figures and in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared_schemas.devices import MAT, OUTPUTS, PLAN_COLUMNS, plan_order
from shared_schemas.records.plan_v1 import CropCost, RejectedPlan, Score
from tomato_host.brain.control.control_inputs import ControlInputs
from tomato_host.brain.control.plan_columns import VENT_K
from tomato_host.brain.control.planner.beam_search import SearchResult
from tomato_host.brain.control.planner.crop_terms import CROP_TERMS, deciding
from tomato_host.brain.control.planner.objective import Terms, Weights
from tomato_host.brain.control.proposals import OutputRequest
from tomato_host.brain.control.rules import co2

Array = NDArray[np.float64]
NOTABLE = np.array([{"pump": 100.0, "relay": 1.0, "valve": 30.0}[row.kind] for row in plan_order(OUTPUTS)])
"""By column: a difference that is as notable as a relay that is on instead of off, in ml, hours and s."""


def score_of(terms: Terms, index: int) -> Score:
    return Score(
        j=round(float(terms.j[index]), 6),
        yield_proxy=round(float(terms.yield_proxy[index]), 6),
        stress=round(float(terms.stress[index]), 6),
        resource_use=round(float(terms.resource_use[index]), 6),
        action_churn=round(float(terms.action_churn[index]), 6),
    )


def rejected(found: SearchResult, terms: Terms) -> tuple[RejectedPlan, ...]:
    """The next best plans: what differs from the chosen one, and which term decided."""
    rows = []
    for index in range(1, min(4, len(found.plans))):
        rows.append(
            RejectedPlan(
                summary=_difference(found.plans[0], found.plans[index]),
                score=score_of(terms, index),
                why=_why(terms, index),
            )
        )
    return tuple(rows)


def _difference(best: Array, other: Array) -> str:
    """The output and hours in which another plan differs most, in words."""
    gap = np.abs(other - best) / NOTABLE
    column = int(gap.sum(axis=0).argmax())
    hours = np.flatnonzero(gap[:, column] > 1e-9)
    if len(hours) == 0:
        return "the same but for roundings"
    name = PLAN_COLUMNS[column]
    mine, theirs = best[hours, column].mean(), other[hours, column].mean()
    return f"{name} {theirs:.2f} instead of {mine:.2f} in hours {hours[0]}-{hours[-1]}"


def _why(terms: Terms, index: int) -> str:
    parts = {
        "more stress": float(terms.stress[index] - terms.stress[0]),
        "less yield": float(terms.yield_proxy[0] - terms.yield_proxy[index]),
        "more use": float(terms.resource_use[index] - terms.resource_use[0]),
        "more switching": float(terms.action_churn[index] - terms.action_churn[0]) / 20.0,
    }
    for term in CROP_TERMS:
        if term.name in terms.crop:  # a part of the stress, named where it is the largest part
            cost = terms.crop[term.name]
            parts[f"more {term.name}"] = term.weight * float(cost[index] - cost[0])
            parts["more stress"] -= parts[f"more {term.name}"]
    name = max(parts, key=lambda key: parts[key])
    return f"J {terms.j[index]:.4f} against {terms.j[0]:.4f}: {name}"


def duty_reason(inputs: ControlInputs, output: str, share: float) -> str:
    """A duty with the readings that it answers to: the root zone's for the mat, the air's for the others."""
    duty = (
        f"{output.replace('_', ' ')} {share * 100.0:.3g} % of the time" if share > 0.0 else "not worth it in this plan"
    )
    if output == MAT.name:
        soil_c = inputs.soil_temp_c
        now = "no trusted soil temperature" if soil_c is None else f"soil at {soil_c:.1f} degC"
        return f"{duty}: {now}, wanted from {inputs.setpoints.soil_temp_low_c:g} degC on"
    low, high = inputs.setpoints.vpd_kpa
    air = "" if inputs.air_temp_c is None else f", air {inputs.air_temp_c:.1f} degC"
    return f"{duty}: {inputs.vpd_text}, wanted {low:g}-{high:g} kPa{air}"


def gas_reason(inputs: ControlInputs, seconds: float, first_hour: Array) -> str:
    """Seconds of gas, or what forbids it before the plan's own judgement does."""
    now = "" if inputs.co2_ppm is None else f": {inputs.co2_ppm:.0f} ppm, wanted {inputs.setpoints.co2_ppm:g} ppm"
    if seconds > 0.0:
        return f"{seconds:.0f} s of gas{now}"
    rule = co2(inputs, float(first_hour[VENT_K]))
    return rule.text if rule.amount <= 0.0 else f"not worth it in this plan{now}"


def crop_costs(terms: Terms, rivals: Terms, weights: Weights) -> tuple[CropCost, ...]:
    """The crop's terms of the best plan with their weights; `rivals` are plans that it was preferred to."""
    j = np.concatenate([terms.j[:1], rivals.j])
    by_term = {name: np.concatenate([cost[:1], rivals.crop[name]]) for name, cost in terms.crop.items()}
    decided = deciding(j, by_term, weights.stress)
    return tuple(
        CropCost(
            name=term.name,
            weight=round(weights.stress * term.weight, 6),
            cost=round(float(terms.crop[term.name][0]), 6),
            decided=term.name in decided,
        )
        for term in CROP_TERMS
        if term.name in terms.crop
    )


def explain(requests: list[OutputRequest], terms: Terms, crop: tuple[CropCost, ...] = ()) -> str:
    # The readings stand with each action; here they would push the last ones out.
    doing = "; ".join(w.text.partition(": VPD ")[0].partition(": soil at ")[0] for w in requests if w.amount > 0.0)
    decided = ", ".join(one.name for one in crop if one.decided)
    why = f", decided by {decided}" if decided else ""
    return f"J {terms.j[0]:.3f}, stress {terms.stress[0]:.3f} per hour{why}: {doing}"
