"""The benchmark adapters fit the beam core (a rename once left them behind unseen) and learn what is there to learn."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tomato_host.brain.control.planner.beam_search import SearchSettings, search

BENCH = str(Path(__file__).resolve().parents[2] / "tools" / "bench")


@pytest.fixture(autouse=True)
def _on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCH)
    for name in [name for name in sys.modules if name.startswith(("greenlight_", "lettuce_"))]:
        monkeypatch.delitem(sys.modules, name)


def test_edits_for_greenlight_gym_find_the_best_plan() -> None:
    plans = __import__("greenlight_plans")
    edits = plans.ControlEdits(8, (0, 3))
    wanted = np.zeros((8, 6))
    wanted[:4, 0], wanted[4:, 3] = 0.6, 0.3
    found = search(
        lambda tried: -np.abs(tried - wanted).sum(axis=(1, 2)),
        edits,
        np.full((1, 8, 6), 0.0),
        SearchSettings(width=1, levels=len(plans.SIZES), rounds=40, pairs=0),
        lambda: False,
    )
    assert found.finished and np.abs(found.plans[0] - wanted).max() <= plans.SIZES[-1]
    assert not found.plans[0][:, (1, 2, 4, 5)].any(), "what is not free stays"


def test_edits_for_the_lettuce_move_no_faster_than_allowed() -> None:
    pytest.importorskip("scipy", reason="extra `bench`: the lettuce's edits need its linear programmes")
    edits = __import__("lettuce_edits")
    limit = edits.RateLimit(np.zeros(3), np.zeros(3), np.ones(3), np.full(3, 0.1))
    blocks = edits.BlockEdits(limit, 6)
    found = search(
        lambda plans: plans.sum(axis=(1, 2)),
        blocks,
        np.zeros((1, 6, 3)),
        SearchSettings(width=1, levels=len(edits.SIZES), rounds=20, pairs=0),
        lambda: False,
    )
    best = found.plans[0]
    assert best[-1] == pytest.approx(np.full(3, 0.6), abs=0.05)
    assert np.diff(np.concatenate([np.zeros((1, 3)), best]), axis=0).max() <= 0.1 + 1e-9


def watched(model: Any, days: int = 12) -> Any:
    """Days of a greenhouse whose laws are known: first-order air, growth by light and by the warmth of the day."""
    rng, count = np.random.default_rng(3), days * model.DAY_STEPS
    hour = np.arange(count) % model.DAY_STEPS / 4.0
    light = np.maximum(0.0, np.sin((hour - 6.0) / 12.0 * np.pi)) * rng.uniform(200.0, 800.0, days).repeat(96)
    controls = rng.random((count, 6)) * (1.0, 1.0, 0.0, 1.0, 0.3, 0.0)
    state = np.column_stack([rng.uniform(14.0, 24.0, count), np.full(count, 1_500.0), rng.uniform(350.0, 900.0, count),
                             np.full(count, 40.0), np.full(count, 18.0), light])  # fmt: skip
    weather = np.column_stack([light, np.full(count, 5.0), np.full(count, 700.0), np.full(count, 3.0)])
    mean = rng.uniform(13.0, 20.0, days).repeat(96)
    change = np.column_stack([0.5 * controls[:, 0] - 0.1 * (state[:, 0] - 5.0) * controls[:, 3], np.zeros((count, 3))])
    change[:, 3] = 10.0 * controls[:, 0]
    law = model.Growth(700.0, 1.5, 0.0, 0.0, 0.0, 15.0, 1.8)
    by = model.assimilation(light, controls, state[:, 0], state[:, 2], law.half_light)[:, 0]
    gained = 1.5 * by * law.warmth(mean)
    fruit = np.full(count, 1e5)
    return model.Watched(
        state, controls, weather, state[:, :4] + change, fruit, gained, mean, np.zeros(count, dtype=int)
    )


def test_what_greenlight_gym_shows_teaches_its_growth_and_its_climate() -> None:
    model = __import__("greenlight_model")
    seen = watched(model)
    growth, explained = model.learn_growth(seen, skip_days=0)
    assert explained > 0.99 and growth.per_sun == pytest.approx(1.5, rel=0.05) and growth.per_lamp >= 0.0
    assert (growth.half_light, growth.warm_c) == (700.0, 15.0)
    climate, error = model.learn_climate(seen, rounds=80)
    spread = (seen.after - seen.state[:, :4]).std(axis=0)
    assert (error[[0, 3]] < 0.2 * spread[[0, 3]]).all()
    assert climate.change(np.zeros((2, model.INPUTS))).shape == (2, 4)


def test_prices_of_greenlight_gym_are_read_off_its_answers() -> None:
    model = __import__("greenlight_model")
    answers = []
    for boiler, gas, lamp, grown in ((1.0, 0.2, 0.0, 50.0), (0.3, 0.0, 1.0, 200.0), (0.0, 1.0, 0.4, -3.0)):
        heat, co2, current, gains = 0.003 * boiler, 0.0014 * gas, 0.009 * lamp, 2.5e-5 * grown
        profit = gains - heat - co2 - current
        info = {
            "controls": [boiler, gas, 0.0, 0.0, lamp, 0.0],
            "profit": profit,
            "penalty": 0.3,
            "control_penalty": 0.0,
        }
        info |= {"heat_cost": heat, "co2_cost": co2, "elec_cost": current, "gains": gains, "fruit_growth_dm": grown}
        answers.append({"info": info, "reward": 0.64 + 50.0 * profit - 0.3})
    money = model.learn_money(answers)
    assert money.cost == pytest.approx([0.15, 0.07, 0.0, 0.0, 0.45, 0.0])
    assert money.per_mg == pytest.approx(50.0 * 2.5e-5) and money.base == pytest.approx(0.64)


def test_an_environment_that_is_not_there_says_what_to_install(tmp_path: Path) -> None:
    adapter = __import__("greenlight_adapter")
    with pytest.raises(FileNotFoundError, match="gl-gym"):
        adapter.GreenLight(tmp_path / "bin" / "python")
