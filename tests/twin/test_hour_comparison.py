"""`campaign explain`: one tent's hours under two controllers, with costs that add up to the planner's own objective."""

from __future__ import annotations

import json
from datetime import datetime

import numpy as np
import pytest
from tomato_host.brain.control.context import DecisionContext
from tomato_host.brain.control.plan_columns import COLUMNS, DOSE_K, LAMP_K, MIST_K, VENT_K
from tomato_host.brain.control.planner.horizon import horizon_targets
from tomato_host.brain.control.planner.objective import Expected, Weights, hourly_stress, judge
from tomato_host.brain.control.settings import PolicyName
from tomato_host.cli.main import main
from tomato_host.errors import TomatoError
from tomato_host.twin.campaign import matrix
from tomato_host.twin.campaign.hour_comparison import COSTS, TentHour, compare_hours, hour_costs, table

from tests.control.states import state

NOON = datetime.fromisoformat("2026-05-01T12:00:00+02:00")


@pytest.mark.parametrize(
    "climate", [(1.0, 23.0, 38.0, 40.0), (1.9, 33.0, 22.0, 24.0), (0.2, 11.0, 31.0, 60.0), (1.45, 29.0, 28.0, 50.0)]
)
def test_the_terms_of_an_hour_add_up_to_the_objective(climate: tuple[float, float, float, float]) -> None:
    """A horizon in which every hour is this one has the objective that the terms sum to."""
    context = DecisionContext(NOON, state())
    duty = np.zeros(COLUMNS)
    duty[[LAMP_K, VENT_K, MIST_K, DOSE_K]] = 1.0, 0.4, 0.2, 80.0
    found = hour_costs(context, climate, duty, duty)
    aim = horizon_targets(context)
    plans = np.repeat(duty[None, None], len(aim.light_share), axis=1)
    vpd, air, dry, wet = (np.full(plans.shape[:2], value) for value in climate)
    expected = Expected({"vpd_kpa": vpd, "air_temp_c": air}, dry, wet, {})
    whole = judge(aim, expected, plans, duty, Weights())
    assert set(found) == set(COSTS)
    pain = sum(found[name] for name in ("vpd", "air", "soil"))
    assert pain == pytest.approx(3.0 * float(hourly_stress(aim, expected, plans)[0, 0]))
    assert found["resources"] == pytest.approx(0.25 * float(whole.resource_use[0]))
    assert found["churn"] == pytest.approx(Weights().smooth * float(whole.action_churn[0]))
    if climate[0] == 1.0:  # perfect air and water at any hour: no stress, full yield
        assert [found[name] for name in ("vpd", "air", "soil")] == [0.0, 0.0, 0.0]
        assert found["yield"] == pytest.approx(-1.0)
    else:
        assert found["vpd"] > 0.0


def test_the_hours_of_both_runs_are_those_of_the_campaign() -> None:
    """Same tents, same stress and water as the campaign's own rows; hours in which nothing differs stay out."""
    found = compare_hours("dry_inflow@1", 3, ("rules", "timer"), 0.25)
    assert [h.start.hour for h in found.ours] == [6, 7, 8, 9, 10, 11]
    runs: tuple[tuple[PolicyName, tuple[TentHour, ...]], ...] = (("rules", found.ours), ("timer", found.theirs))
    for name, run in runs:
        row = matrix.simulate(matrix.Cell(name, "dry_inflow@1", 3, 0.25, 60.0)).row
        assert sum(h.stress_h for h in run) == row["plant_stress_h"]
        assert sum(h.strokes for h in run) == row["switches"]
        assert sum(h.water_ml for h in run) == pytest.approx(row["water_ml"], abs=0.1)
    lines = table(found)
    assert len(table(found, everything=True)) == 4 + 3 * 6 >= len(lines)
    assert found.ours[0].reason.startswith("first: ")
    ours, theirs = (sum(h.costs["churn"] for h in run) for run in (found.ours, found.theirs))
    assert found.total_regret()["churn"] == pytest.approx(ours - theirs)


def test_what_was_measured_is_the_mean_of_the_hour() -> None:
    """With the exhaust in strokes an hour's last minute lies in a pause, where the air is moister than its mean."""
    found = compare_hours("calm", 4, ("rules", "timer"), 0.125).ours
    run = matrix.begin(matrix.Cell("rules", "calm", 4, 0.125, 60.0))
    for hour in found:
        end_ms, believed = run.tent.now_ms - run.tent.now_ms % 3_600_000 + 3_600_000, []
        while run.tent.now_ms < end_ms:
            step = run.step()
            assert step is not None and step.estimate.state.env.vpd_kpa is not None
            believed.append(step.estimate.state.env.vpd_kpa)
        assert hour.vpd_measured_kpa == pytest.approx(float(np.mean(believed)))


def test_the_command_prints_both(capsys: pytest.CaptureFixture[str]) -> None:
    main_args = ["campaign", "explain", "--tent", "calm:8", "--controller", "rules", "--days", "0.1", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(main_args)
    assert ended.value.code == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["tent"] == "calm:8" and shown["controllers"] == ["rules", "timer"]
    assert set(shown["hours"][0]["regret"]) == set(COSTS)
    assert shown["hours"][1]["theirs"]["on"]["exhaust_fan"] > 0.1, "the timer airs by the clock"


@pytest.mark.parametrize("tent", ["calm", ":3", "calm:1-4", "calm:x", "hailstorm:1"])
def test_what_is_no_tent_is_refused(tent: str) -> None:
    with pytest.raises(TomatoError):
        matrix.read_tent(tent)
