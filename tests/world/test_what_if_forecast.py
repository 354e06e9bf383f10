"""What if with a new forecast: made outside the loop, by the active model, and its difference is the action's."""

from __future__ import annotations

import asyncio
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tomato_host.brain.brain import Brain
from tomato_host.brain.world_model.data import HORIZON_H, KnownAhead
from tomato_host.models.store import ModelStore
from tomato_host.models.what_if import changed_plan, forecast_both, pack_inputs
from tomato_host.service.forecast_process import ForecastProcess
from tomato_host.service.world_host import WorldUnavailable
from tomato_host.world.worlds.tent import may_see

from shared_schemas.devices import OUTPUT_BY_NAME, PUMP
from tests.admission.cases import agent
from tests.control.states import NOON, state

MOST_CPU_S = 0.5
LAMP = OUTPUT_BY_NAME["light"].column
WATER = {"type": "WATER", "params": {"ml": 400.0}}


@pytest.fixture(scope="module")
def brain() -> Brain:
    """One that has seen two days, hour by hour, drying out."""
    made = Brain()
    for hour in range(48):
        at = NOON - timedelta(hours=48 - hour)
        warm = 22.0 + 3.0 * math.sin(hour / 24.0 * 2.0 * math.pi)
        soil = 40.0 - 0.2 * hour
        made.forecast_state.add_state(state(at, air=warm, vpd=1.0, probes=((soil, 0.9), (soil + 2.0, 0.9))))
    return made


def test_nothing_is_known_of_a_brain_that_has_seen_no_hour() -> None:
    assert pack_inputs(Brain(), NOON) is None


def test_water_raises_the_soil_and_nothing_else_is_changed(brain: Brain, tmp_path: Path) -> None:
    inputs = pack_inputs(brain, NOON)
    assert inputs is not None
    found = forecast_both(inputs, WATER, tmp_path)
    assert found == forecast_both(inputs, WATER, tmp_path), "the same inputs, the same forecasts"
    assert found["difference"]["03"]["soil.P1"] > 0.5 and found["difference"]["36"]["soil.P1"] > 0.0
    assert found["with"]["hours"]["03"] != found["without"]["hours"]["03"]
    nothing = forecast_both(inputs, {"type": "NO_ACTION", "params": {}}, tmp_path)
    assert nothing["difference"] == {} and nothing["with"] == nothing["without"] == found["without"]
    with pytest.raises(ValueError, match="DANCE"):
        forecast_both(inputs, {"type": "DANCE", "params": {}}, tmp_path)


def test_without_it_is_what_the_brain_itself_expects(brain: Brain, tmp_path: Path) -> None:
    """The model comes from disk, where the loop has stored it; what it says is the same."""
    store = ModelStore(tmp_path)
    version = store.save(brain.forecast_state.model, brain.forecast_state.history.log(NOON), NOON)
    store.activate(version, NOON, "a test")
    inputs = pack_inputs(brain, NOON)
    assert inputs is not None
    found = forecast_both(inputs, WATER, tmp_path)
    own = brain.forecast_state.predict(NOON, None, None)
    assert own is not None and found["model_version"] == own.model_version
    shown = found["without"]["hours"]["06"]["soil_pct"]["P1"]["mean"]
    assert shown == pytest.approx(own.hours[5].soil_pct["P1"].mean, abs=1e-4)


def test_an_action_covers_the_part_of_the_plan_that_it_is_on_for() -> None:
    at = NOON + timedelta(minutes=30)
    plan = KnownAhead({LAMP: np.full(HORIZON_H, 1.0), PUMP.column: np.full(HORIZON_H, 10.0)})
    off = changed_plan(plan, "SET_LIGHT", {"state": "OFF", "seconds": 5_400.0}, at)[LAMP]
    assert off[:3] == pytest.approx([0.5, 0.0, 1.0])
    on = changed_plan(KnownAhead(), "SET_LIGHT", {"state": "ON", "seconds": 3_600.0}, at)[LAMP]
    assert on[:3] == pytest.approx([0.5, 0.5, 0.0])
    assert changed_plan(plan, "WATER", {"ml": 50.0}, at)[PUMP.column][:2] == pytest.approx([60.0, 10.0])
    stopped = changed_plan(plan, "STOP_ALL", {}, at)
    assert stopped[LAMP][:2] == pytest.approx([0.5, 0.5]) and PUMP.column not in stopped
    assert changed_plan(plan, "CO2_INJECT", {"seconds": 10.0}, at) == {}


def test_the_process_answers_within_its_cpu_and_ends_when_nobody_asks(brain: Brain, tmp_path: Path) -> None:
    inputs = pack_inputs(brain, NOON)
    assert inputs is not None

    async def ask() -> list[Any]:
        process = ForecastProcess(tmp_path, idle_s=0.2)
        try:
            both = [await process.ask(inputs, WATER) for _ in range(2)]
            assert process.pid is not None
            with pytest.raises(WorldUnavailable, match="DANCE"):
                await process.ask(inputs, {"type": "DANCE", "params": {}})
            again = await process.ask(inputs, WATER)
            await asyncio.sleep(0.5)
            assert process.pid is None, "nobody has asked for a while"
            return [*both, again]
        finally:
            process.close()

    answers = asyncio.run(ask())
    assert all(one.pop("cpu_s") <= MOST_CPU_S for one in answers)
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["difference"] == forecast_both(inputs, WATER, tmp_path)["difference"]


def test_who_may_not_see_the_forecast_gets_none() -> None:
    seers = {policy: may_see(agent("a", policy=policy), "main", "/forecast") for policy in ("full", "tent", "sitter")}
    assert seers == {"full": True, "tent": True, "sitter": False}
