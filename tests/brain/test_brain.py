"""The mind as one value: when it decides, what it forgets, what it publishes beside its plan."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from tomato_host.brain.brain import Circumstances, Mind, MindSettings, Taken
from tomato_host.brain.control import ControlSettings
from tomato_host.sources.synthetic import SyntheticSource

from shared_schemas.records import ActionType, DeviceStatusV1, ObservationV1
from shared_schemas.records.action_v1 import Outcome

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


def live(mind: Mind, minutes: float, begin: datetime = START, **reading: object) -> list[Taken]:
    """Observations every 10 s."""
    taken = []
    for step in range(int(minutes * 6)):
        at = begin + timedelta(seconds=10 * step)
        taken.append(mind.take(observation(at, **reading), devices(at), Circumstances(now=at)))  # type: ignore[arg-type]
    return taken


def judged(taken: list[Taken]) -> list[Taken]:
    return [one for one in taken if one.judged is not None]


def test_no_decision_before_the_board_is_leased() -> None:
    mind = Mind()
    for state in ("BOOT", "SAFE", "READY"):
        assert mind.take(observation(START), devices(START, state), Circumstances(now=START)).judged is None
    at = START + timedelta(seconds=10)
    assert mind.take(observation(at), devices(at), Circumstances(now=at)).why == "first"


def test_a_decision_every_cycle_and_none_between_in_quiet_times() -> None:
    decided = judged(live(Mind(), 250))
    assert [one.why for one in decided] == ["first", "cycle", "cycle"]


def test_a_refused_watering_is_no_watering() -> None:
    mind = Mind()
    taken = judged(live(mind, 3, soil_pct=18.0, reservoir_ok=False))
    refused = [v for v in taken[0].judged.verdicts if v.action.type is ActionType.WATER]  # type: ignore[union-attr]
    assert refused and not refused[0].allowed
    assert mind.memory.last_water_at is None


def test_water_that_never_came_is_no_watering() -> None:
    mind = Mind()
    taken = judged(live(mind, 3, soil_pct=18.0))
    (verdict,) = [v for v in taken[0].judged.verdicts if v.action.type is ActionType.WATER]  # type: ignore[union-attr]
    assert verdict.allowed and mind.memory.last_water_at == verdict.action.ts
    nothing = Outcome(status="REJECTED_BY_BOARD", delivered_ml=0.0, reason="leak")
    mind.note_outcome(verdict.action.model_copy(update={"outcome": nothing}))
    assert mind.memory.last_water_at is None


def test_the_rules_plan_is_published_when_somebody_else_decides() -> None:
    timer = Mind(MindSettings(control=ControlSettings(policy="timer")))
    decision = judged(live(timer, 3))[0].judged
    assert decision is not None and decision.plan.controller == "fixed_timer"
    assert decision.baseline is not None
    assert (decision.baseline.controller, decision.baseline.shadow) == ("rules", True)
    own = judged(live(Mind(), 3))[0].judged
    assert own is not None and own.baseline is None


def test_the_same_observations_give_the_same_mind() -> None:
    def run() -> list[str]:
        source, mind = SyntheticSource(start=START, seed=4), Mind()
        said = []
        for _ in range(300):
            seen = source.next_observation()
            assert seen is not None
            taken = mind.take(seen, source.device_status(), Circumstances(now=seen.ts))
            said.append(taken.estimate.state.to_json())
            if taken.judged is not None:
                said += [taken.judged.plan.to_json(), *(v.action.to_json() for v in taken.judged.verdicts)]
        return said

    assert run() == run()
