"""The brain as one value: when it decides, what it forgets, what it publishes beside its plan."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tomato_host.brain.brain import Brain
from tomato_host.brain.control import ControlDecision, ControlSettings, DecisionContext
from tomato_host.brain.step_data import BrainSettings, RuntimeContext, StepResult
from tomato_host.sources.synthetic import SyntheticSource

from shared_schemas.records import ActionType, DeviceStatusV1, ObservationV1
from shared_schemas.records.action_v1 import Outcome

SITE_ZONE = ZoneInfo("Europe/Vienna")
START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)


def observation(at: datetime, soil_pct: float = 38.0, reservoir_ok: bool = True) -> ObservationV1:
    """A calm day whose readings breathe a little: a flat line would rightly be taken for a dead sensor."""
    swing = math.sin((at - START).total_seconds() / 600.0) + 0.05 * math.sin((at - START).total_seconds() * 7.0)
    return ObservationV1.model_validate(
        {
            "schema_version": "observation_v1",
            "ts": at,
            "origin": "synthetic",
            "air_temp_c": 24.0 + 0.4 * swing,
            "rh_pct": 62.0 - swing,
            "co2_ppm": 600.0 + 20.0 * swing,
            "leaf_temp_c": 23.4 + 0.4 * swing,
            "light_lux": 0.0,
            "soil_temp_c": 20.5 + 0.1 * swing,
            "flow_ml": 0.0,
            "reservoir_ok": reservoir_ok,
            "leak": False,
            "door_open": False,
            "soil": [
                {"id": "P1", "moisture_pct": soil_pct + 0.1 * swing, "raw": 40_000},
                {"id": "P2", "moisture_pct": 38.0 + 0.1 * swing, "raw": 40_000},
            ],
        }
    )


def devices(at: datetime, state: str = "LEASED") -> DeviceStatusV1:
    off = dict.fromkeys(
        ("light", "circulation_fan", "exhaust_fan", "humidifier", "heater_mat", "water_pump", "co2_solenoid"), "OFF"
    )
    return DeviceStatusV1.model_validate(
        {
            "schema_version": "device_status_v1",
            "ts": at,
            "outputs": off,
            "mcu_connected": True,
            "board_state": state,
        }
    )


def live(brain: Brain, minutes: float, begin: datetime = START, **reading: object) -> list[StepResult]:
    """Observations every 10 s."""
    taken = []
    for step in range(int(minutes * 6)):
        at = begin + timedelta(seconds=10 * step)
        taken.append(brain.step(observation(at, **reading), devices(at), RuntimeContext(now=at)))  # type: ignore[arg-type]
    return taken


def judged(taken: list[StepResult]) -> list[StepResult]:
    return [one for one in taken if one.decision is not None]


def test_no_decision_before_the_board_is_leased() -> None:
    brain = Brain()
    for state in ("BOOT", "SAFE", "READY"):
        assert brain.step(observation(START), devices(START, state), RuntimeContext(now=START)).decision is None
    at = START + timedelta(seconds=10)
    assert brain.step(observation(at), devices(at), RuntimeContext(now=at)).why == "first"


def test_a_decision_every_cycle_and_none_between_in_quiet_times() -> None:
    decided = judged(live(Brain(), 250))
    assert [one.why for one in decided] == ["first", "cycle", "cycle"]


def test_a_refused_watering_is_no_watering() -> None:
    brain = Brain()
    taken = judged(live(brain, 3, soil_pct=18.0, reservoir_ok=False))
    refused = [v for v in taken[0].decision.verdicts if v.action.type is ActionType.WATER]  # type: ignore[union-attr]
    assert refused and not refused[0].allowed
    assert brain.memory.last_water_at is None


def test_water_that_never_came_is_no_watering() -> None:
    brain = Brain()
    taken = judged(live(brain, 3, soil_pct=18.0))
    (verdict,) = [v for v in taken[0].decision.verdicts if v.action.type is ActionType.WATER]  # type: ignore[union-attr]
    assert verdict.allowed and brain.memory.last_water_at == verdict.action.ts
    nothing = Outcome(status="REJECTED_BY_BOARD", delivered_ml=0.0, reason="leak")
    brain.add_outcome(verdict.action.model_copy(update={"outcome": nothing}))
    assert brain.memory.last_water_at is None


def test_the_rules_plan_is_published_when_somebody_else_decides() -> None:
    timer = Brain(BrainSettings(control=ControlSettings(policy="timer")))
    decision = judged(live(timer, 3))[0].decision
    assert decision is not None and decision.plan.controller == "fixed_timer"
    assert decision.baseline is not None
    assert (decision.baseline.controller, decision.baseline.shadow) == ("rules", True)
    own = judged(live(Brain(), 3))[0].decision
    assert own is not None and own.baseline is None


def test_the_same_observations_give_the_same_brain() -> None:
    def run() -> list[str]:
        source, brain = SyntheticSource(start=START, seed=4, zone=SITE_ZONE), Brain()
        said = []
        for _ in range(300):
            seen = source.next_observation()
            assert seen is not None
            taken = brain.step(seen, source.device_status(), RuntimeContext(now=seen.ts))
            said.append(taken.estimate.state.to_json())
            if taken.decision is not None:
                said += [taken.decision.plan.to_json(), *(v.action.to_json() for v in taken.decision.verdicts)]
        return said

    assert run() == run()


def _failing(_: DecisionContext | None) -> ControlDecision:
    raise ValueError("operands could not be broadcast together")


def test_where_the_planner_fails_the_rules_decide_and_it_is_told_once() -> None:
    brain, plain = Brain(BrainSettings(control=ControlSettings(policy="mpc"))), Brain()
    works = brain._controllers["mpc"]
    brain.use_controller("mpc", _failing)
    taken, ruled = live(brain, 250, soil_pct=18.0), live(plain, 250, soil_pct=18.0)
    for one, other in zip(judged(taken), judged(ruled), strict=True):
        assert one.decision is not None and other.decision is not None
        assert one.decision.plan.explanation.startswith("the planner failed, the rules decide: ")
        assert one.decision.plan.steps == other.decision.plan.steps
        assert [v.action for v in one.decision.verdicts] == [v.action for v in other.decision.verdicts]
    (told,) = [change for one in taken for change in one.failures]
    assert told.part == "planner" and "ValueError: operands" in told.error and "test_brain, line " in told.error

    brain.use_controller("mpc", works)
    again = live(brain, 125, begin=START + timedelta(minutes=250))
    assert [(change.part, change.error) for one in again for change in one.failures] == [("planner", "")]


@pytest.mark.parametrize("part", ["learning", "forecast"])
def test_a_world_model_that_fails_stops_no_decision(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    brain = Brain()
    live(brain, 1, begin=START - timedelta(days=1))  # so that a night lies between, of which is learned
    method = {"learning": "learn", "forecast": "predict"}[part]
    monkeypatch.setattr(brain.forecast_state, method, lambda *_: _failing(None))
    taken = live(brain, 130)
    assert [one.why for one in judged(taken)] == ["cycle", "cycle"]
    assert [change.part for one in taken for change in one.failures] == [part]
