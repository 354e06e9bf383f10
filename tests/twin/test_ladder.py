"""The oracle ladder: what its rungs know is true, its shares are of what can be gained, and nothing else changes."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from tomato_host.brain.control.parameter_estimation import plan_duties
from tomato_host.brain.control.plan_columns import COLUMNS, LAMP_K, STIR_K, VENT_K
from tomato_host.brain.control.tent_balance import BalanceParameters, steady_state_air
from tomato_host.cli.main import main
from tomato_host.sources.scenarios import Scenario
from tomato_host.twin.campaign import ladder
from tomato_host.twin.campaign.matrix import START, Cell, begin
from tomato_host.twin.campaign.oracle import TwinOracle, surroundings_course
from tomato_host.twin.params import TentParams
from tomato_host.twin.physics import LAMP_ON, STIRRING, VENTING
from tomato_host.twin.world import World


def steady_errors(seed: int) -> list[tuple[float, float]]:
    """[K, kPa] that balances miss the twin by after two hours of steady outputs: told, by nameplate; closed, vented."""
    run = begin(Cell("mpc", "calm", seed, 1.0, 60.0))
    world, told = run.tent.world, TwinOracle(run).parameters()
    outside = world.surroundings.at(0.0)
    errors = []
    for outputs, vent in ((LAMP_ON | STIRRING, 0.0), (LAMP_ON | STIRRING | VENTING, 1.0)):
        for _ in range(720):
            world.tent.advance(10.0, outputs, outside)
        duty = np.zeros((1, 1, COLUMNS))
        duty[..., LAMP_K] = duty[..., STIR_K] = 1.0
        duty[..., VENT_K] = vent
        truth = world.tent.truth()
        for tent in (told, BalanceParameters()):
            air, vpd = steady_state_air(outside.temp_c, outside.vapour_g_m3, plan_duties(duty), tent)
            errors.append((abs(air[0, 0] - truth.air_c), abs(vpd[0, 0] - truth.vpd_kpa)))
    return errors


def test_the_parameters_told_are_the_twins() -> None:
    """Steady outputs lead where the balances with them say, within the error of the law, nearer than by nameplate."""
    errors = np.array([steady_errors(seed) for seed in range(12)])  # tent, case, quantity
    told, plate = errors[:, ::2], errors[:, 1::2]
    assert (told.max(axis=(0, 1)) < (0.7, 0.2)).all(), told
    assert (told.mean(axis=(0, 1)) < 0.6 * plate.mean(axis=(0, 1))).all(), (
        told.mean(axis=(0, 1)),
        plate.mean(axis=(0, 1)),
    )


def test_the_weather_told_is_the_one_that_comes_with_its_adversities() -> None:
    params = TentParams.sample(4)
    course = surroundings_course(4, params, "heatwave@3,dry_inflow@5", START, 12.0)
    world = World(4, params, Scenario.parse("heatwave@3,dry_inflow@5"), START)
    for hour in (1, 4, 7, 11):
        world.advance_to(hour * 3_600_000)
        seen = world.surroundings.at(hour * 3_600.0)
        assert course.temp_c[6 * hour] == seen.temp_c and course.vapour_g_m3[6 * hour] == seen.vapour_g_m3
    temp, vapour, leak = course.hours(3_600.0, 15)
    assert len(temp) == len(vapour) == len(leak) == 15 and temp[3] > temp[0] + 2.0, "the heat is seen ahead"
    assert temp[-1] == course.temp_c[-1], "after its end the last value"


def test_an_oracle_plans_from_the_first_decision_and_leaves_the_twin_alone() -> None:
    cell = Cell("mpc", "calm", 1, 0.1, 60.0)
    run, plain = begin(cell), begin(cell)
    oracle = TwinOracle(run, surroundings_course(1, run.tent.world.tent.params, "calm", START, 48.0))
    before = replace(run.tent.world.tent.truth())
    oracle.parameters()
    assert run.tent.world.tent.truth() == before
    run.brain.use_controller("mpc", oracle.decide)
    plans = []
    for _ in range(10):
        result = run.step()
        assert plain.step() is not None and result is not None
        plans += [] if result.decision is None else [result.decision.plan]
    assert plans and {plan.controller for plan in plans} == {"mpc"}
    assert plain.brain.memory.last_plan is None or plain.brain.memory.last_plan.controller == "rules"


def rows_of(stress: dict[str, float], scenario: str) -> list[dict[str, object]]:
    return [
        {"rung": rung, "scenario": scenario, "seed": 0, **dict.fromkeys(ladder.FIGURES, 1.0), "plant_stress_h": hours}
        for rung, hours in stress.items()
    ]


def test_shares_are_of_what_lies_between_rules_and_the_best_knowledge() -> None:
    heat = {"timer": 30.0, "rules": 20.0, "learned": 15.0, "parameters": 12.0, "weather": 10.0}
    lines = ladder.ladder_lines([*rows_of(heat, "heatwave"), *rows_of(dict.fromkeys(heat, 0.0), "calm")])
    by = {(line.scenario, line.rung): line for line in lines}
    assert [by["heatwave", rung].taken for rung in ladder.RUNGS] == [-1.0, 0.0, 0.5, 0.8, 1.0]
    assert by["heatwave", "learned"].regret == 0.5
    assert by["calm", "learned"].taken is None, "nothing to gain, so no share"
    assert by["all", "rules"].tents == 2 and by["all", "rules"].sums["plant_stress_h"] == 20.0
    table = ladder.ladder_table(lines)
    assert len(table) == 2 + 3 * len(ladder.RUNGS) and "| heatwave | rules | 1 | 20.0 | 0% | 100% |" in table[3]


def test_the_command_prints_every_rung(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["campaign", "ladder", "--days", "0.05", "--seeds", "2", "--scenarios", "calm", "--json"])
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert [line["rung"] for line in found["lines"] if line["scenario"] == "calm"] == list(ladder.RUNGS)
    assert len(found["runs"]) == len(ladder.RUNGS) and not any(run["broken"] for run in found["runs"])
