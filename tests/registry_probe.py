"""Asks an installation, in a process of its own, what it makes of the outputs of its registry; prints JSON.

Run with PYTHONPATH on the tree to ask (`tests/test_registry.py` does): a copy of the product whose registry has other
rows, and nothing else changed but what is generated from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tomato_host.brain.control import ControlSettings, DecisionContext
from tomato_host.brain.control.context import ControlDecision
from tomato_host.brain.control.planner.mpc import PlannerModel, planner
from tomato_host.brain.estimator.channels import CHANNELS, EXCUSE_LASTS_S, SWITCHING
from tomato_host.brain.estimator.pipeline import Estimator
from tomato_host.brain.guardrails import GuardContext, Guardrails
from tomato_host.brain.safe_mode.causes import CAUSE_BY_NAME
from tomato_host.brain.step_data import BrainSettings
from tomato_host.brain.world_model.data import RolloutInputs, RolloutStart
from tomato_host.brain.world_model.dynamics import TentDynamics
from tomato_host.twin.campaign.matrix import START
from tomato_host.twin.campaign.tent_run import TentRun
from tomato_host.twin.params import TentParams
from tomato_host.twin.simulated_tent import SimulatedTent

from shared_schemas.devices import LAMP, OUTPUTS, PLAN_COLUMNS
from shared_schemas.records import ActionV1, ObservationV1, StateV1

NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)


def _state(rh_confidence: float = 0.9, rh_pct: float = 50.0) -> StateV1:
    outputs = {row.name: "ON" if row is LAMP else "OFF" for row in OUTPUTS}
    return StateV1.model_validate(
        {
            "schema_version": "state_v1",
            "ts": NOON,
            "env": {"air_temp_c": 26.0, "rh_pct": rh_pct, "co2_ppm": 600.0, "vpd_kpa": 1.7},
            "plant": {"leaf_temp_c": 25.0, "leaf_air_delta_c": -1.0},
            "soil": {
                "temp_c": 20.0,
                "avg_moisture_pct": 30.0,
                "zone_pattern": "uniform",
                "probes": [{"id": "P1", "moisture_pct": 30.0, "confidence": 0.9}],
            },
            "devices": {**outputs, "mcu_connected": True, "last_reset_ts": None},
            "budgets": {
                "water_ml_used_today": 300.0,
                "water_ml_budget_today": 2200.0,
                "co2_seconds_used_today": 0.0,
                "co2_seconds_budget_today": 300.0,
            },
            "confidence": 0.9,
            "quantity_confidence": {"rh_pct": rh_confidence},
        }
    )


def _model(context: DecisionContext) -> PlannerModel:
    dynamics, start = TentDynamics(("soil.P1",)), RolloutStart(26.0, 1.6, np.array([30.0]))

    def roll(plans: NDArray[np.float64]) -> Mapping[str, NDArray[np.float64]]:
        known = (np.full(plans.shape[1], value) for value in (22.0, 1.2, 0.0, 3.0))
        found = dynamics.roll(start, RolloutInputs(plans, *known))
        return {**found, "soil.P1": found["soil"][0]}

    return PlannerModel(roll, ("soil.P1",))


def _planned() -> ControlDecision:
    settings = ControlSettings(policy="mpc", horizon_h=24)
    return planner(_model, lambda: 0.0)(DecisionContext(now=NOON, state=_state(), settings=settings))


def _verdict(action: str, seconds: float, origin: str = "person", leak: bool = False, **state: float) -> dict[str, Any]:
    proposal = ActionV1.model_validate(
        {
            "schema_version": "action_v1",
            "ts": NOON,
            "type": action,
            "params": {"state": "ON", "seconds": seconds},
            "why": {"text": "made up"},
            "id": "a-1",
            "origin": origin,
        }
    )
    now = NOON + timedelta(seconds=1)
    verdict = Guardrails().judge(proposal, GuardContext(now=now, state=_state(**state), leak=leak))
    return {"allowed": verdict.allowed, "rule": verdict.rule, "s": verdict.action.params.seconds}


def _tent_hour() -> dict[str, Any]:
    """The whole brain for an hour on a simulated tent with the firmware's core."""
    tent = SimulatedTent(1, TentParams.sample(1), None, START, 60.0)
    run = TentRun(tent, BrainSettings(control=ControlSettings(policy="rules")))
    result = None
    while tent.now_ms < 3_600_000:
        result = run.step()
    assert result is not None and run.brain.memory.last_plan is not None
    observation = tent.next_observation(60_000)
    assert observation is not None
    extra = {"pressure_hpa": 1_004.0} if "pressure_hpa" in ObservationV1.model_fields else {}
    stated = Estimator().step(observation.model_copy(update=extra), tent.device_status()).state
    return {
        "missing": dict(observation.missing),
        "env": stated.env.model_dump(mode="json"),
        "probes": [probe.id for probe in stated.soil.probes],
        "devices": result.estimate.state.devices.model_dump(mode="json"),
        "step": run.brain.memory.last_plan.steps[0].model_dump(mode="json"),
    }


def main() -> None:
    """Print what the tree says."""
    planned, last = _planned(), OUTPUTS[-1]
    limits = Guardrails().limits
    print(
        json.dumps(
            {
                "outputs": [row.name for row in OUTPUTS],
                "columns": list(PLAN_COLUMNS),
                "controller": planned.plan.controller,
                "plan": [{column: getattr(step, column) for column in PLAN_COLUMNS} for step in planned.plan.steps],
                "asked": [proposal.type.value for proposal in planned.proposals],
                "limits": {kind: [row.output, row.hour_milli, row.day_milli] for kind, row in limits.items()},
                "verdicts": {
                    "plain": _verdict(last.action, 60.0),
                    "too_long": _verdict(last.action, 5_000.0),
                    "leak": _verdict(last.action, 60.0, leak=True),
                    "too_humid": _verdict(last.action, 60.0, rh_pct=91.0),
                    "blind": _verdict(last.action, 60.0, rh_confidence=0.1),
                    "llm": _verdict(last.action, 60.0, origin="llm"),
                },
                "off_at_frost": list(CAUSE_BY_NAME["frost_risk"].switch_off),
                "excuses": {
                    row.name: [
                        [c.name for c in CHANNELS if c.excused_by & SWITCHING[row.name]],
                        EXCUSE_LASTS_S[SWITCHING[row.name]],
                    ]
                    for row in OUTPUTS
                    if row.explains
                },
                "tent": _tent_hour(),
            }
        )
    )


if __name__ == "__main__":
    main()
